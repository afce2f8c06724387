"""Directions of gradients: the same bits at every scale."""

from __future__ import annotations

import pytest
import torch

from radversary.attacks.directions import by_mean_magnitude, to_unit_range


def gradients(count: int = 6) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("power", [-100, -20, 0, 30, 100, 120])
def test_directions_have_the_same_bits_at_every_scale(power):
    plain, scaled = gradients(), gradients() * 2.0**power
    assert torch.equal(to_unit_range(scaled), to_unit_range(plain))
    assert torch.equal(by_mean_magnitude(scaled), by_mean_magnitude(plain))
    assert torch.equal(by_mean_magnitude(plain), plain / plain.abs().mean((1, 2, 3), keepdim=True))


def test_what_is_not_finite_counts_as_zero_and_zero_stays_zero():
    torch.testing.assert_close(by_mean_magnitude(torch.tensor([torch.nan, torch.inf, -1e-44, 0.0]).reshape(1, 1, 2, 2)),
                               torch.tensor([0.0, 0, -4, 0]).reshape(1, 1, 2, 2))
    assert not by_mean_magnitude(torch.zeros(2, 1, 4, 4)).any()


def test_each_gradient_goes_by_its_own_size():
    sizes = torch.tensor([1e-30, 1.0, 1e30]).reshape(3, 1, 1, 1)
    found = by_mean_magnitude(gradients(3) * sizes)
    torch.testing.assert_close(found.abs().mean((1, 2, 3)), torch.ones(3))
