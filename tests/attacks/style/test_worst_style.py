from __future__ import annotations

import pytest
import torch

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.goal import margin
from radversary.attacks.style import worst as worst_file
from radversary.attacks.style.bounded import likeness
from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.attacks.style.worst import WorstStyleAttack
from radversary.core.errors import AccessError, PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Access
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from radversary.imaging.intensity import quantise
from radversary.stylization.generators import Pyramid
from random_parts import count_calls, smooth_images, tiny_classifier

NAMES = ("a", "b", "c", "d")
LABELS = torch.tensor([0, 1, 2, 0])
STYLES = {"generator": "pyramid", "count": 6, "style_size": 32}


@pytest.fixture(autouse=True)
def _empty_shelf():
    worst_file.shelf.cache_clear()


@pytest.fixture(scope="module")
def victim():
    return tiny_classifier()


def streams(names=NAMES):
    return Streams.for_images(names, seed=3, step="worst")


def attacked(attack, victim, images):
    return attack.perturb(victim, images, LABELS, streams())


def margins(victim, images):
    return margin(victim.logits(quantise(images, 8)), LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_trying_all_styles_finds_the_worst_by_brute_force(victim, colour):
    images = smooth_images(4)
    single = StyleTransferAttack(colour=colour, opacity=0.6, **STYLES)
    every = [single.in_styles(images, torch.full((4,), style)) for style in range(6)]
    each = torch.stack([margins(victim, images + 0.6 * (full - images)) for full in every])
    found = margins(victim, attacked(WorstStyleAttack(colour=colour, opacity=0.6, k=6, **STYLES), victim, images))
    torch.testing.assert_close(found, each.max(0).values, atol=1e-4, rtol=0)
    assert (found > each.median(0).values).all()


@pytest.mark.slow
def test_more_styles_are_never_better_for_the_victim(victim):
    images = smooth_images(4)
    few, many = (margins(victim, attacked(WorstStyleAttack(k=k, **STYLES), victim, images)) for k in (2, 6))
    assert (many >= few - 1e-4).all()
    assert (many > few + 1e-3).any()


def test_the_styles_of_an_image_differ(victim, monkeypatch):
    picked = []
    monkeypatch.setattr(WorstStyleAttack, "in_full", lambda self, images, picks: (
        picked.append(picks), (images, torch.ones(len(images))))[1])
    attacked(WorstStyleAttack(k=4, **STYLES), victim, smooth_images(4))
    drawn = torch.stack(picked)
    assert all(len(set(column.tolist())) == 4 for column in drawn.T)
    assert len({tuple(column.tolist()) for column in drawn.T}) > 1


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["grey", "rgb"])
@pytest.mark.parametrize("least", [0.95, 0.8])
def test_the_bound_holds_at_every_opacity_as_run(victim, least, colour):
    images = quantise(smooth_images(4), 8)
    attack = WorstStyleAttack(k=3, least_ssim=least, colour=colour, **STYLES)
    batch = Batch(images=images, labels=LABELS, image_ids=NAMES)
    for outcome in run_attack(attack, victim, batch, seed=3, step="worst", strengths=(0.0, 0.02, 0.2, 1.0)):
        opacity, result = outcome.strength, outcome.images
        similar = likeness(images, result)
        assert (similar >= least).all()
        assert opacity < 1 or (similar < 1 - 0.8 * (1 - least)).all()


