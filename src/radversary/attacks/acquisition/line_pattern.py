"""Gain and offset of a detector's rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.acquisition.attack import AcquisitionAttack
from radversary.core.types import Images

WAVES: Final = 8
"""Waves that a pattern is made of, from a period of sixteen lines to one of two."""

OFFSET: Final = 0.04
"""The most that a wave adds to a pixel."""

GAIN: Final = 0.04
"""The most that a wave multiplies a pixel by, less 1."""


def line_pattern(images: Images, parameters: Tensor) -> Tensor:
    """Return images with a gain and an offset for each row and each column, constant along the line.

    Args:
        images: (N, C, H, W) in [0, 1].
        parameters: (N, 32) in [-1, 1]: eight waves each of the rows' offsets, the columns' offsets, the rows' gains and
            the columns' gains, in units of :data:`OFFSET` and :data:`GAIN`.

    Example:
        >>> added = line_pattern(torch.zeros(1, 1, 4, 4), torch.eye(32)[7:8])  # the wave of two rows
        >>> [round(value, 2) for value in added[0, 0, :, 0].tolist()]
        [0.04, -0.04, 0.04, -0.04]
    """
    height, width = images.shape[-2:]
    of_rows, of_columns, rows, columns = torch.split(parameters, WAVES, 1)
    offset = OFFSET * (lines(of_rows, height)[:, :, None] + lines(of_columns, width)[:, None, :])
    gain = 1 + GAIN * (lines(rows, height)[:, :, None] + lines(columns, width)[:, None, :])
    return images * gain[:, None] + offset[:, None]


def lines(heights: Tensor, count: int) -> Tensor:
    """Return the sum of cosine waves over ``count`` lines, (N, count); wave k has k + 1 half periods in eight lines.

    Args:
        heights: The waves' heights, (N, K).
        count: How many lines there are.

    Example:
        >>> [round(value) for value in lines(torch.eye(8)[3:4], 6)[0].tolist()]
        [1, 0, -1, 0, 1, 0]
    """
    at = torch.arange(count, dtype=heights.dtype, device=heights.device)
    total = torch.zeros(len(heights), count, dtype=heights.dtype, device=heights.device)
    for place in range(heights.shape[1]):
        total = total + heights[:, place, None] * (pi * (place + 1) / WAVES * at).cos()
    return total


@dataclass(frozen=True, kw_only=True)
class LinePattern(AcquisitionAttack):
    """An adversarial pattern of a detector's lines, bounded by what is believable.

    Example:
        >>> LinePattern(amount=0.5).current
        0.5
    """

    parameters: ClassVar[int] = 4 * WAVES
    changed = staticmethod(line_pattern)
