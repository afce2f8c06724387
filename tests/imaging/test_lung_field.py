"""Where lungs roughly are: on generated films whose anatomy is known, and nothing where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from radversary.data.phantoms.generate import Phantoms
from radversary.imaging.lung_field import dice, lung_field, small_field, threshold


def otsu_by_hand(grey):
    """The edge of a bin between two classes whose variances, weighted by their sizes, add up to the least."""
    counts, edges = np.histogram(grey, bins=256, range=(0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    within = []
    for cut in range(1, 256):
        parts = [(counts[:cut], middles[:cut]), (counts[cut:], middles[cut:])]
        if min(part.sum() for part, _ in parts) == 0:
            within.append(np.inf)
            continue
        means = [(part * grey).sum() / part.sum() for part, grey in parts]
        within.append(sum((part * (grey - mean) ** 2).sum() for (part, grey), mean in zip(parts, means, strict=True)))
    return edges[1 + int(np.argmin(within))]


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_one_of_least_variance_within_classes(seed):
    drawn = np.random.default_rng(seed)
    grey = np.clip(np.concatenate([drawn.normal(0.3, 0.1, 500), drawn.normal(0.7, 0.05, 300)]), 0, 1)
    assert threshold(grey) == pytest.approx(otsu_by_hand(grey))


def test_air_around_the_body_small_holes_and_flat_images_are_no_lungs():
    film = torch.full((1, 1, 100, 80), 0.8)
    film[..., :10] = film[..., 70:] = 0.0  # air
    film[..., 30:34, 40:44] = 0.1  # a hole
    film[..., 20:80, 16:32] = 0.2
    film[..., 20:80, 48:64] = 0.25
    found = lung_field(film)[0, 0]
    assert found.shape == (100, 80)
    inside = torch.zeros(100, 80, dtype=torch.bool)
    inside[20:80, 16:32] = inside[20:80, 48:64] = True
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.9
    assert not lung_field(torch.full((2, 3, 64, 64), 0.5)).any()
    assert lung_field(torch.zeros(0, 1, 32, 32)).shape == (0, 1, 32, 32)


def test_an_image_is_looked_at_alone():
    films = torch.full((4, 1, 64, 64), 0.8)
    films[::2, :, 16:48, 10:26] *= 0.2
    together = lung_field(films)
    assert torch.equal(together, torch.cat([lung_field(one) for one in films.split(1)]))
    assert together.flatten(1).any(1).tolist() == [True, False, True, False]


@pytest.mark.slow
def test_on_generated_films_lungs_are_found_on_both_sides_of_the_spine():
    films = torch.cat([batch.images for batch in Phantoms(count=30, size=96).generate()])[:30]
    found = lung_field(films)[:, 0]
    halves = found[..., :48].flatten(1).any(1) & found[..., 48:].flatten(1).any(1)
    assert halves.float().mean() > 0.9
    assert 0.1 < found.float().mean() < 0.4
    assert found[..., 46:50].float().mean() < 0.5 * found.float().mean()  # the spine and the heart are bright


def chest(size=96, lungs=((30, 20), (30, 58)), left=0.2):
    """A bright body on black air with two dark ellipses."""
    rows, columns = np.mgrid[:size, :size]
    image = np.where(abs(columns - size / 2) < 0.44 * size, 0.75, 0.0)
    for top, start in lungs:
        inside = ((rows - top - 20) / 24) ** 2 + ((columns - start - 9) / 11) ** 2 < 1
        image = np.where(inside, left, image)
    return torch.from_numpy(ndimage.gaussian_filter(image, 1.0)).float()[None, None]


@pytest.mark.parametrize(("shift", "least", "most"), [(0, 1.0, 1.0), (2, 0.85, 0.95), (12, 0.2, 0.5)])
def test_agreement_falls_as_lungs_move(shift, least, most):
    moved = dice(small_field(chest()), small_field(chest(lungs=((30, 20 + shift), (30, 58 + shift)))))
    assert least <= moved.item() <= most


def test_agreement_is_twice_the_shared_over_both_and_one_where_nothing_was_found():
    before = torch.tensor([[[True, True, True, False]], [[False] * 4], [[True, False, False, False]]])
    after = torch.tensor([[[True, False, False, True]], [[True] * 4], [[False] * 4]])
    assert dice(before, after).tolist() == [pytest.approx(2 / 5), 1.0, 0.0]
