from __future__ import annotations

import pytest
import torch

from radversary.core.errors import PlanError
from radversary.defenses.canonical import CanonicalInput, move_landmarks
from radversary.defenses.registry import TRANSFORMS
from random_parts import smooth_images

FILMS = smooth_images(3)


@pytest.mark.parametrize("options", [{}, {"standardise": "none"}, {"strength": 1.0}, {"low": 5.0, "high": 80.0}])
@pytest.mark.parametrize(("contrast", "brightness"), [(0.5, 0.3), (0.05, 0.0), (1.1, 0.0)])
def test_a_change_of_brightness_and_contrast_is_undone(options, contrast, brightness):
    canonical = CanonicalInput(**options)
    torch.testing.assert_close(canonical(contrast * FILMS + brightness), canonical(FILMS), atol=2e-5, rtol=0)


def test_colour_goes_and_three_equal_channels_come_back():
    tint = torch.tensor([0.9, 0.5, 0.7]).view(1, 3, 1, 1)
    coloured = CanonicalInput()(FILMS * tint)
    assert coloured.shape == (3, 3, 32, 32)
    for channel in range(3):
        torch.testing.assert_close(coloured[:, channel:channel + 1], CanonicalInput()(FILMS), atol=2e-5, rtol=0)


def test_the_crop_alone_is_the_percentile_formula():
    edges = torch.quantile(FILMS[1], torch.tensor([0.02, 0.9]))
    expected = ((FILMS[1] - edges[0]) / (edges[1] - edges[0])).clamp(0, 1)
    found = CanonicalInput(low=2, high=90, standardise="none")(FILMS)[1]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_at_full_strength_every_landmark_lies_at_its_percentile():
    standard = CanonicalInput(low=0, high=100, strength=1.0, steepest=100.0)(FILMS ** 3)
    marks = torch.tensor([1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99]) / 100
    # A percentile falls between two of 1024 pixels, and the map bends there.
    torch.testing.assert_close(torch.quantile(standard.flatten(1), marks, dim=1).mT, marks.expand(3, -1), atol=2e-3,
                               rtol=0)


def test_a_tone_curve_is_undone_the_more_the_stronger():
    left = [(CanonicalInput(strength=strength)(FILMS ** 2) - CanonicalInput(strength=strength)(FILMS)).abs().mean()
            for strength in (0.0, 0.5, 1.0)]
    assert left[0] > 1.3 * left[1] > 1.6 * left[2]


def test_strength_zero_is_the_crop_alone():
    torch.testing.assert_close(CanonicalInput(strength=0.0)(FILMS), CanonicalInput(standardise="none")(FILMS),
                               atol=1e-6, rtol=0)


@pytest.mark.parametrize("level", [0.0, 0.37, 1.0])
def test_a_flat_image_stays_and_has_a_finite_gradient(level):
    films = FILMS.clone()
    films[1] = level
    films.requires_grad_()
    found = CanonicalInput().bpda(films)
    assert torch.equal(found[1], films[1])
    (slope,) = torch.autograd.grad(found.square().sum(), films)
    assert torch.isfinite(slope).all()


def test_an_empty_background_makes_no_cliff():
    films = torch.where(FILMS > 0.5, FILMS, 0.0).requires_grad_()
    found = CanonicalInput(strength=1.0, steepest=2.0).bpda(films)
    assert torch.isfinite(torch.autograd.grad(found.sum(), films)[0]).all()
    order = films.detach().flatten(1).sort(dim=1).indices
    rises = found.detach().flatten(1).gather(1, order).diff(dim=1)
    runs = films.detach().flatten(1).gather(1, order).diff(dim=1)
    assert (rises >= -1e-6).all()
    # Twice is the steepest part; bringing the whole back to [0, 1] and the crop stretch it a little more.
    assert (rises[runs > 1e-4] / runs[runs > 1e-4]).max() < 8


@pytest.mark.parametrize("options", [{}, {"strength": 1.0}, {"standardise": "none", "low": 3.0}])
def test_the_gradient_is_that_of_finite_differences(options):
    film = smooth_images(1, 8, seed=4).double()
    canonical = CanonicalInput(**options)
    weights = smooth_images(1, 8, seed=5).double()
    film.requires_grad_()
    (slope,) = torch.autograd.grad((canonical.bpda(film) * weights).sum(), film)
    step, measured = 1e-7, torch.zeros_like(film)
    for place in range(64):
        nudge = torch.zeros(64, dtype=torch.float64)
        nudge[place] = step
        up, down = (canonical(film.detach() + sign * nudge.view_as(film)) for sign in (1, -1))
        measured.view(-1)[place] = ((up - down) * weights).sum() / (2 * step)
    # The pixels that are percentiles themselves sit on a bend, where one side's slope is as right as the other's.
    near = torch.isclose(slope, measured, atol=1e-4, rtol=1e-3)
    assert near.float().mean() > 0.6
    assert (measured.abs() > 1e-3).any()
    # Between the bends all of it agrees: moving every pixel at once along a smooth curve meets few of them.
    way = smooth_images(1, 8, seed=6).double() - 0.5
    up, down = (canonical(film.detach() + sign * step * way) for sign in (1, -1))
    torch.testing.assert_close(((up - down) * weights).sum() / (2 * step), (slope * way).sum(), atol=1e-4, rtol=0.05)


def test_no_image_at_all_is_no_error():
    assert CanonicalInput()(FILMS[:0]).shape == (0, 1, 32, 32)


def test_landmarks_move_along_straight_lines():
    marks, shares = torch.tensor([[0.0, 0.1, 0.7, 1.0]]), torch.tensor([0.005, 0.3, 0.6, 0.995])
    values = torch.tensor([[0.0, 0.05, 0.1, 0.4, 0.7, 1.0]])
    ends = [0.0, 0.295 / 0.99, 0.595 / 0.99, 1.0]
    expected = torch.tensor([[0.0, ends[1] / 2, ends[1], (ends[1] + ends[2]) / 2, ends[2], 1.0]])
    torch.testing.assert_close(move_landmarks(values, marks, shares, strength=1.0, steepest=10.0), expected)
    half = move_landmarks(values, marks, shares, strength=0.5, steepest=10.0)
    torch.testing.assert_close(half, (expected + values) / 2)


@pytest.mark.parametrize("options", [{"low": 60.0, "high": 40.0}, {"high": 101.0}, {"strength": 1.5}, {"steepest": 0.5},
                                     {"standardise": "mean"}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(PlanError, match="canonical"):
        TRANSFORMS.create("canonical", **options)
