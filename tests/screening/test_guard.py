from __future__ import annotations

import numpy as np
import pytest
import torch

from radversary.classifiers.torch_module import wrap
from radversary.core.errors import AccessError, InputError, ModelError, PlanError, UnknownNameError
from radversary.core.types import Access
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.detectors.registry import REFERENCE_FREE
from radversary.screening.fitting import fit_guard
from radversary.screening.guard import Guard, pixels_sha256
from radversary.screening.verdicts import CUES, as_json

NAMES = ("neighbours", "energy")


@pytest.mark.slow
def test_one_look_gives_every_detector_s_own_score_and_the_classifier_s_answer(guard, victim, clean):
    look = guard.look(clean[:7])
    for column, name in enumerate(NAMES):
        alone = guard.detectors[name].score(clean[:7]).double().numpy()
        assert np.allclose(look.scores[:, column], alone, atol=1e-5)
    assert np.allclose(look.probabilities, victim.scores(clean[:7]).numpy(), atol=1e-6)


def test_a_verdict_says_what_the_classifier_decides_where_probabilities_are_equal(guard, victim, clean, monkeypatch):
    forward = type(victim).logits
    monkeypatch.setattr(type(victim), "logits", lambda self, images: (0.5 - forward(self, images)) * 1e-20)
    look = guard.look(clean[:9])
    assert look.decisions.tolist() == victim.predict(clean[:9]).tolist()
    assert look.probabilities.std() == 0
    assert look.decisions.all()


def test_the_classifier_is_asked_once(guard, victim, clean, monkeypatch):
    calls = []
    forward = type(victim).logits
    monkeypatch.setattr(type(victim), "logits", lambda self, images: calls.append(len(images)) or forward(self, images))
    guard.look(clean[:40])
    assert calls == [32, 8]


def test_an_image_is_judged_alone_as_among_others(guard, clean):
    together = guard.screen(clean[:5])
    for row in range(5):
        (alone,) = guard.screen(clean[row:row + 1])
        assert alone.p_value == pytest.approx(together[row].p_value)
        assert alone.probabilities == pytest.approx(together[row].probabilities)


def test_what_lies_far_from_clean_films_is_reviewed_and_clean_films_mostly_pass(guard, clean):
    fresh = guard.screen(clean[100:])
    assert sum(item.verdict == "review" for item in fresh) <= 8
    checked = torch.zeros(1, 1, 32, 32)
    checked[..., ::2, ::2] = 1.0
    (strange,) = guard.screen(checked, names=["board"])
    assert (strange.image, strange.verdict) == ("board", "review")
    assert strange.p_value <= guard.alpha
    strongest = min(strange.detectors, key=strange.detectors.__getitem__)
    assert strange.cue == f"{strongest}: {CUES[strongest]}"
    assert as_json(strange)["detectors"] == strange.detectors


@pytest.mark.slow
def test_groups_keep_their_own_thresholds(victim, clean):
    fitted = fit_guard(victim, clean[:40], names=("energy",))
    groups = ["PA", "AP"] * 40
    ready = fitted.calibrate(clean[40:], [f"p{number}" for number in range(80)], groups, alpha=0.2)
    assert set(ready.calibrated().final.scores) == {"AP", "PA"}
    assert ready.screen(clean[:1], ["AP"])[0].group == "AP"
    with pytest.raises(InputError, match="'LATERAL' was never calibrated; known: AP, PA"):
        ready.screen(clean[:1], ["LATERAL"])
    with pytest.raises(InputError, match="needs its group"):
        ready.screen(clean[:1])


def test_bad_requests_are_one_sentence(victim, clean, guard):
    fitted = fit_guard(victim, clean[:10], names=("energy",))
    for ask in (lambda: fitted.screen(clean[:1]), lambda: fitted.alpha):
        with pytest.raises(InputError, match="no thresholds yet"):
            ask()
    with pytest.raises(InputError, match="needs 38 clean calibration patients at least"):
        fitted.calibrate(clean[10:40], [f"p{number}" for number in range(30)], alpha=0.05)
    with pytest.raises(UnknownNameError, match="did you mean 'neighbours'"):
        fit_guard(victim, clean[:10], names=("neighbors",))
    for names in ((), ("energy", "energy")):
        with pytest.raises(PlanError, match="each once"):
            fit_guard(victim, clean[:10], names=names)
    closed = type("Closed", (type(victim),), {"access": Access.SCORES})(victim.module, victim.card)
    with pytest.raises(AccessError, match="needs gradients"):
        fit_guard(closed, clean[:10])


@pytest.fixture
def quick(monkeypatch):
    """The learned detector with one epoch."""
    monkeypatch.setitem(REFERENCE_FREE._own, "learned", "tiny_learned:OneEpoch")


@pytest.mark.slow
def test_attacked_images_reach_the_supervised_alone_and_are_noted(victim, clean, quick):
    attacked = (clean[:12] + 0.1 * torch.rand(clean[:12].shape)).clamp(0, 1)
    fitted = fit_guard(victim, clean[:20], names=("energy", "learned"), attacked=attacked, record={"fitted_images": 20})
    plain = fit_guard(victim, clean[:20], names=("energy",))
    assert fitted.record["attacked_images"] == 12
    assert fitted.record["attacked_sha256"] == pixels_sha256(attacked) != pixels_sha256(clean[:12])
    assert fitted.record["fitted_images"] == 20
    assert "attacked_images" not in plain.record
    assert np.array_equal(fitted.look(clean[:5]).scores[:, :1], plain.look(clean[:5]).scores)
    alone = REFERENCE_FREE.create("learned").fit_on(clean[:20], attacked)
    assert np.allclose(fitted.look(clean[:5]).scores[:, 1], alone.score(clean[:5]), atol=1e-5)


def test_a_supervised_detector_without_attacked_images_and_the_reverse_are_refused(victim, clean):
    with pytest.raises(InputError, match="'learned' is supervised: it learns from attacked images too, and none"):
        fit_guard(victim, clean[:10], names=("energy", "learned"))
    with pytest.raises(InputError, match=r"only clean ones teach the chosen detectors \(energy, msp\)"):
        fit_guard(victim, clean[:10], names=("energy", "msp"), attacked=clean[10:20])


def test_nothing_is_judged_in_an_empty_batch(guard, clean):
    assert guard.screen(clean[:0]) == []


def test_every_detector_has_words_for_its_alarm():
    assert set(REFERENCE_FREE.names()) <= set(CUES)


def test_scores_are_differentiable_for_an_attacker(guard, clean):
    images = clean[:2].clone().requires_grad_()
    scores, _ = guard.anomaly_score(images)
    (slope,) = torch.autograd.grad(scores.sum(), images)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0


def test_a_guard_is_what_it_is_made_of(guard):
    assert isinstance(guard, Guard)
    assert guard.record["detectors"] == list(NAMES)


def test_a_model_that_answers_with_probabilities_is_refused_before_a_detector_is_fitted(victim, clean, monkeypatch):
    twice = wrap(torch.nn.Sequential(victim.module, torch.nn.Softmax(1)), classes=("a", "b"), size=32, name="soft")
    monkeypatch.setattr(ReferenceFreeDetector, "fit", None)
    with pytest.raises(ModelError, match="model 'soft' gives probabilities"):
        fit_guard(twice, clean[:10], names=NAMES)
