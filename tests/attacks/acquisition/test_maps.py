"""Each map is the identity at zero, is differentiable, and is its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.polynomial import polynomial

from radversary.attacks.acquisition.affine import SCALE, SHIFT, TURN, Affine, small_affine
from radversary.attacks.acquisition.bias_field import POWERS, REACH, BiasField, bias_field
from radversary.attacks.acquisition.curve import Curve, along_pieces, grey_curve
from radversary.attacks.acquisition.line_pattern import GAIN, OFFSET, LinePattern, line_pattern
from radversary.imaging.intensity import rotate
from random_parts import smooth_images

ATTACKS = [Affine, BiasField, Curve, LinePattern]


def drawn(kind, count=3, seed=0):
    stream = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(count, kind.parameters, generator=stream, dtype=torch.float64) - 1


@pytest.mark.parametrize("kind", ATTACKS)
def test_zeros_change_nothing_and_all_others_something(kind):
    images = smooth_images(3, size=20).double()
    still = kind.changed(images, torch.zeros(3, kind.parameters, dtype=torch.float64))
    torch.testing.assert_close(still, images, atol=1e-12, rtol=0)
    for place in range(kind.parameters):
        one = torch.zeros(3, kind.parameters, dtype=torch.float64)
        one[:, place] = 1.0
        assert ((kind.changed(images, one) - images).abs().amax((1, 2, 3)) > 0.01).all(), place


@pytest.mark.parametrize("kind", ATTACKS)
def test_gradients_are_those_of_small_differences(kind):
    images, at = smooth_images(3, size=20).double(), 0.7 * drawn(kind).requires_grad_()
    weight = torch.randn(3, 1, 20, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (slope,) = torch.autograd.grad((kind.changed(images, at) * weight).sum(), at)
    for place in range(kind.parameters):
        step = torch.zeros_like(at)
        step[:, place] = 1e-6
        ahead, behind = (kind.changed(images, at.detach() + way * step) for way in (1, -1))
        expected = ((ahead - behind) * weight).sum((1, 2, 3)) / 2e-6
        torch.testing.assert_close(slope[:, place], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_image_is_changed_alike_beside_others_and_in_three_channels(kind):
    images, at = smooth_images(3, size=20).double(), drawn(kind)
    together = kind.changed(images, at)
    torch.testing.assert_close(kind.changed(images[1:2], at[1:2]), together[1:2], atol=1e-12, rtol=0)
    torch.testing.assert_close(kind.changed(images.expand(-1, 3, -1, -1), at), together.expand(-1, 3, -1, -1))


def test_the_bias_field_is_the_exponential_of_a_polynomial_with_mean_one():
    at = drawn(BiasField, 1)
    coefficients = np.zeros((5, 5))
    for (i, j), value in zip(POWERS, at[0].tolist(), strict=True):
        coefficients[i, j] = REACH * value
    assert len(POWERS) == 14
    assert max(map(sum, POWERS)) == 4
    x, y = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 18))
    field = np.exp(polynomial.polyval2d(x, y, coefficients))
    found = bias_field(torch.full((1, 1, 18, 24), 0.5, dtype=torch.float64), at)[0, 0]
    np.testing.assert_allclose(found.numpy(), 0.5 * field / field.mean(), rtol=1e-10)


def test_the_curve_never_falls_and_is_that_of_numpy():
    ramp = torch.linspace(0, 1, 101, dtype=torch.float64).reshape(1, 1, 1, -1).expand(6, -1, -1, -1)
    at = drawn(Curve, 6)
    found = grey_curve(ramp, at)
    assert (found.diff(dim=3) >= 0).all()
    assert 0 <= found.min() <= found.max() <= 1
    for row in range(6):
        power, centre, wide = at[row, :3].tolist()
        gamma, shift, width = np.exp(0.7 * power), 0.1 * centre, np.exp(0.4 * wide)
        windowed = np.clip((ramp[row].flatten().numpy() ** gamma - 0.5 - shift) / width + 0.5, 0, 1)
        rises = np.exp(0.7 * at[row, 3:].numpy())
        knots = np.concatenate([[0], np.cumsum(rises / rises.sum())])
        np.testing.assert_allclose(found[row].flatten().numpy(), np.interp(windowed, np.linspace(0, 1, 9), knots),
                                   atol=1e-12)
    assert along_pieces(torch.ones(1, 1, 1, 1), torch.tensor([[0.5, 0.5]])).item() == 1.0


@pytest.mark.parametrize("shape", [(20, 20), (18, 26)])
def test_a_turn_is_that_of_rotate_and_a_scale_that_of_coordinates(shape):
    images = smooth_images(2, size=26)[..., :shape[0], :shape[1]].double()
    turned = small_affine(images, torch.tensor([[1.0] + [0.0] * 5, [-0.5] + [0.0] * 5], dtype=torch.float64))
    angles = torch.rad2deg(torch.tensor([TURN, -0.5 * TURN], dtype=torch.float64))
    torch.testing.assert_close(turned, rotate(images, angles), atol=1e-6, rtol=0)
    ramp = torch.linspace(-1, 1, shape[1], dtype=torch.float64).expand(1, 1, *shape)
    wider = small_affine(ramp, torch.tensor([[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(wider, ramp * np.exp(-SCALE), atol=1e-9, rtol=0)
    lower = small_affine(images, torch.tensor([[0.0] * 4 + [1.0 / (SHIFT * shape[0]), 0.0]] * 2, dtype=torch.float64))
    torch.testing.assert_close(lower[..., 1:, :], images[..., :-1, :], atol=1e-9, rtol=0)


def test_patterns_are_constant_along_lines_and_of_low_rank():
    at, dark, grey = drawn(LinePattern, 1), torch.zeros(1, 1, 20, 24).double(), torch.full((1, 1, 20, 24), 0.5).double()
    offset = line_pattern(dark, at)[0, 0]
    torch.testing.assert_close(offset, offset[:, :1] + offset[:1] - offset[0, 0])
    gain = (line_pattern(grey, at)[0, 0] - offset) / 0.5 - 1
    torch.testing.assert_close(gain, gain[:, :1] + gain[:1] - gain[0, 0])
    assert offset.abs().max() <= 16 * OFFSET
    assert gain.abs().max() <= 16 * GAIN
    wave = sum(at[0, k].item() * np.cos(np.pi * (k + 1) / 8 * np.arange(20)) for k in range(8))
    np.testing.assert_allclose((offset[:, 0] - offset[0, 0]).numpy(), OFFSET * (wave - wave[0]), atol=1e-12)
