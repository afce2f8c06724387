"""The grey curve of a display or of post-processing: gamma, window, and a histogram curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from torch import Tensor

from radversary.attacks.acquisition.attack import AcquisitionAttack
from radversary.core.types import Images

GAMMA: Final = 0.7
"""Greatest logarithm of the exponent: 0.5 to 2."""

SHIFT: Final = 0.1
"""The most that the window's centre moves."""

WIDTH: Final = 0.4
"""Greatest logarithm of the window's width: 0.67 to 1.49."""

KNOTS: Final = 8
"""Pieces of the histogram curve."""

PIECE: Final = 0.7
"""Greatest logarithm of a piece's rise before all are made to add up to 1."""


def grey_curve(images: Images, parameters: Tensor) -> Tensor:
    """Return images through a curve that never falls: x to a power, a window, a line of eight rising pieces.

    Args:
        images: (N, C, H, W) in [0, 1].
        parameters: (N, 11) in [-1, 1]: logarithm of the exponent, shift and logarithm of the width of the window,
            logarithms of the eight rises, in units of :data:`GAMMA`, :data:`SHIFT`, :data:`WIDTH` and :data:`PIECE`.

    Example:
        >>> import torch
        >>> darker = grey_curve(torch.full((1, 1, 1, 1), 0.25), torch.eye(11)[:1])
        >>> round(darker.item(), 4) == round(0.25 ** 2.71828 ** 0.7, 4)
        True
    """
    one = parameters[..., None, None, None]
    bent = images ** (GAMMA * one[:, 0]).exp()
    windowed = ((bent - 0.5 - SHIFT * one[:, 1]) / (WIDTH * one[:, 2]).exp() + 0.5).clamp(0, 1)
    rises = (PIECE * parameters[:, 3:]).exp()
    return along_pieces(windowed, rises / rises.sum(1, keepdim=True))


def along_pieces(images: Tensor, rises: Tensor) -> Tensor:
    """Return images through a line of pieces of equal width.

    Args:
        images: (N, C, H, W) in [0, 1].
        rises: By how much each piece rises, (N, K), which add up to 1.

    Example:
        >>> import torch
        >>> round(along_pieces(torch.full((1, 1, 1, 1), 0.75), torch.tensor([[0.2, 0.8]])).item(), 4)
        0.6
    """
    pieces = rises.shape[1]
    before = rises.cumsum(1) - rises
    place = (images.detach() * pieces).long().clamp(max=pieces - 1).flatten(1)
    start, rise = before.gather(1, place).view_as(images), rises.gather(1, place).view_as(images)
    return start + (images * pieces - place.view_as(images)) * rise


@dataclass(frozen=True, kw_only=True)
class Curve(AcquisitionAttack):
    """An adversarial grey curve, bounded by what is believable.

    Example:
        >>> Curve(amount=0.5).current
        0.5
    """

    parameters: ClassVar[int] = 3 + KNOTS
    changed = staticmethod(grey_curve)
