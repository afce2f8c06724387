"""Uneven illumination: a smooth field that multiplies the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.acquisition.attack import AcquisitionAttack
from radversary.core.types import Images

DEGREE: Final = 4
"""Degree of the polynomial."""

POWERS: Final = tuple((i, total - i) for total in range(1, DEGREE + 1) for i in range(total + 1))
"""Powers of x and y of each term; a constant would only scale the field, which is normalised."""

REACH: Final = 0.3
"""The most that a term adds to the field's logarithm."""


def bias_field(images: Images, parameters: Tensor) -> Tensor:
    """Return images times exp(polynomial of x and y), the field's mean made 1; x and y run from -1 to 1.

    Source: Tian et al. 2020, "Bias field poses a threat to DNN-based X-ray recognition", arXiv:2009.09247, whose field
    is the exponential of a polynomial and a smoothed one; here of the polynomial alone.

    Args:
        images: (N, C, H, W) in [0, 1].
        parameters: The terms' coefficients in units of :data:`REACH`, (N, 14) in [-1, 1].

    Example:
        >>> round(bias_field(torch.full((1, 1, 16, 16), 0.5), torch.rand(1, 14)).mean().item(), 4)
        0.5
    """
    height, width = images.shape[-2:]
    x = torch.linspace(-1, 1, width, dtype=images.dtype, device=images.device)
    y = torch.linspace(-1, 1, height, dtype=images.dtype, device=images.device)[:, None]
    exponent = torch.zeros(len(images), height, width, dtype=images.dtype, device=images.device)
    for place, (i, j) in enumerate(POWERS):  # term by term: a product of matrices adds up otherwise in other batches
        exponent = exponent + REACH * parameters[:, place, None, None] * (x**i * y**j)
    field = exponent.exp()
    return images * (field / field.mean((1, 2), keepdim=True))[:, None]


@dataclass(frozen=True, kw_only=True)
class BiasField(AcquisitionAttack):
    """An adversarial bias field (Tian et al. 2020, arXiv:2009.09247), bounded by what is believable.

    Example:
        >>> BiasField(search="queries", queries=200).needs.name
        'SCORES'
    """

    parameters: ClassVar[int] = len(POWERS)
    changed = staticmethod(bias_field)
