"""What of an attack is run again where the whole of it is too dear: less of it, or the first of those it is made of."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from radversary.attacks.base import Attack
from radversary.attacks.ensemble import AutoAttack

REDUCED: Final[Mapping[str, int]] = MappingProxyType({"restarts": 1, "queries": 2, "steps": 10, "targets": 1})
"""Hyper-parameters that are reduced, in this order, each to its least value at most."""


def affordable(attack: Attack, most: int) -> Attack | None:
    """Return an attack, or what of it takes so many passes at most, within the same bound; None where nothing does.

    Of a set of attacks that is the first; of others it is the attack with :data:`REDUCED` as small as need be.

    Args:
        attack: The attack at its strength.
        most: Answers and gradients an image together.

    Example:
        >>> from radversary.attacks.registry import ATTACKS
        >>> affordable(ATTACKS.create("auto-attack"), 400).passes
        202
        >>> affordable(ATTACKS.create("apgd", steps=500), 400).steps
        199
    """
    if attack.passes is None:
        return None
    if attack.passes > most and isinstance(attack, AutoAttack):
        return affordable(attack.members()[0], most)
    for name, least in REDUCED.items():
        if (attack.passes or 0) > most and getattr(attack, name, least) > least:
            attack = reduced(attack, name, least, most)
    return attack if (attack.passes or 0) <= most else None


def reduced(attack: Attack, name: str, least: int, most: int) -> Attack:
    """Return an attack with the greatest value of a hyper-parameter that fits, its least one where none does."""
    def at(value: int) -> Attack:
        changes: dict[str, Any] = {name: value}
        return replace(attack, **changes)

    values = range(least, getattr(attack, name) + 1)
    return at(values[max(bisect_right(values, most, key=lambda value: at(value).passes or 0) - 1, 0)])


def part_of(title: str, part: Attack, whole: Attack) -> str:
    """Return what people call a part of an attack, or the whole where the part is that.

    Args:
        title: Of the whole.
        part: Of :func:`affordable`.
        whole: The attack.

    Example:
        >>> from radversary.attacks.registry import ATTACKS
        >>> whole = ATTACKS.create("apgd", steps=500)
        >>> part_of("apgd, ε 8/255", affordable(whole, 400), whole)
        'apgd, ε 8/255 at 199 of 500 steps'
    """
    if isinstance(whole, AutoAttack) and not isinstance(part, AutoAttack):
        first = whole.members()[0]
        return part_of(f"the first of {title} ({type(first).__name__})", part, first)
    fewer = [f"{getattr(part, name)} of {getattr(whole, name)} {name}" for name in REDUCED
             if getattr(part, name, None) != getattr(whole, name, None)]
    return f"{title} at {', '.join(fewer)}" if fewer else title
