from __future__ import annotations

import pytest
import torch
from skimage.metrics import structural_similarity

from radversary.attacks.style.bounded import greatest_opacity, held, likeness, mixed
from radversary.imaging.intensity import quantise
from random_parts import smooth_images

IMAGES = quantise(smooth_images(6), 8)
STYLISED = torch.cat([smooth_images(3, seed=4), 0.5 * IMAGES[3:5] + 0.5, 0.99 * IMAGES[5:]])


def reference(image, attacked):
    return structural_similarity(image[0].double().numpy(), quantise(attacked, 8)[0].double().numpy(), data_range=1.0,
                                 gaussian_weights=True, sigma=1.5, use_sample_covariance=False)


@pytest.mark.parametrize("least", [0.98, 0.9, 0.5])
def test_the_bound_holds_and_is_nearly_used_up(least):
    found = greatest_opacity(IMAGES, STYLISED, least=least)
    similar = torch.tensor([reference(*pair) for pair in zip(IMAGES, mixed(IMAGES, STYLISED, found), strict=True)])
    assert (similar >= least - 1e-6).all()
    assert ((similar <= 1 - 0.9 * (1 - least)) | (found == 1)).all()
    assert (found[:3] < 1).all()
    assert found[5] == 1  # an image that hardly changes is taken whole


@pytest.mark.slow
def test_a_fine_grid_finds_hardly_more():
    found = greatest_opacity(IMAGES, STYLISED, least=0.9)
    grid = torch.linspace(0, 1, 101)
    within = torch.stack([likeness(IMAGES, mixed(IMAGES, STYLISED, step.expand(6))) >= 0.9 for step in grid])
    best = torch.stack([grid[column].max() for column in within.T])
    assert (found >= 0.93 * best - 1 / 100).all()
    assert (found <= best + 1 / 100).all()


def test_batch_mates_do_not_matter():
    together = greatest_opacity(IMAGES, STYLISED, least=0.9)
    alone = torch.cat([greatest_opacity(IMAGES[i:i + 1], STYLISED[i:i + 1], least=0.9) for i in (0, 4)])
    torch.testing.assert_close(alone, together[[0, 4]], atol=1e-6, rtol=0)


def test_what_misses_the_bound_is_faded_until_it_holds_and_the_rest_is_left():
    kept = held(IMAGES, STYLISED, least=0.9)
    fine = likeness(IMAGES, STYLISED) >= 0.9
    assert 0 < fine.sum() < 6
    assert (likeness(IMAGES, kept) >= 0.9).all()
    assert torch.equal(kept[fine], STYLISED[fine])
    assert ((kept - IMAGES).abs().amax((1, 2, 3)) > 0).all()


def test_an_image_that_nothing_keeps_within_the_bound_comes_back_itself():
    flat, checks = torch.full((1, 1, 32, 32), 0.5), torch.zeros(1, 1, 32, 32)
    checks[..., ::2, 1::2] = checks[..., 1::2, ::2] = 1.0
    assert greatest_opacity(flat, checks, least=1 - 1e-6).item() < 0.01
    assert torch.equal(held(flat, checks, least=1 - 1e-7), flat)
