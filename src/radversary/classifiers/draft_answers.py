"""What a person types for a field of a card, as its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from radversary.classifiers.draft import OPTIONS
from radversary.core.errors import ModelError
from radversary.core.text import quoted


def figures(text: str) -> tuple[float, ...]:
    """Return figures between commas.

    Example:
        >>> figures("-1, 1")
        (-1.0, 1.0)
    """
    return tuple(float(part) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """Return names between commas."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(found):
        raise ValueError("a name is empty")
    return found


def sides(text: str) -> int | tuple[int, int]:
    """Return a side, or height and width, in pixels.

    Example:
        >>> sides("224"), sides("512,384")
        (224, (512, 384))
    """
    found = tuple(int(part) for part in text.replace("x", ",").split(","))
    if len(found) == 1:
        return found[0]
    height, width = found
    return height, width


def ends(text: str) -> tuple[float, float] | str:
    """Return what black and white are, or ``imagenet``."""
    if text.strip().lower() == "imagenet":
        return "imagenet"
    low, high = figures(text)
    return low, high


READERS: Final[Mapping[str, tuple[Callable[[str], Any], str]]] = MappingProxyType({
    "size": (sides, "a side, or height,width in pixels"), "crop": (sides, "a side, or height,width in pixels"),
    "classes": (names, "names between commas"), "outputs": (names, "names between commas"),
    "thresholds": (figures, "figures between commas"), "mean": (figures, "1 or 3 figures between commas"),
    "std": (figures, "1 or 3 figures between commas"), "channels": (int, "1 or 3"),
    "input_range": (ends, "two figures, such as 0,255, or imagenet")})
"""Field to what reads it, and what is expected; any other field is a text."""


def answer(field: str, text: str) -> Any:  # noqa: ANN401
    """Return what was typed for a field of a card.

    Args:
        field: The field.
        text: What was typed.

    Raises:
        ModelError: It is nothing that the field may be.

    Example:
        >>> answer("size", "large")
        Traceback (most recent call last):
        radversary.core.errors.ModelError: --size must be a side, or height,width in pixels, got 'large'
    """
    read, expected = READERS.get(field, (str.strip, ""))
    try:
        return read(text)
    except ValueError as error:
        raise ModelError(f"{OPTIONS[field]} must be {expected}, got {quoted(text)}") from error
