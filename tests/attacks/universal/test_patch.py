"""A patch for all images: where it lies, what it changes, and that it misleads more than a patch of noise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.registry import ATTACKS
from radversary.attacks.universal.patch import AdversarialPatch, Where, drawn_corners, fitting, window
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams, generator
from radversary.imaging.intensity import quantise
from radversary.imaging.lung_field import lung_field
from random_parts import smooth_images, tiny_classifier

SIDE = 48
NAMES = tuple(f"image-{place}" for place in range(6))


def films(count=6, side=SIDE):
    """Bright bodies with two dark lungs, a little different each."""
    images = 0.75 + 0.1 * smooth_images(count, side)
    images[..., side // 4: 3 * side // 4, side // 8: 7 * side // 16] *= 0.25
    images[..., side // 4: 3 * side // 4, 9 * side // 16: 7 * side // 8] *= 0.25
    return quantise(images, 8)


def batch_of(images, seed=0, prefix="image", bits=8):
    labels = torch.arange(seed, seed + len(images)) % 3
    return Batch(quantise(images, bits), labels, tuple(f"{prefix}-{place}" for place in range(len(images))), bits)


def outcome_of(attack, victim, batch, examples, strength=1.0):
    (outcome,) = run_attack(attack, victim, batch, seed=7, step="patch", strengths=[strength], examples=examples)
    return outcome


def changed_squares(outcome, batch):
    """Top, left, bottom and right of what changed of each image; what lies between is one square."""
    for change in (outcome.images != batch.images).any(1):
        rows, columns = (torch.nonzero(change.any(axis))[:, 0] for axis in (1, 0))
        yield rows[0].item(), columns[0].item(), rows[-1].item() + 1, columns[-1].item() + 1


@pytest.mark.parametrize("where", ["inside", "outside"])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_exactly_the_pixels_of_a_square_change_and_it_lies_where_it_is_asked_to(where, colour):
    victim, batch = tiny_classifier(size=SIDE), batch_of(films())
    attack = AdversarialPatch(where=where, colour=colour, epochs=2)
    outcome = outcome_of(attack, victim, batch, batch_of(films(), prefix="example"))
    fields, side = lung_field(batch.images)[:, 0], attack.pixels(batch.images)
    assert side == 7
    for number, (top, left, bottom, right) in enumerate(changed_squares(outcome, batch)):
        assert 1 <= bottom - top <= side
        assert 1 <= right - left <= side
        covered = fields[number, top:bottom, left:right]
        assert covered.all() if where == "inside" else not covered.any()
    assert len(set(changed_squares(outcome, batch))) > 1


@pytest.mark.parametrize(("where", "places"), [
    ("inside", {(20, 20)}), ("outside", {(0, 0), (0, 41), (41, 0), (41, 41)})])
def test_without_lungs_it_lies_in_the_middle_or_in_a_corner(where, places):
    flat = torch.full((40, 1, SIDE, SIDE), 0.5)
    admitted = fitting(flat, 7, Where(where))
    assert {tuple(place) for place in torch.nonzero(admitted[0]).tolist()} == places
    streams = Streams.for_images([str(place) for place in range(40)], seed=1, step="corner")
    assert {tuple(place) for place in drawn_corners(admitted, streams).tolist()} == places


@pytest.mark.slow
def test_places_are_drawn_with_equal_chance_and_none_beyond_those_admitted():
    admitted = torch.zeros(3000, 4, 5, dtype=torch.bool)
    admitted[:, 0, 0] = admitted[:, 1, 3] = admitted[:, 3, 4] = True
    streams = Streams.for_images([str(place) for place in range(3000)], seed=1, step="places")
    counts = torch.zeros(4, 5)
    for top, left in drawn_corners(admitted, streams).tolist():
        counts[top, left] += 1
    assert counts[~admitted[0]].sum() == 0
    assert (counts[admitted[0]] - 1000).abs().max() < 100


def test_a_patch_larger_than_a_lung_covers_as_much_of_it_as_any():
    images = films()
    covered = lung_field(images).float()[:, 0]
    admitted = fitting(images, 30, Where.INSIDE)
    (top, left), *_ = torch.nonzero(admitted[0]).tolist()
    by_hand = max(covered[0, row:row + 30, column:column + 30].sum() for row in range(19) for column in range(19))
    assert covered[0, top:top + 30, left:left + 30].sum() == by_hand > 0


def test_the_index_of_a_window_is_that_of_slices():
    images = torch.rand(2, 3, 9, 8, generator=generator("window"))
    corners = torch.tensor([[0, 5], [6, 2]])
    found = images[window(corners, 3, 3)]
    for number, (top, left) in enumerate(corners.tolist()):
        assert torch.equal(found[number], images[number, :, top:top + 3, left:left + 3])


@pytest.mark.slow
def test_of_a_linear_victim_the_best_patch_is_white_or_black_by_the_sign_of_its_weight():
    """All pixels weigh alike, so that the place does not matter: the patch that hides the brighter class is black."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, SIDE * SIDE))
        network[1].bias.zero_()
    victim = wrap(network, classes=("dark", "bright"), size=SIDE, mean=(0.0,), std=(1.0,))
    for label, grey in ((1, 0.0), (0, 1.0)):
        examples = Batch(films(), torch.full((6,), label), NAMES)
        attack = AdversarialPatch(epochs=10).learnt(victim, examples, [1.0], seed=7, step="patch")
        assert (attack.held[1.0] == grey).all()


