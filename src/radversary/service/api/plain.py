"""Texts and values of requests that can be kept, shown and sent on as they are."""

from __future__ import annotations

import math
import unicodedata
from typing import Final

from pydantic import JsonValue

from radversary.core.text import HIDDEN

JOINERS: Final = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
"""Format characters that words of living languages are written with."""

LARGEST: Final = 2**53
"""Integers beyond it are not the same number in every reader of JSON."""


def plain_text(text: str) -> str:
    """Return a text without control characters, overrides of direction and the like.

    Args:
        text: What was given.

    Raises:
        ValueError: It holds such a character.

    Example:
        >>> plain_text("Röntgen 2")
        'Röntgen 2'
    """
    if any(mark not in JOINERS and unicodedata.category(mark) in HIDDEN for mark in text):
        raise ValueError("a text without control or invisible characters is expected")
    return text


def plain_name(text: str) -> str:
    """Return a name: a plain text that is not blank, without spaces around it.

    Raises:
        ValueError: It is blank or not plain.
    """
    if not text.strip():
        raise ValueError("a name that is not blank is expected")
    return plain_text(text.strip())


def plain_values(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return values of JSON whose numbers are finite and whose texts are plain.

    Args:
        values: What was given.

    Raises:
        ValueError: A number is not finite or beyond 2**53, or a text is not plain.
    """
    waiting: list[JsonValue] = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            plain_text(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("finite numbers are expected")
        elif isinstance(value, int) and abs(value) > LARGEST:
            raise ValueError("numbers up to 2**53 are expected")
    return values
