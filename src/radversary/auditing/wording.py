"""How strengths and goals of attacks are written."""

from __future__ import annotations

import re
from typing import Final

from radversary.core.goal_text import goal_parts

BUDGETS = ("epsilon", "eps")
"""Strengths that bound the change of a pixel."""

WHOLE: Final = 0.5
"""Budget from which on nobody counts grey values."""


def level(strength: float, measure: str = "") -> str:
    """Write a strength as its field does: budgets a pixel in 8-bit grey values, larger ones, by L2, as they are.

    Example:
        >>> level(0.5, "opacity"), level(8 / 255, "epsilon"), level(2.0, "epsilon"), level(0.03)
        ('0.5', '8/255', '2', '0.03')
    """
    return f"{255 * strength:.3g}/255" if measure in BUDGETS and strength < WHOLE else f"{strength:g}"


def measure_name(measure: str) -> str:
    """Name what a strength counts.

    Example:
        >>> measure_name("epsilon"), measure_name("opacity"), measure_name("")
        ('ε', 'opacity', 'strength')
    """
    return "ε" if measure in BUDGETS else measure.replace("_", " ") or "strength"


def goal_beside(label: str, goal: str) -> str:
    """Write the goal of an attack beside what a plan calls it; nothing where it wants any wrong reading, or says so.

    Args:
        label: What the plan calls the attack.
        goal: As an attack takes it.

    Example:
        >>> goal_beside("pgd", "hide Mass"), goal_beside("to hide Mass", "hide Mass"), goal_beside("hide", "hide Mass")
        ('hide Mass', '', 'hide Mass')
    """
    words = set(re.findall(r"\w+", label.casefold()))
    wanted = set(re.findall(r"\w+", goal.casefold()))
    said = wanted <= words and ("keep" in words) == ("keep" in wanted)
    return "" if goal == "untargeted" or said else goal_words(goal)


def goal_words(goal: str) -> str:
    """Write a goal, given as an attack takes it, for people.

    Example:
        >>> goal_words("hide Mass|Nodule keep"), goal_words("untargeted")
        ('hide Mass and Nodule, keep all others', 'any wrong reading')
    """
    kind, names, keep = goal_parts(goal)
    if kind == "untargeted" and not names:
        return "any wrong reading"
    joined = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    wanted = f"misread {joined}" if kind == "untargeted" else f"{kind} {joined}".strip()
    return wanted + (", keep all others" if keep else "")