def textures():
    """A victim that looks at textures wherever they lie."""
    network = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator(weight.numel(), "textures")))
    return wrap(network, classes=("a", "b", "c"), size=SIDE, mean=(0.0,), std=(1.0,))


@pytest.mark.slow
@pytest.mark.parametrize("goal", ["untargeted", "targeted c", "hide a|b"])
def test_it_brings_images_of_others_nearer_to_the_goal_than_any_patch_of_noise(goal):
    victim = textures()
    examples, tested = Batch(films(12)[:6], torch.zeros(6, dtype=torch.int64), NAMES), batch_of(films(12)[6:])
    attack = AdversarialPatch(side=0.3, epochs=20, goal=goal)
    tested = Batch(tested.images, torch.zeros(6, dtype=torch.int64), tested.image_ids)
    aims = attack.wants.aims(victim.card, tested.labels)

    def nearness(knowing):
        outcome = outcome_of(knowing, victim, tested, examples)
        return attack.wants.margin(victim.card, victim.logits(outcome.images), aims).mean().item()

    noise = (torch.rand(10, 1, 14, 14, generator=generator("noise")) > 0.5).float()
    assert nearness(attack) > max(nearness(attack.holding({1.0: one})) for one in noise)


@pytest.mark.parametrize("bits", [8, 12])
def test_it_is_mixed_in_by_its_opacity_at_every_depth(bits):
    victim, batch = tiny_classifier(size=SIDE), batch_of(films(), bits=bits)
    knowing = AdversarialPatch(epochs=1).holding({0.5: torch.ones(1, 7, 7), 1.0: torch.ones(1, 7, 7)})
    half, whole = run_attack(knowing, victim, batch, seed=7, step="patch", strengths=[0.5, 1.0])
    under = whole.images != batch.images
    assert (whole.images[under] == 1).all()
    torch.testing.assert_close(half.images[under], (batch.images[under] + 1) / 2, atol=0.51 / (2**bits - 1), rtol=0)
    assert torch.equal(half.images != batch.images, under)


@pytest.mark.parametrize(("options", "said", "error"), [
    ({"side": 1.0}, "patch needs a side above 0 and below 1", PlanError),
    ({"opacity": 1.5}, r"opacity must lie in \[0, 1\], got 1.5", PlanError),
    ({"where": "insde"}, "unknown where of a patch 'insde'; did you mean 'inside'", UnknownNameError)])
def test_a_wrong_option_is_one_sentence(options, said, error):
    with pytest.raises(error, match=said):
        ATTACKS.create("patch", **options)


def test_images_of_another_size_are_one_sentence():
    victim = tiny_classifier(size=SIDE)
    knowing = AdversarialPatch(epochs=1).learnt(victim, batch_of(films()), [1.0], seed=7, step="patch")
    with pytest.raises(PlanError, match="patch learnt a square of 7 pixels and is given images on which it has 14"):
        knowing.perturb(victim, smooth_images(1, 96), torch.zeros(1, dtype=torch.int64), Streams([]))
