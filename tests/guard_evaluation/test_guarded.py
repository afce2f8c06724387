from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.evasive.pgd import EvasivePGD
from radversary.attacks.evasive.style import EvasiveStyleAttack
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.guarded_victim import GuardedVictim
from radversary.attacks.style.worst import WorstStyleAttack
from radversary.calibration import combining
from radversary.calibration import fusion as fusion_file
from radversary.calibration.fusion import fuse
from radversary.calibration.p_values import p_values
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import InputError
from radversary.core.types import Access
from radversary.guard_evaluation.guarded import RULES, GuardedClassifier, NegLogP
from radversary.screening.fitting import fit_guard


@pytest.fixture(scope="module")
def guarded(guard):
    return GuardedClassifier(guard)


@pytest.fixture(scope="module")
def torn(clean):
    """A guarded classifier whose border runs through the clean images, so that a change of style can cross it."""
    network = build_network("tiny", classes=2, seed=1)
    torn = wrap(network, classes=("a", "b"), size=32, name="torn", architecture="tiny")
    with torch.no_grad():
        leads = (torn.logits(clean) @ torch.tensor([1.0, -1.0])).median()
        network.head[0].bias[0] -= leads
    fitted = fit_guard(torn, clean[:40], names=("neighbours", "energy"))
    return GuardedClassifier(fitted.calibrate(clean[40:100], [f"p{number}" for number in range(60)], alpha=0.1))


