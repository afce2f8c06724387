from __future__ import annotations

import pytest
import torch

from radversary.imaging.intensity import to_grey
from radversary.imaging.similarity import ssim
from radversary.stylization.distorted import LEAST_CONTRAST
from radversary.stylization.generators import GENERATORS
from radversary.stylization.untrained import BENDS, blurred, convolved, random_network, relief
from radversary.stylization.weightless import moments
from random_parts import smooth_images

BOTH = pytest.mark.parametrize("draw", [relief, random_network])


@BOTH
def test_it_is_grey_and_takes_brightness_and_contrast_of_the_style(draw):
    content, styles = smooth_images(3, 64, seed=1), 0.35 + 0.3 * smooth_images(3, 64, seed=2)
    made = draw(content, styles)
    assert torch.equal(made[:, 0], made[:, 1])
    (mean, deviation), (wanted, contrast) = moments(made[:, :1]), moments(to_grey(styles))
    assert ((mean - wanted).abs() < 0.05).all()  # clipped at black and white
    assert ((deviation - contrast.clamp_min(LEAST_CONTRAST)).abs() < 0.05).all()


@BOTH
def test_one_style_is_one_drawing_whatever_the_batch(draw):
    content, styles = smooth_images(3, 64, seed=1), smooth_images(3, 64, seed=2)
    together = draw(content, styles)
    torch.testing.assert_close(draw(content[1:2], styles[1:2]), together[1:2])
    assert not torch.allclose(draw(content[:1], styles[1:2]), together[:1], atol=0.05)


@pytest.mark.slow
@BOTH
def test_it_redraws_the_film_and_not_only_the_style(draw):
    """Another film in the same style is another picture, and the film's edges are still where they were."""
    content = torch.zeros(1, 3, 64, 64)
    content[..., 20:44, 20:44] = 0.8
    seen = 0.0
    for seed in range(12):
        made = draw(content, smooth_images(1, 64, seed=seed))[:, :1]
        steps = made.diff(dim=3).abs()[..., 24:40, :]
        seen += float(steps[..., 17:22].mean() / steps[..., 27:37].mean().clamp_min(1e-3)) / 12
    assert seen > 2


@BOTH
def test_styles_draw_more_differently_than_the_film_looks(draw):
    content, styles = smooth_images(1, 64, seed=1).expand(6, -1, -1, -1), smooth_images(6, 64, seed=3)
    made = to_grey(draw(content, styles))
    assert float(ssim(made[1:], made[:-1]).mean()) < 0.5


@BOTH
@pytest.mark.parametrize(("height", "width"), [(16, 16), (24, 40), (33, 17)])
def test_any_size_and_flat_films_stay_finite(draw, height, width):
    flat = torch.full((2, 3, height, width), 0.5)
    for content, style in ((flat, flat), (flat, torch.rand_like(flat)), (torch.rand_like(flat), flat)):
        made = draw(content, style)
        assert made.shape == flat.shape
        assert made.isfinite().all()
        assert made.amin() >= 0
        assert made.amax() <= 1
    assert draw(flat[:0], flat[:0]).shape == (0, 3, height, width)


def test_both_are_registered():
    content, styles = smooth_images(1, seed=1), smooth_images(1, seed=2)
    for name, draw in (("relief", relief), ("random-network", random_network)):
        torch.testing.assert_close(GENERATORS.create(name).stylise(content, styles), draw(content, styles))


def test_features_stay_about_one_and_bends_are_bounded_or_linear():
    features = torch.randn(1, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(1))
    assert 0.7 < float(convolved(features, weights).std()) < 1.4
    for bend in BENDS:
        assert bend(features).abs().amax() <= features.abs().amax() + 1


def test_a_blur_keeps_the_mean_of_a_flat_image_and_fits_small_ones():
    torch.testing.assert_close(blurred(torch.full((1, 1, 5, 5), 0.3), 5.6), torch.full((1, 1, 5, 5), 0.3))
