"""Corruptions have the published parameters and do what NumPy, Pillow, SciPy and scikit-image do with them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from scipy import ndimage
from skimage.exposure import adjust_gamma
from skimage.util import random_noise

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.corruption.attack import Corruption
from radversary.attacks.corruption.changes import CHANGES, box_weights
from radversary.attacks.corruption.levels import CHEST
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.imaging.jpeg import jpeg
from random_parts import smooth_images, tiny_classifier

KINDS = list(CHEST)
SEVERITIES = (0.2, 0.4, 0.6, 0.8, 1.0)
PUBLISHED = {  # medmnistc/corruptions/registry.py of medmnistc-api at b6dee0e, chestmnist
    "pixelate": "0.30 0.25 0.20 0.15 0.10", "jpeg": "50 30 15 10 7", "gaussian-noise": ".04 .08 .12 .18 .26",
    "speckle-noise": ".05 .15 .2 .35 .45", "impulse-noise": ".01 .03 .06 .09 .17", "shot-noise": "60 25 18 10 5",
    "gaussian-blur": "3 5 7 9 11", "brightness-up": "1.1 1.2 1.3 1.4 1.5", "brightness-down": ".9 .8 .7 .6 .5",
    "contrast-up": "1.1 1.2 1.3 1.4 1.6", "contrast-down": ".9 .8 .7 .6 .4", "gamma-up": "1.1 1.2 1.3 1.4 1.6",
    "gamma-down": ".9 .8 .7 .6 .4"}


def streams_for(count, seed=5):
    return Streams.for_images([f"image-{place}" for place in range(count)], seed=seed, step="corruption")


def corrupted(kind, severity, images, seed=5):
    attack = Corruption(kind=kind, severity=severity)
    return attack.perturb(tiny_classifier(), images, torch.zeros(len(images)).long(), streams_for(len(images), seed))


def eight_bits(images):
    return (images * 255).round() / 255


def picture(image):
    return Image.fromarray((image[0] * 255).round().numpy().astype(np.uint8))


def from_pillow(images, change):
    return torch.stack([torch.from_numpy(np.array(change(picture(image)))).float()[None] / 255 for image in images])


def test_the_table_is_the_published_one():
    assert set(CHANGES) == set(CHEST) == set(PUBLISHED)
    for kind, figures in PUBLISHED.items():
        expected = tuple(map(float, figures.split()))
        assert CHEST[kind].published == expected
        assert tuple(Corruption(kind=kind, severity=severity).parameter for severity in SEVERITIES) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_between_severities_the_parameter_follows_a_line_and_starts_from_nothing(kind):
    levels = CHEST[kind]
    scale = (lambda value: 1 / value if value else np.inf) if kind == "shot-noise" else float
    points = [scale(levels.none), *map(scale, levels.published)]
    for severity in (0.01, 0.1, 0.37, 0.5, 0.93):
        assert scale(levels.at(severity)) == pytest.approx(np.interp(5 * severity, range(6), points))
    assert levels.at(0.0) == levels.none


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [32, 45])
def test_the_change_grows_with_severity(kind, size):
    images = smooth_images(4, size=size)
    change = [(corrupted(kind, severity, images) - images).abs().mean() for severity in (0, *SEVERITIES)]
    assert change[0] == 0
    assert all(before < after for before, after in pairwise(change))


@pytest.mark.parametrize("kind", KINDS)
def test_next_to_nothing_changes_next_to_nothing(kind):
    images = eight_bits(smooth_images(3))
    little = (corrupted(kind, 1e-6, images) - images).abs().mean()
    assert little < {"jpeg": 0.004, "pixelate": 0.03}.get(kind, 1e-3)  # files and whole pixels move in steps


@pytest.mark.parametrize("kind", KINDS)
def test_grey_stays_grey_in_three_channels(kind):
    images = eight_bits(smooth_images(2))
    grey, three = corrupted(kind, 0.6, images), corrupted(kind, 0.6, images.expand(-1, 3, -1, -1))
    torch.testing.assert_close(three, three[:, :1].expand_as(three), atol=1e-6, rtol=0)
    torch.testing.assert_close(three[:, :1], grey, atol=0.01 if kind == "jpeg" else 1e-6, rtol=0)


@pytest.mark.parametrize("size", [32, 45, 61])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_pixelate_is_the_box_filter_of_pillow(size, severity):
    images = eight_bits(smooth_images(3, size=size))[..., :size - 4]
    share = CHEST["pixelate"].at(severity)

    def change(given):
        small = given.resize((int(given.width * share), int(given.height * share)), Image.Resampling.BOX)
        return small.resize(given.size, Image.Resampling.BOX)

    torch.testing.assert_close(corrupted("pixelate", severity, images), from_pillow(images, change),
                               atol=1.6 / 255, rtol=0)  # Pillow rounds each of its passes to 8 bits


@pytest.mark.parametrize(("count", "new"), [(41, 12), (12, 41), (57, 14), (30, 7), (7, 7), (128, 1)])
def test_boxes_are_pillows_where_centres_lie_on_their_ends(count, new):
    columns = Image.fromarray(np.eye(count, dtype=np.float32)).resize((new, count), Image.Resampling.BOX)
    np.testing.assert_allclose(box_weights(count, new).numpy(), np.array(columns).T, atol=1e-6)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg_is_that_of_the_codec(severity):
    images = eight_bits(smooth_images(2))
    assert torch.equal(corrupted("jpeg", severity, images), jpeg(images, quality=round(CHEST["jpeg"].at(severity))))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blur_is_that_of_scipy_with_opencvs_deviation(severity):
    images = smooth_images(2).double()
    side = CHEST["gaussian-blur"].at(severity)
    deviation = 0.3 * ((side - 1) * 0.5 - 1) + 0.8
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, deviation, deviation), mode="mirror",
                                       radius=(0, 0, int(side) // 2, int(side) // 2))
    torch.testing.assert_close(CHANGES["gaussian-blur"](images, side, streams_for(2)), torch.from_numpy(expected))


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(("kind", "enhance"), [
    ("brightness-up", ImageEnhance.Brightness), ("brightness-down", ImageEnhance.Brightness),
    ("contrast-up", ImageEnhance.Contrast), ("contrast-down", ImageEnhance.Contrast)])
def test_brightness_and_contrast_are_those_of_pillow(kind, enhance, severity):
    images = eight_bits(smooth_images(3))
    expected = from_pillow(images, lambda given: enhance(given).enhance(CHEST[kind].at(severity)))
    torch.testing.assert_close(corrupted(kind, severity, images), expected, atol=1.5 / 255, rtol=0)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("kind", ["gamma-up", "gamma-down"])
def test_gamma_is_that_of_scikit_image(kind, severity):
    images = smooth_images(3)
    expected = torch.from_numpy(adjust_gamma(images.double().numpy(), CHEST[kind].at(severity)))
    torch.testing.assert_close(corrupted(kind, severity, images).double(), expected, atol=1e-5, rtol=0)


def moments(changed):
    flat = changed.double().flatten(1)
    return torch.stack([flat.mean(1), flat.std(1), (flat <= 0).double().mean(1), (flat >= 1).double().mean(1)])


@pytest.mark.slow
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("kind", ["gaussian-noise", "speckle-noise", "impulse-noise", "shot-noise"])
@pytest.mark.parametrize("grey", [0.15, 0.5, 0.9])
def test_noise_has_the_moments_of_scikit_image_and_numpy(kind, severity, grey):
    images, level = torch.full((2, 1, 128, 128), grey), CHEST[kind].at(severity)
    given, drawn = images.double().numpy(), np.random.default_rng(3)
    expected = {"gaussian-noise": lambda: random_noise(given, "gaussian", rng=drawn, var=level**2),
                "speckle-noise": lambda: random_noise(given, "speckle", rng=drawn, var=level**2),
                "impulse-noise": lambda: random_noise(given, "s&p", rng=drawn, amount=level),
                "shot-noise": lambda: np.clip(drawn.poisson(given * level) / level, 0, 1)}[kind]()
    torch.testing.assert_close(moments(corrupted(kind, severity, images)), moments(torch.from_numpy(expected)),
                               atol=0.012, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_corrupted_alike_beside_others_and_asks_no_model(kind):
    images = eight_bits(smooth_images(3))
    names = ("a", "b", "c")

    def run(rows):
        batch = Batch(images[rows], torch.zeros(len(rows)).long(), tuple(names[row] for row in rows))
        (outcome,) = run_attack(Corruption(kind=kind), tiny_classifier(), batch, seed=1, step="x", strengths=(0.6,))
        return outcome

    assert torch.equal(run([2]).images, run([0, 1, 2]).images[2:])
    assert (run([0]).success, run([0]).cost.queries) == (None, 0)


def test_what_is_no_corruption_is_one_sentence():
    with pytest.raises(UnknownNameError, match="unknown corruption 'gausian-noise'; did you mean 'gaussian-noise'"):
        Corruption(kind="gausian-noise")
    with pytest.raises(PlanError, match=r"severity must lie in \[0, 1\], got 1.2"):
        Corruption(severity=1.2)
    assert corrupted("shot-noise", 0.5, smooth_images(1)[:0]).shape == (0, 1, 32, 32)
