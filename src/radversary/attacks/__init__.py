"""Attacks on classifiers: an image goes in, one that may mislead the classifier comes out.

Every registered attack is an attribute here, by its name with underscores: ``radversary.attacks.pgd(epsilon=4 / 255)``
builds the same as ``ATTACKS.create("pgd", epsilon=4 / 255)``, those of other packages included.

Example:
    >>> import radversary as rv
    >>> rv.attacks.pgd(epsilon=4 / 255, goal="hide Pneumothorax").wants.kind.value
    'hide'
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radversary.attacks.base import Attack


def __getattr__(name: str) -> Callable[..., Attack]:
    """Return what builds the attack of a name."""
    from radversary.attacks.registry import ATTACKS

    known = {attack.replace("-", "_"): attack for attack in ATTACKS.names()}
    if name not in known:
        raise AttributeError(f"there is no attack {name!r}; known: {', '.join(sorted(known))}")
    return partial(ATTACKS.create, known[name])


def __dir__() -> list[str]:
    from radversary.attacks.registry import ATTACKS

    return [name.replace("-", "_") for name in ATTACKS.names()]
