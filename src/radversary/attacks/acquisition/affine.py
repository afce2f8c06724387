"""Positioning: small turns, scales, shifts and shears."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians
from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.attacks.acquisition.attack import AcquisitionAttack
from radversary.core.types import Images

TURN: Final = radians(5)
"""Greatest angle."""

SCALE: Final = 0.05
"""Greatest logarithm of a scale, of each axis by itself."""

SHIFT: Final = 0.05
"""Greatest shift as a share of the side."""

SHEAR: Final = 0.05
"""Greatest shear."""


def small_affine(images: Images, parameters: Tensor) -> Tensor:
    """Return images turned, scaled, shifted and sheared about their centres; what comes into view repeats the border.

    Args:
        images: (N, C, H, W) in [0, 1].
        parameters: (N, 6) in [-1, 1]: angle, scale of x and of y, shift of x and of y, shear, in units of
            :data:`TURN`, :data:`SCALE`, :data:`SHIFT` and :data:`SHEAR`.

    Example:
        >>> image = torch.rand(1, 1, 20, 20)
        >>> moved = small_affine(image, torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]))
        >>> torch.allclose(moved[..., 1:], image[..., :-1], atol=1e-5)
        True
    """
    height, width = images.shape[-2:]
    angle, across, down, right, lower, shear = parameters.unbind(1)
    cosine, sine = (TURN * angle).cos(), (TURN * angle).sin()
    wide, high, slant = (SCALE * across).exp(), (SCALE * down).exp(), SHEAR * shear
    # From a place in the result to one in the image: sheared, turned, divided by the scales, moved back.
    rows = (torch.stack([cosine / wide, (slant * cosine - sine) / wide * height / width, -2 * SHIFT * right], 1),
            torch.stack([sine / high * width / height, (slant * sine + cosine) / high, -2 * SHIFT * lower], 1))
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


@dataclass(frozen=True, kw_only=True)
class Affine(AcquisitionAttack):
    """An adversarial positioning (Engstrom et al. 2019, arXiv:1712.02779), bounded by what is believable.

    Lung fields are compared where they lie, so that little movement is left where they are found.

    Example:
        >>> Affine(amount=0.5).current
        0.5
    """

    parameters: ClassVar[int] = 6
    changed = staticmethod(small_affine)
