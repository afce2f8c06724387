from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from radversary.core.errors import PlanError
from radversary.stylization.generators import GENERATORS
from radversary.stylization.weightless import moments, pyramid, random_convolution, recast, veil
from random_parts import smooth_images


def test_recast_images_have_the_moments_of_the_style():
    content, style = smooth_images(2, seed=1), 0.3 * smooth_images(2, seed=2)
    for made, wanted in zip(moments(recast(content, style)), moments(style), strict=True):
        torch.testing.assert_close(made, wanted, atol=2e-3, rtol=0)


def test_a_pyramid_takes_over_brightness_and_contrast():
    content, style = smooth_images(3, 64, seed=1), 0.4 + 0.2 * smooth_images(3, 64, seed=2)
    made = pyramid(content, style, texture=0.0)
    for got, wanted, was in zip(moments(made), moments(style), moments(content), strict=True):
        assert ((got - wanted).abs() < 0.5 * (was - wanted).abs() + 0.01).all()


def test_a_pyramid_towards_an_image_itself_leaves_it():
    image = smooth_images(1, 64)
    torch.testing.assert_close(pyramid(image, image), image, atol=2e-3, rtol=0)


def test_a_veil_is_half_mixture_half_shade():
    content, style = torch.full((1, 1, 8, 8), 0.5), torch.full((1, 1, 8, 8), 0.25)
    # Both come to 0.4: half a grey level lost by mixing 40 % of 0.25 in, half by shading 40 % of the way to one half.
    torch.testing.assert_close(veil(content, style, density=0.4), torch.full_like(content, 0.4))


def test_styles_of_another_size_are_fitted():
    content = smooth_images(1, 40)
    for transfer in (pyramid, veil, random_convolution):
        assert transfer(content, smooth_images(1, 24, seed=4)).shape == content.shape


def test_one_style_is_one_random_filter_whatever_the_batch():
    content, styles = smooth_images(3, seed=1), smooth_images(3, seed=2)
    together = random_convolution(content, styles)
    torch.testing.assert_close(random_convolution(content[1:2], styles[1:2]), together[1:2])
    assert not torch.allclose(random_convolution(content[:1], styles[1:2]), together[:1], atol=0.02)


def test_a_random_convolution_sees_no_further_than_its_filters():
    """Move one pixel: only its surroundings change their rank, because brightness and contrast are set afterwards."""
    content, style = smooth_images(1, 32, seed=1), smooth_images(1, 32, seed=2)
    moved = content.clone()
    moved[..., 16, 16] += 0.05
    first, second = (random_convolution(image, style).double().numpy()[0, 0] for image in (content, moved))
    far = correlate(np.pad([[1.0]], 16)[:32, :32], np.ones((11, 11))) == 0
    slope, offset = np.polyfit(first[far], second[far], 1)
    np.testing.assert_allclose(second[far], slope * first[far] + offset, atol=1e-3)
    assert abs(second - slope * first - offset)[16, 16] > 1e-4


@pytest.mark.parametrize(("name", "options"), [("pyramid", {"texture": 1.5}), ("veil", {"density": -0.1})])
def test_shares_outside_the_scale_are_refused(name, options):
    with pytest.raises(PlanError, match="in 0 to 1"):
        GENERATORS.create(name, **options)
