from __future__ import annotations

import pytest
import torch

from radversary.core.errors import PlanError
from radversary.defenses.base import Stack
from radversary.defenses.jpeg import JpegCompression
from radversary.defenses.registry import TRANSFORMS
from radversary.defenses.shield import Shield
from random_parts import smooth_images

IMAGES = smooth_images(3, 40)
COARSE, FINE = JpegCompression(quality=10)(IMAGES), JpegCompression(quality=90)(IMAGES)


def regions(found: torch.Tensor, copy: torch.Tensor, block: int = 8) -> torch.Tensor:
    """Whether each region is that of a copy."""
    same = (found == copy).float()
    return torch.nn.functional.avg_pool2d(same, block, ceil_mode=True) == 1


def test_every_region_comes_from_one_of_the_copies():
    found = Shield(qualities=(10, 90))(IMAGES)
    coarse, fine = regions(found, COARSE), regions(found, FINE)
    assert (coarse | fine).all()
    assert 0.3 < coarse.float().mean() < 0.7


def test_the_side_of_a_region_is_an_option_and_borders_are_cut():
    found = Shield(qualities=(10, 90), block=30)(IMAGES)
    assert (regions(found, COARSE, 30) | regions(found, FINE, 30)).all()
    assert found.shape == IMAGES.shape


def test_one_quality_is_plain_jpeg():
    torch.testing.assert_close(Shield(qualities=(75,))(IMAGES), JpegCompression(quality=75)(IMAGES))


def test_the_draw_belongs_to_the_image_and_the_seed_alone():
    together = Shield()(IMAGES)
    assert torch.equal(Shield()(IMAGES[[2, 0]]), together[[2, 0]])
    assert not torch.equal(Shield(seed=1)(IMAGES), together)
    before = torch.get_rng_state()
    assert torch.equal(Shield()(IMAGES), together)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_change_too_small_for_the_codec_changes_the_draw():
    nudged = IMAGES.clone()
    nudged[:, :, 0, 0] += 1e-6
    assert torch.equal(JpegCompression(quality=20)(nudged), JpegCompression(quality=20)(IMAGES))
    assert (Shield()(nudged) - Shield()(IMAGES)).abs().max() > 0.01


def test_bpda_takes_the_same_regions_from_differentiable_copies():
    approximation = Shield(qualities=(10, 90)).bpda(IMAGES)
    copies = [JpegCompression(quality=quality).bpda(IMAGES) for quality in (10, 90)]
    coarse = regions(Shield(qualities=(10, 90))(IMAGES), COARSE)
    pixels = coarse.float().repeat_interleave(8, 2).repeat_interleave(8, 3)
    torch.testing.assert_close(approximation, torch.lerp(copies[1], copies[0], pixels), atol=1e-6, rtol=0)


def test_the_gradient_of_bpda_is_the_mean_over_the_draws():
    images, weights = IMAGES.clone().requires_grad_(), smooth_images(3, 40, seed=9)
    (found,) = torch.autograd.grad((Shield(qualities=(30, 80)).bpda(images) * weights).sum(), images)
    each = [torch.autograd.grad((JpegCompression(quality=quality).bpda(images) * weights).sum(), images)[0]
            for quality in (30, 80)]
    torch.testing.assert_close(found, (each[0] + each[1]) / 2)


def test_it_says_that_it_is_random():
    assert Shield.random
    assert Stack((JpegCompression(), Shield())).random
    assert "random" not in repr(Shield())


def test_no_image_at_all_is_no_error():
    assert Shield()(IMAGES[:0]).shape == (0, 1, 40, 40)


@pytest.mark.parametrize("options", [{"qualities": []}, {"qualities": [20, 0]}, {"qualities": [101]}, {"block": 0}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(PlanError, match="shield needs"):
        TRANSFORMS.create("shield", **options)