@pytest.mark.slow
def test_an_opacity_under_the_bound_is_left_alone(victim):
    images = smooth_images(4)
    free, bounded = (attacked(WorstStyleAttack(k=3, opacity=0.02, least_ssim=least, **STYLES), victim, images)
                     for least in (None, 0.8))
    torch.testing.assert_close(free, bounded, atol=1e-7, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("least", [None, 0.9])
def test_a_second_model_costs_no_drawing_and_gets_what_it_would_have_got(victim, monkeypatch, least):
    images, attack = smooth_images(4), WorstStyleAttack(k=3, least_ssim=least, **STYLES)
    other = Defended(tiny_classifier(seed=5), JpegCompression(quality=50), adaptive=True)
    fresh = attacked(attack, other, images)
    worst_file.shelf.cache_clear()
    counted, calls = count_calls(Pyramid.stylise)
    monkeypatch.setattr(Pyramid, "stylise", counted)
    first = attacked(attack, victim, images)
    assert len(calls) == 3
    second = attacked(attack.at(0.02), other, images)
    assert len(calls) == 3
    assert torch.equal(attacked(attack, other, images), fresh)
    assert not torch.equal(first, fresh)
    assert not torch.equal(second, fresh)


@pytest.mark.slow
def test_other_images_styles_bounds_or_banks_are_drawn_anew(victim, monkeypatch):
    counted, calls = count_calls(Pyramid.stylise)
    monkeypatch.setattr(Pyramid, "stylise", counted)
    images, attack = smooth_images(4), WorstStyleAttack(k=2, **STYLES)
    attacked(attack, victim, images)
    attacked(attack, victim, images.flip(-1))
    attacked(WorstStyleAttack(k=2, options={"texture": 0.9}, **STYLES), victim, images)
    attacked(WorstStyleAttack(k=2, style_seed=7, **STYLES), victim, images)
    attacked(WorstStyleAttack(k=2, least_ssim=0.9, **STYLES), victim, images)
    attack.perturb(victim, images, LABELS, Streams.for_images(NAMES, seed=4, step="worst"))
    assert len(calls) == 12


@pytest.mark.slow
def test_only_so_much_is_kept(victim, monkeypatch):
    images, attack = smooth_images(4), WorstStyleAttack(k=3, **STYLES)
    whole = attacked(attack, victim, images)
    worst_file.shelf.cache_clear()
    counted, calls = count_calls(Pyramid.stylise)
    monkeypatch.setattr(Pyramid, "stylise", counted)
    monkeypatch.setattr(worst_file, "SHELF_BYTES", 2 * images.nelement() * 4)
    assert torch.equal(attacked(attack, victim, images), whole)
    assert torch.equal(attacked(attack, victim, images), whole)
    assert len(calls) == 3 + 1  # two were kept, the third drawn again


def test_zero_draws_nothing(victim, monkeypatch):
    monkeypatch.setattr(Pyramid, "stylise", None)
    images = smooth_images(4)
    assert torch.equal(attacked(WorstStyleAttack(k=3, **STYLES).at(0), victim, images), images)


@pytest.mark.slow
def test_answers_of_a_random_model_are_averaged():
    class Moody(Defended):
        turn = 0

        def scores(self, images, batch=32):
            self.turn += 1
            return super().scores(images, batch)

    victim = Moody(tiny_classifier(), JpegCompression(quality=90))
    attacked(WorstStyleAttack(k=3, eot=4, **STYLES), victim, smooth_images(4))
    assert victim.turn == 12


def test_scores_are_enough_and_labels_are_not(victim):
    closed = tiny_classifier()
    closed.access = Access.SCORES
    batch = Batch(images=smooth_images(4), labels=LABELS, image_ids=NAMES)
    attack = WorstStyleAttack(k=2, **STYLES)
    assert list(run_attack(attack, closed, batch, seed=3, step="worst", strengths=(0.5,)))
    closed.access = Access.LABELS
    with pytest.raises(AccessError, match="needs scores"):
        list(run_attack(attack, closed, batch, seed=3, step="worst", strengths=(0.5,)))


def test_a_sure_model_still_ranks_styles():
    sure = tiny_classifier()
    with torch.no_grad():
        sure.module[2].weight.mul_(100)
    images, attack = smooth_images(4), WorstStyleAttack(k=3, **STYLES)
    assert torch.isfinite(attack.reached(sure, images, LABELS)).all()
    assert (attack.reached(sure, images, LABELS) != 0).all()


@pytest.mark.parametrize(("options", "why"), [
    ({"k": 7}, "tries k=7 different styles, but the bank 'test' holds only 6"), ({"k": 0}, "k and eot of at least 1"),
    ({"k": 2, "eot": 0}, "k and eot of at least 1"), ({"k": 2, "least_ssim": 1.0}, "least_ssim must lie between"),
    ({"k": 2, "least_ssim": float("nan")}, "least_ssim must lie between"), ({"k": 2, "opacity": 2.0}, "opacity must")])
def test_bad_choices_are_refused_in_one_sentence(options, why):
    with pytest.raises(PlanError, match=why):
        WorstStyleAttack(**{**STYLES, **options})


def test_a_small_folder_is_refused_when_it_is_read(victim, tmp_path):
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "one.png")
    attack = WorstStyleAttack(**{**STYLES, "styles": str(tmp_path)}, k=2)
    with pytest.raises(PlanError, match="holds only 1"):
        attacked(attack, victim, smooth_images(4))
