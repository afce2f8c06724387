from __future__ import annotations

import pytest
import torch
from linear_toy import Linear, labels_of, smooth_and_right, streams

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.evasive import style as style_file
from radversary.attacks.evasive.style import EvasiveStyleAttack
from radversary.attacks.goal import margin
from radversary.attacks.style import worst as worst_file
from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.attacks.style.worst import WorstStyleAttack
from radversary.core.errors import AccessError, PlanError, UnknownNameError
from radversary.core.types import Access
from radversary.imaging.intensity import quantise
from radversary.stylization.generators import Pyramid
from random_parts import count_calls, smooth_images, tiny_classifier

STYLES = {"generator": "pyramid", "count": 6, "style_size": 32, "k": 6}


@pytest.fixture(autouse=True)
def _empty_shelf():
    worst_file.shelf.cache_clear()


@pytest.fixture
def linear() -> Linear:
    return Linear(blurred=5)


@pytest.fixture
def images(linear) -> torch.Tensor:
    return smooth_and_right(linear)


def attacked(attack, victim, images):
    return quantise(attack.perturb(victim, images, labels_of(images), streams()), 8)


def value(victim, changed, images):
    """What is least where an image misleads and passes: the margin as of a model that reads the image by 5 logits."""
    margins, own = (margin(victim.logits(item), labels_of(item)) for item in (changed, images))
    return torch.maximum(-5 * margins / own.abs(), victim.excess(changed))


@pytest.mark.slow
def test_trying_all_styles_finds_the_least_maximum_by_brute_force(linear, images):
    single = StyleTransferAttack(**{name: option for name, option in STYLES.items() if name != "k"})
    every = [single.in_styles(images, torch.full((len(images),), style)) for style in range(6)]
    each = torch.stack([value(linear, quantise(images + 0.5 * (full - images), 8), images) for full in every])
    found = value(linear, attacked(EvasiveStyleAttack(opacity=0.5, **STYLES), linear, images), images)
    torch.testing.assert_close(found, each.min(0).values, atol=1e-4, rtol=0)
    assert (found < each.median(0).values).any()


@pytest.mark.slow
def test_who_knows_the_detector_evades_it_more_often_than_who_does_not(linear, images):
    tuned = attacked(EvasiveStyleAttack(tuned="yes", **STYLES), linear, images)
    aware = attacked(EvasiveStyleAttack(**STYLES), linear, images)
    blind = attacked(WorstStyleAttack(**STYLES), linear, images)
    shares = [linear.evaded(result).float().mean() for result in (blind, aware, tuned)]
    assert shares == sorted(shares)
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.slow
def test_tuning_never_loses_what_was_found_without(linear, images):
    plain, tuned = (value(linear, attacked(EvasiveStyleAttack(tuned=tuned, **STYLES), linear, images), images)
                    for tuned in ("no", "yes"))
    assert (tuned <= plain + 1e-5).all()
    assert (tuned < plain - 1e-2).any()


def test_halving_ends_just_below_the_alarm(linear, images, monkeypatch):
    seen = []
    monkeypatch.setattr(style_file, "standing", lambda victim, stored, aims, goal, answers: (
        seen.append(stored), (-torch.ones(len(stored)), victim.excess(stored)))[1])
    white = torch.where(linear.cue > 0, 1.0, 0.0).reshape(1, 1, *images.shape[-2:]).expand_as(images)
    EvasiveStyleAttack(tuned="yes", **STYLES).try_style(
        linear, images, white, labels_of(images), torch.ones(len(images)),
        style_file.Best(images, torch.full((len(images),), torch.inf), torch.ones(len(images))))
    assert len(seen) == 1 + style_file.ROUNDS
    excess = torch.stack([linear.excess(stored) for stored in seen])
    share = -linear.excess(images) / (linear.excess(white) - linear.excess(images))  # linear: where the alarm begins
    tries = torch.stack([((stored - images) / (white - images)).mean((1, 2, 3)) for stored in seen])
    greatest = torch.where(excess <= 0, tries, 0.0).amax(0)
    assert (greatest <= share + 0.01).all()
    assert (greatest >= share - 0.03).all()


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_choice_does_not_depend_on_the_scale_of_the_logits(linear, images, scale):
    attack = EvasiveStyleAttack(opacity=0.5, **STYLES)
    expected, linear.scale = attacked(attack, linear, images), scale
    assert torch.equal(attacked(attack, linear, images), expected)


@pytest.mark.slow
def test_a_style_that_passes_whole_is_not_searched(linear, images):
    linear.passes = 0
    linear.cue = torch.zeros_like(linear.cue)
    attacked(EvasiveStyleAttack(tuned="yes", **STYLES), linear, images)
    assert linear.passes == 1 + 6


@pytest.mark.slow
def test_tuned_and_untuned_share_their_drawings(linear, images, monkeypatch):
    counted, calls = count_calls(Pyramid.stylise)
    monkeypatch.setattr(Pyramid, "stylise", counted)
    for tuned in ("no", "yes"):
        attacked(EvasiveStyleAttack(tuned=tuned, **STYLES), linear, images)
    assert len(calls) == 6


@pytest.mark.slow
def test_scores_are_enough_and_labels_are_not(linear, images):
    batch = Batch(images=images, labels=labels_of(images), image_ids=tuple(map(str, range(len(images)))))
    attack = EvasiveStyleAttack(**{**STYLES, "k": 2})
    linear.access = Access.SCORES
    assert list(run_attack(attack, linear, batch, seed=3, step="x", strengths=(0.5,)))
    linear.access = Access.LABELS
    with pytest.raises(AccessError, match="needs scores"):
        list(run_attack(attack, linear, batch, seed=3, step="x", strengths=(0.5,)))


@pytest.mark.parametrize("opacity", [0.5, 0.0])
def test_a_classifier_without_detectors_is_refused(opacity):
    images = smooth_images(2)
    batch = Batch(images=images, labels=labels_of(images), image_ids=("a", "b"))
    with pytest.raises(AccessError, match=r"^attack EvasiveStyleAttack evades detectors, but none guard model 'tiny'"):
        list(run_attack(EvasiveStyleAttack(**STYLES), tiny_classifier(), batch, seed=1, step="x", strengths=[opacity]))


def test_bad_choices_are_refused_in_one_sentence():
    with pytest.raises(UnknownNameError, match="unknown value of tuned 'maybe'"):
        EvasiveStyleAttack(**STYLES, tuned="maybe")
    with pytest.raises(PlanError, match="tries k=7 different styles"):
        EvasiveStyleAttack(**{**STYLES, "k": 7})


def test_the_toy_is_what_the_tests_take_it_for(linear):
    images = smooth_and_right(linear)
    assert len(images) == 24
    assert (margin(linear.logits(images), labels_of(images)) < 0).all()
    assert (linear.excess(images) < 0).all()
