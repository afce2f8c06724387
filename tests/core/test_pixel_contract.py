from __future__ import annotations

import pytest
import torch

from radversary.core.errors import TensorError
from radversary.core.types import Access, Estimate, check_images


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (2, 3, 4, 5), (0, 1, 4, 4)])
def test_good_images_come_back_themselves(shape):
    images = torch.rand(shape)
    assert check_images(images) is images


@pytest.mark.parametrize(("images", "words"), [
    (torch.zeros(1, 1, 4, 4, dtype=torch.float64), "float32, got torch.float64"),
    (torch.zeros(1, 4, 4), r"shape \(N, 1 or 3, H, W\)"),
    (torch.zeros(1, 2, 4, 4), r"got \(1, 2, 4, 4\)"),
    (torch.full((1, 1, 4, 4), 1.01), r"in \[0, 1\], got values from 1.01"),
    (torch.full((1, 1, 4, 4), -0.01), r"in \[0, 1\]"),
    (torch.full((1, 1, 4, 4), float("nan")), r"in \[0, 1\]"),
])
def test_others_are_refused_by_name(images, words):
    with pytest.raises(TensorError, match=f"^films must .*{words}"):
        check_images(images, name="films")


def test_access_levels_include_the_ones_before():
    assert Access.NONE < Access.LABELS < Access.SCORES < Access.GRADIENTS


def test_no_figure_is_written_without_interval_and_n():
    assert str(Estimate(0.5, 0.25, 0.75, 8)) == "50.0 % [25.0, 75.0] (n=8)"
