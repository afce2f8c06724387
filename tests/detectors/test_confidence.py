"""Scores from the logits alone, against SciPy and the field's published conventions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from torch import nn

from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import InputError, PlanError
from radversary.detectors.confidence import EnergyDetector, ProbabilityDetector, doubt, energy
from random_parts import smooth_images, tiny_classifier

FILMS = smooth_images(5)
LOGITS = 4 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def victim() -> TorchClassifier:
    return tiny_classifier()


def test_probability_is_one_minus_the_largest_softmax(victim):
    scores = ProbabilityDetector().bind(victim).fit(FILMS).score(FILMS)
    logits = victim.logits(FILMS).double().numpy()
    np.testing.assert_allclose(scores, 1 - softmax(logits, axis=1).max(axis=1), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 10.0])
def test_energy_is_minus_the_tempered_logsumexp(victim, temperature):
    scores = EnergyDetector(temperature=temperature).bind(victim).fit(FILMS).score(FILMS)
    logits = victim.logits(FILMS).double().numpy()
    np.testing.assert_allclose(scores, -temperature * logsumexp(logits / temperature, axis=1), rtol=1e-5)


def test_they_rank_as_pytorch_ood_does():
    # pytorch-ood (Apache-2.0) gives -max softmax and -T logsumexp(x / T), larger for an outlier.
    published = {"msp": -LOGITS.softmax(dim=1).max(dim=1).values, "energy": -torch.logsumexp(LOGITS, dim=1)}
    assert ProbabilityDetector().judge(LOGITS).argsort().equal(published["msp"].argsort())
    torch.testing.assert_close(EnergyDetector().judge(LOGITS), published["energy"])


def test_certain_predictions_keep_their_order():
    margins = torch.tensor([10.0, 20.0, 30.0, 60.0])
    logits = torch.stack([margins, torch.zeros(4), torch.full((4,), -3.0)], dim=1)
    scores = doubt(logits)
    assert (scores.diff() < 0).all()
    expected = np.exp(-margins.double().numpy()) * (1 + np.exp(-3))
    np.testing.assert_allclose(scores, expected, rtol=1e-3)


def test_the_unsure_stand_out():
    logits = torch.tensor([[0.1, 0.0, 0.0], [9.0, 0.0, 0.0]])
    for detector in (ProbabilityDetector(), EnergyDetector()):
        unsure, sure = detector.judge(logits)
        assert unsure > sure


def test_energy_does_not_overflow():
    assert energy(torch.tensor([[1e4, -1e4]])).item() == -1e4


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_must_make_sense(temperature):
    with pytest.raises(PlanError, match="temperature must be a finite number above 0"):
        EnergyDetector(temperature=temperature)


@pytest.mark.parametrize("detector", [ProbabilityDetector(), EnergyDetector()])
def test_scores_stand_alone_and_lead_back_to_the_image(detector, victim):
    detector.bind(victim)
    scores = detector.score(FILMS)
    torch.testing.assert_close(detector.score(FILMS[3:4]), scores[3:4])
    assert torch.equal(type(detector)().bind(victim).restore(detector.learned).score(FILMS), scores)
    films = FILMS.clone().requires_grad_()
    detector.judge(detector.measure(films, victim.features(films))).sum().backward()
    assert films.grad.isfinite().all()
    assert films.grad.abs().amax() > 0


def test_no_classifier_no_score():
    with pytest.raises(InputError, match=r"EnergyDetector\(temperature=1.0\) looks at what a classifier sees"):
        EnergyDetector().score(FILMS)


def test_the_energy_follows_the_logits_scale():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 2))
    nn.init.zeros_(network[1].weight)
    network[1].bias = nn.Parameter(torch.tensor([2.0, 2.0]))
    victim = wrap(network, classes=("a", "b"), size=4)
    score = EnergyDetector().bind(victim).score(torch.zeros(1, 1, 4, 4))
    assert score.item() == pytest.approx(-2.0 - np.log(2.0))
