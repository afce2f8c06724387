"""What each detector measures of a model that reads findings, against figures worked out apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import expit, logit
from torch import nn

from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.detectors.confidence import energy, finding_doubt, joint_energy
from radversary.detectors.consistency import ConsistencyDetector, SqueezingDetector
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.detectors.registry import REFERENCE_FREE
from random_parts import smooth_images

CLEAN, FRESH = smooth_images(24, seed=1), smooth_images(6, seed=2)
QUICK = {"learned": {"epochs": 2}, "grain": {"epochs": 2}}
FINDINGS = {"multilabel": ("x", "y", "z"), "one finding": ("y",), "binary": ("none", "y")}


class Network(nn.Module):
    """Two small convolutions and a dense layer; its first finding is the same however many there are."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.trunk = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                       nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
            self.dense = nn.Linear(8 * 64, 3)
        self.outputs = outputs

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return 20 * self.dense(self.trunk(inputs))[:, :self.outputs]


def victim_of(form: str, **card: object) -> TorchClassifier:
    task, outputs = ("binary", 1) if form == "binary" else ("multilabel", len(FINDINGS[form]))
    return wrap(Network(outputs), classes=FINDINGS[form], size=32, task=task, **card)


def taught(name: str, form: str) -> ReferenceFreeDetector:
    detector = REFERENCE_FREE.create(name, **QUICK.get(name, {})).bind(victim_of(form))
    other = (smooth_images(24, seed=4) + 0.08).clamp(0, 1)
    return detector.fit_on(CLEAN, other) if detector.supervised else detector.fit(CLEAN)


@pytest.mark.slow
@pytest.mark.parametrize("form", FINDINGS)
@pytest.mark.parametrize("name", REFERENCE_FREE.names())
def test_every_detector_scores_models_of_findings(name, form):
    detector = taught(name, form)
    scores = detector.score(FRESH)
    assert (scores.shape, scores.dtype) == ((6,), torch.float32)
    assert scores.isfinite().all()
    assert scores.unique().numel() > 1
    torch.testing.assert_close(detector.score(FRESH[2:3]), scores[2:3], rtol=1e-3, atol=1e-5)
    images = FRESH.clone().requires_grad_()
    features = detector.bound().features(images) if detector.needs_features else None
    slope, = torch.autograd.grad(detector.judge(detector.measure(images, features)).sum(), images)
    assert slope.isfinite().all()
    assert slope.abs().amax() > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE_FREE.names())
def test_one_finding_is_scored_alike_as_binary_and_as_multilabel(name):
    """The logits (0, x) and the logit x say the same; the embedding and the maps are the same network's."""
    one, two = taught(name, "one finding").score(FRESH), taught(name, "binary").score(FRESH)
    torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)


def test_the_probability_of_the_reading_not_taken_is_counted_from_the_threshold():
    victim = victim_of("multilabel", thresholds=(0.5, 0.1, 0.9))
    detector = REFERENCE_FREE.create("msp").bind(victim)
    above = victim.scores(FRESH).double().numpy()
    shifted = expit(logit(above) - logit([0.5, 0.1, 0.9]))
    np.testing.assert_allclose(detector.score(FRESH), np.minimum(shifted, 1 - shifted).mean(1), rtol=1e-4)
    assert finding_doubt(torch.tensor([0.0, 50.0])).tolist() == pytest.approx([0.5, 0.0])


def test_the_joint_energy_adds_up_that_of_each_finding():
    logits = torch.tensor([[1.5, -2.0, 40.0]])
    apart = [energy(torch.tensor([[0.0, one]]), 2.0).item() for one in logits[0].tolist()]
    assert joint_energy(logits, 2.0).item() == pytest.approx(sum(apart))
    victim = victim_of("multilabel")
    assert torch.allclose(REFERENCE_FREE.create("energy").bind(victim).score(FRESH), joint_energy(victim.logits(FRESH)))


def test_divergence_and_distance_of_findings_are_means_of_each_one():
    victim = victim_of("multilabel")
    views = [lambda images: images, *ConsistencyDetector().looks().values()]
    seen = np.stack([victim.scores(view(FRESH)).double().numpy() for view in views])  # (3, N, K)
    both = np.stack([seen, 1 - seen], axis=-1)
    squeezed = 2 * np.abs(seen[1:] - seen[:1]).max(0).mean(1)
    np.testing.assert_allclose(SqueezingDetector().bind(victim).score(FRESH), squeezed, rtol=1e-3, atol=1e-6)
    pair = seen[:2]  # SciPy compares two: drop the coarse view
    expected = jensenshannon(both[0], both[1], axis=-1) ** 2
    found = OneView().bind(victim).score(FRESH)
    np.testing.assert_allclose(found, expected.mean(1), rtol=1e-3, atol=1e-6)
    assert np.ptp(pair, axis=0).max() > 0.01


class OneView(ConsistencyDetector):
    """The median view alone."""

    def looks(self):
        return {"median": super().looks()["median"]}
