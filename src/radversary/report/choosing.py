"""Which attacks a headline may speak of: in grey, and on enough images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from radversary.audit.cells import Condition
from radversary.core.types import Colour

SHARE = 2
"""A headline's attack was run on at least one ``SHARE``-th of the images that the most complete attack was run on."""


@dataclass(frozen=True)
class Choice:
    """What a headline is chosen from.

    Attributes:
        eligible: The conditions that it may speak of.
        passed_over: The others in words; empty where there are none.
    """

    eligible: tuple[Condition, ...]
    passed_over: str


def choose(aimed: Sequence[Condition], count: Callable[[Condition], int | None]) -> Choice:
    """Leave out what would mislead in a headline.

    A radiograph has no colour, so attacks in colour count only if no other was run. The least of many accuracies over
    a few images is mostly chance, so each has at least half as many images as the one with most.

    Args:
        aimed: Conditions that someone aims.
        count: Says how many images a condition was run on.

    Example:
        >>> listed = [Condition(attack=name, strength=1) for name in ("long", "short")]
        >>> choose(listed, lambda condition: 1000 if condition.attack == "long" else 16).passed_over
        'attacks on fewer than 500 images'
    """
    grey = [c for c in aimed if c.colour == Colour.GREY] or list(aimed)
    most = max((count(c) or 0 for c in grey), default=0)
    eligible = tuple(c for c in grey if SHARE * (count(c) or 0) >= most)
    words = ["attacks in colour, which a radiograph does not have,"] if len(grey) < len(aimed) else []
    words += [f"attacks on fewer than {-(-most // SHARE)} images"] if len(eligible) < len(grey) else []
    return Choice(eligible, " and ".join(words).rstrip(","))
