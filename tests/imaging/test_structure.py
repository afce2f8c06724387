"""Lung fields are estimated as a slow loop of scikit-image's parts does it, and agreement is twice what is shared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import filters, measure, segmentation

from radversary.imaging.structure import dice, largest_inside, lung_fields, otsu
from random_parts import smooth_images


def chest(size=96, lungs=((30, 20), (30, 58)), left=0.2):
    """A bright body on black air with two dark ellipses."""
    rows, columns = np.mgrid[:size, :size]
    image = np.where(abs(columns - size / 2) < 0.44 * size, 0.75, 0.0)
    for top, start in lungs:
        inside = ((rows - top - 20) / 24) ** 2 + ((columns - start - 9) / 11) ** 2 < 1
        image = np.where(inside, left, image)
    return torch.from_numpy(ndimage.gaussian_filter(image, 1.0)).float()[None, None]


def by_hand(image):
    """The estimate of one image, at most 128 pixels a side, written with scikit-image."""
    height, width = image.shape
    contrast = (ndimage.gaussian_filter(image, (height / 64, width / 64), mode="nearest")
                - ndimage.gaussian_filter(image, (height / 8, width / 8), mode="nearest"))
    contrast = (contrast - contrast.min()) / (contrast.max() - contrast.min())
    inner = measure.label(segmentation.clear_border(
        measure.label(contrast <= otsu(contrast[None])[0], connectivity=1)), connectivity=1)
    regions = sorted(measure.regionprops(inner), key=lambda region: -region.area)[:2]
    return np.isin(inner, [region.label for region in regions if region.area >= 0.02 * image.size])


def test_the_threshold_is_that_of_scikit_image():
    images = smooth_images(5, size=48)[:, 0].double().numpy()
    codes = np.minimum((images * 256).astype(np.uint8), 255)
    assert otsu(images).tolist() == [(filters.threshold_otsu(image) + 0.5) / 256 for image in codes]
    assert otsu(np.full((1, 4, 4), 0.5)).tolist() == [0.0]


def test_fields_are_those_of_a_slow_loop():
    images = torch.cat([smooth_images(16, size=96, seed=3), chest()])
    expected = np.stack([by_hand(image) for image in images[:, 0].double().numpy()])
    assert expected.any((1, 2)).sum() > 3
    assert np.array_equal(lung_fields(images).numpy(), expected)


def test_two_lungs_are_found_and_the_air_outside_is_not():
    found = lung_fields(chest())[0]
    assert measure.label(found.numpy()).max() == 2
    assert not found[:, :8].any()
    assert not found[:, -8:].any()
    assert 0.1 < found.float().mean() < 0.25


def test_what_stands_beside_an_image_joins_no_region():
    both = torch.cat([chest(), chest().flip(-1), torch.full((1, 1, 96, 96), 0.5)])
    together = lung_fields(both)
    for place in range(3):
        assert torch.equal(together[place], lung_fields(both[place:place + 1])[0])
    assert not together[2].any()
    assert lung_fields(both[:0]).shape[0] == 0


def test_only_the_two_largest_are_kept_and_none_that_is_small_or_at_the_border():
    dark = np.zeros((1, 40, 40), dtype=bool)
    dark[0, 5:15, 5:15] = dark[0, 20:32, 5:15] = dark[0, 5:13, 22:30] = True
    dark[0, 30:40, 25:40] = dark[0, 20:22, 30:32] = True
    kept = largest_inside(dark)[0]
    assert kept.sum() == 100 + 120
    assert not kept[:, 20:].any()


def test_large_images_are_judged_small_and_colour_by_its_luma():
    large = chest(256, ((80, 60), (80, 160)))
    assert lung_fields(large).shape == (1, 128, 128)
    assert torch.equal(lung_fields(large.expand(-1, 3, -1, -1)), lung_fields(large))
    assert lung_fields(large[:0]).shape == (0, 128, 128)


@pytest.mark.parametrize(("shift", "least", "most"), [(0, 1.0, 1.0), (2, 0.85, 0.95), (12, 0.2, 0.5)])
def test_agreement_falls_as_lungs_move(shift, least, most):
    moved = dice(lung_fields(chest()), lung_fields(chest(lungs=((30, 20 + shift), (30, 58 + shift)))))
    assert least <= moved.item() <= most


def test_agreement_is_twice_the_shared_over_both_and_one_where_nothing_was_found():
    before = torch.tensor([[[True, True, True, False]], [[False] * 4], [[True, False, False, False]]])
    after = torch.tensor([[[True, False, False, True]], [[True] * 4], [[False] * 4]])
    assert dice(before, after).tolist() == [pytest.approx(2 / 5), 1.0, 0.0]
