"""What a condition's description says of the attack behind it: the repr of its class and all its parameters.

A label is whatever a plan calls an attack; only this tells what was run.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import Any

from radversary.audit.plan import RESERVED, AttackPlan
from radversary.audit.result import Condition
from radversary.core.errors import RadversaryError

EQUAL_NOISE = "EqualNoise"
FLOORS = frozenset({"Identity", "Noise", EQUAL_NOISE})
"""Classes of the attacks registered as ``identity``, ``noise`` and ``equal-noise``: nobody aims them."""
COLOUR = re.compile(r"\bcolour=(?:<[\w.]+: )?'rgb'")
"""How a description says that each colour was attacked by itself."""


def attack_class(condition: Condition) -> str:
    """Return the name of the class of a condition's attack; empty where nothing is recorded.

    Example:
        >>> attack_class(Condition(attack="any label", strength=0.1, description="Noise(deviation=0.1)"))
        'Noise'
    """
    return condition.description.partition("(")[0].strip()


def is_floor(condition: Condition) -> bool:
    """Tell whether nobody aims a condition: clean images, the identity attack, or noise, known by its class.

    Example:
        >>> is_floor(Condition(attack="equal", strength=0.1, description="Noise(deviation=0.1)"))
        True
        >>> is_floor(Condition(attack="noise-like", strength=0.1, description="PGD(epsilon=0.1)"))
        False
    """
    return condition.attack in RESERVED or attack_class(condition) in FLOORS


def is_colour(condition: Condition) -> bool:
    """Tell whether an attack may colour a radiograph, which has no colour.

    Example:
        >>> is_colour(Condition(attack="style", strength=1, description="StyleTransferAttack(colour='rgb')"))
        True
    """
    return bool(COLOUR.search(condition.description))


@cache
def likeness(description: str) -> str | None:
    """Return the description of the attack whose size a noise takes, at the strength at which it takes it.

    Args:
        description: A condition's description.

    Returns:
        The repr of that attack; None where this is no noise of equal size, or nothing that this version can build.

    Example:
        >>> likeness("EqualNoise(like={'name': 'noise', 'options': {'deviation': 0.1}})")
        'Noise(deviation=0.1)'
    """
    if not description.startswith(f"{EQUAL_NOISE}("):
        return None
    try:
        like: dict[str, Any] = ast.literal_eval(keyword(description, "like"))
        # Built as the audit builds it, since options that a plan leaves out have defaults.
        return repr(AttackPlan(label="like", **like).build())
    except (RadversaryError, ValueError, TypeError, SyntaxError):
        return None


def keyword(description: str, name: str) -> ast.expr:
    """Return one argument of a description that reads as a call.

    Raises:
        ValueError: It is no call, or has no such argument.
        SyntaxError: It does not read as Python.
    """
    call = ast.parse(description, mode="eval").body
    found = [item.value for item in call.keywords if item.arg == name] if isinstance(call, ast.Call) else []
    if not found:
        raise ValueError(f"no argument {name!r} in {description!r}")
    return found[0]
