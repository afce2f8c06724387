"""How a film becomes what a model reads, in words: size, channels, resize, interpolation.

Plans, cards and command lines state these; no array or tensor library is imported to read one.
:func:`radversary.imaging.image.to_model_input` does what they say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, cast, get_args

from pydantic import Discriminator, Field, Tag

from radversary.core.errors import InputError, PlanError, UnknownNameError

Resize = Literal["stretch", "pad", "centre-crop"]
"""How a film of another shape becomes one of the shape that is wanted."""

Interpolation = Literal["bilinear", "bicubic", "nearest", "area"]
"""How pixels between pixels are found."""


def form_of_size(given: object) -> str:
    """Say which form of a size was given, so that what is wrong with it is said of that form.

    Example:
        >>> form_of_size([64, 48])
        'sides'
    """
    return "sides" if isinstance(given, list | tuple) else "side"


Pixels = Annotated[int, Field(gt=0)]
"""A side in pixels."""

Size = Annotated[Annotated[Pixels, Tag("side")] | Annotated[tuple[Pixels, Pixels], Tag("sides")],
                 Discriminator(form_of_size)]
"""The side of a square, or height and width, in pixels."""


def sides_of(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a size: of the side of a square, or of both.

    Example:
        >>> sides_of(8), sides_of((8, 6))
        ((8, 8), (8, 6))
    """
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


class ReadsImages(Protocol):
    """What states how images are read: a model's card, or an :class:`InputRule`."""

    @property
    def size(self) -> int | tuple[int, int]:
        """Side of the square, or height and width, in pixels."""

    @property
    def channels(self) -> int:
        """1 (grey) or 3."""

    @property
    def resize(self) -> Resize:
        """How a film of another shape becomes one of the shape that is wanted."""

    @property
    def interpolation(self) -> Interpolation:
        """How pixels between pixels are found."""


@dataclass(frozen=True)
class InputRule:
    """How a film becomes what a model reads.

    Attributes:
        size: Side of the square, or height and width, in pixels.
        channels: 1 projects colour to grey, 3 keeps it.
        resize: ``stretch`` gives up the aspect ratio; ``pad`` keeps it and adds black on both sides; ``centre-crop``
            keeps it and takes the largest central part of the shape that is wanted.
        interpolation: ``bilinear`` or ``bicubic`` (both smooth first where they shrink), ``nearest`` or ``area``.

    Example:
        >>> print(InputRule(size=224, resize="pad"))
        224 pixels a side, pad, bilinear
    """

    size: int | tuple[int, int]
    channels: Literal[1, 3] = 1
    resize: Resize = "stretch"
    interpolation: Interpolation = "bilinear"

    def __str__(self) -> str:
        height, width = self.sides
        size = f"{height} pixels a side" if height == width else f"{height} x {width} pixels"
        return f"{size}, {self.resize}, {self.interpolation}"

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return sides_of(self.size)


def rule_of(*, size: int | tuple[int, int], channels: int = 1, resize: str = "stretch",
            interpolation: str = "bilinear") -> InputRule:
    """Return a rule of settings that a person gave.

    Raises:
        PlanError: A size below 1, or channels other than 1 or 3.
        UnknownNameError: No such way to resize or to interpolate.

    Example:
        >>> rule_of(size=8, resize="padded")
        Traceback (most recent call last):
        radversary.core.errors.UnknownNameError: unknown resize 'padded'; did you mean 'pad'? Known: centre-crop, pad, \
stretch
    """
    if min(sides_of(size)) < 1 or channels not in (1, 3):
        raise PlanError(f"images are prepared at a size of at least 1 with 1 or 3 channels, got {size} and {channels}")
    for kind, given, known in (("resize", resize, get_args(Resize)),
                               ("interpolation", interpolation, get_args(Interpolation))):
        if given not in known:
            raise UnknownNameError(kind, given, known)
    return InputRule(size=size, channels=1 if channels == 1 else 3, resize=cast("Resize", resize),
                     interpolation=cast("Interpolation", interpolation))


def check_rule(made: InputRule, card: ReadsImages, *, model: str) -> None:
    """Refuse prepared images that were made by another rule than a model reads by.

    Args:
        made: The rule that the images were prepared by.
        card: The model's card.
        model: The model's name.

    Raises:
        InputError: Size, resize or interpolation differ.

    Example:
        >>> check_rule(InputRule(size=64), InputRule(size=64, resize="pad"), model="m")
        Traceback (most recent call last):
        radversary.core.errors.InputError: the images were prepared at 64 pixels a side, stretch, bilinear; model 'm' \
reads 64 pixels a side, pad, bilinear: prepare them again with its size, resize and interpolation
    """
    reads = InputRule(size=card.size, channels=made.channels, resize=card.resize, interpolation=card.interpolation)
    if reads != made:
        raise InputError(f"the images were prepared at {made}; model {model!r} reads {reads}: prepare them again with "
                         "its size, resize and interpolation")