def clean_scores(count, seed, columns=3):
    """Scores of detectors that partly agree, one of them skewed, one in coarse steps."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(count, columns)) + 0.8 * rng.normal(size=(count, 1))
    scores[:, 1] = np.exp(2 * scores[:, 1])
    scores[:, 2] = scores[:, 2].round(1)
    return scores


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.parametrize("patients", [80, 600])
def test_no_excess_is_no_alarm_and_hardly_more_is_one(guard, rule, patients):
    names = [f"p{number}" for number in range(patients)]
    ready = replace(guard, fusion=fuse(clean_scores(patients, 1), names, alpha=0.05, rule=rule,
                                       kinds=["a", "b", "b"]))
    tested = GuardedClassifier(ready)
    suspects = np.concatenate([clean_scores(3000, 2), 1.7 * clean_scores(3000, 3) + 0.5])
    alarms = ready.calibrated().alarms(suspects)
    excess = tested.excess_of(torch.from_numpy(suspects)).numpy()
    assert 0.05 < alarms.mean() < 0.95
    assert not alarms[excess <= 0].any()
    wrongly = (excess > 0) & ~alarms
    assert wrongly.mean() < (0.12 if patients == 80 else 0.02)


@pytest.mark.parametrize("reference", [np.arange(30.0), np.repeat(np.arange(6.0), 5), np.zeros(30)])
def test_the_line_lies_on_the_count_or_above(reference):
    scores = np.sort(np.concatenate([np.linspace(-3, 40, 500), reference]))
    line = NegLogP.of(reference)(torch.from_numpy(scores))
    counted = -np.log(p_values(reference, scores)) + fusion_file.beyond(reference, scores)
    assert (line.numpy() >= counted - 1e-12).all()
    assert (line.diff() >= 0).all()
    assert line[scores > reference.max()].numpy() == pytest.approx(counted[scores > reference.max()])


def test_every_rule_of_fusion_has_a_differentiable_form(guard):
    assert set(RULES) == set(combining.RULES)
    values, kinds = np.random.default_rng(0).uniform(0.01, 9, size=(50, 4)), ["a", "b", "a", "a"]
    for name, rule in RULES.items():
        assert np.allclose(rule(torch.from_numpy(values), kinds).numpy(), combining.RULES[name](values, kinds))


def test_it_answers_as_the_classifier_and_gives_the_excess(guarded, guard, clean):
    victim = guard.classifier
    assert isinstance(guarded, GuardedVictim)
    assert (guarded.card, guarded.access) == (victim.card, Access.GRADIENTS)
    assert torch.equal(guarded.logits(clean[:3]), victim.logits(clean[:3]))
    logits, excess = guarded.judged(clean[:3])
    torch.testing.assert_close(logits, victim.logits(clean[:3]))
    assert torch.equal(excess, guarded.excess(clean[:3]))


def test_one_pass_serves_both(guarded, clean, monkeypatch):
    kind, calls = type(guarded.guard.classifier), []
    forward = kind.logits
    monkeypatch.setattr(kind, "logits", lambda self, images: calls.append(1) or forward(self, images))
    guarded.judged(clean[:2])
    assert len(calls) == 1


def test_its_excess_agrees_with_its_alarms(guarded, clean):
    noisy = (clean[:60] + 0.3 * torch.rand(60, 1, 32, 32, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    images = torch.cat([clean[100:], noisy])
    alarms, excess = guarded.alarms(images), guarded.excess(images)
    assert alarms.any()
    assert not alarms.all()
    assert not alarms[excess <= 0].any()
    assert (excess[~alarms] <= 0).float().mean() > 0.8


def test_gradients_lead_back_from_however_far(guarded):
    board = torch.zeros(1, 1, 32, 32)
    board[..., ::2, ::2] = 1.0
    image = board.clone().requires_grad_()
    excess = guarded.excess(image)
    (slope,) = torch.autograd.grad(excess.sum(), image)
    assert excess.item() > 0
    assert slope.isfinite().all()
    assert guarded.excess((board - 0.02 * slope / slope.abs().max()).clamp(0, 1)).item() < excess.item()


@pytest.mark.slow
def test_the_fingerprint_changes_with_what_is_learned_and_with_the_thresholds(guarded, guard, victim, clean):
    again = GuardedClassifier(guard).fingerprint()
    assert guarded.fingerprint() == again
    other = guard.calibrate(clean[40:100], [f"p{number}" for number in range(60)], alpha=0.2, seed=3)
    refitted = replace(fit_guard(victim, clean[1:41], names=tuple(guard.detectors)), fusion=guard.fusion)
    prints = {again, GuardedClassifier(other).fingerprint(), GuardedClassifier(refitted).fingerprint(),
              victim.fingerprint()}
    assert len(prints) == 4


@pytest.mark.slow
def test_groups_are_judged_by_their_own_thresholds(victim, clean):
    fitted = fit_guard(victim, clean[:40], names=("energy",))
    ready = fitted.calibrate(clean[40:], [f"p{number}" for number in range(80)], ["PA", "AP"] * 40, alpha=0.2)
    for group in ("PA", "AP"):
        one = GuardedClassifier(ready, group=group)
        alarms = [item.verdict == "review" for item in ready.screen(clean, [group] * len(clean))]
        assert one.alarms(clean).tolist() == alarms
        assert not one.alarms(clean)[one.excess(clean) <= 0].any()
    with pytest.raises(InputError, match="'LATERAL' was never calibrated"):
        GuardedClassifier(ready, group="LATERAL")
    with pytest.raises(InputError, match="needs its group"):
        GuardedClassifier(ready)
    with pytest.raises(InputError, match="no thresholds yet"):
        GuardedClassifier(fitted)


def evaded(guarded, attack, images, labels):
    batch = Batch(images=images, labels=labels, image_ids=tuple(map(str, range(len(images)))))
    (outcome,) = run_attack(attack, guarded, batch, seed=1, step="x", strengths=[attack.current])
    result = outcome.images
    misled = guarded.predict(result) != labels
    return (misled & ~guarded.alarms(result)).float().mean().item()


@pytest.mark.slow
@pytest.mark.parametrize(("aware", "oblivious"), [
    (EvasivePGD(epsilon=24 / 255, steps=20), PGD(epsilon=24 / 255, steps=20)),
    (EvasiveStyleAttack(k=4, count=4, style_size=32, generator="pyramid", tuned="yes"),
     WorstStyleAttack(k=4, count=4, style_size=32, generator="pyramid"))], ids=["pgd", "style"])
def test_who_knows_the_guard_evades_it_at_least_as_often(torn, clean, aware, oblivious):
    images = (clean[100:] * 255).round() / 255
    labels = torn.predict(images)
    known, unknown = (evaded(torn, attack, images, labels) for attack in (aware, oblivious))
    assert known >= unknown
    assert known > 0
