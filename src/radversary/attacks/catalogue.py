"""What each registered attack is, in a row of words: access, bound, tasks, cost, ids in NIST AI 100-2 and MITRE ATLAS.

The rows of this package's own attacks lie in ``catalogue.json``, so that they can be listed without PyTorch; a test
keeps them equal to what the attacks say of themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from radversary.attacks.registry import ATTACKS

if TYPE_CHECKING:
    from radversary.attacks.base import Attack

FILE: Final = "catalogue.json"
NEEDED: Final[Mapping[str, Mapping[str, object]]] = {"equal-noise": {"like": {"name": "pgd"}}}
"""Options without which an attack cannot be built, for its row."""


class Row(NamedTuple):
    """What an attack with its default options is.

    Attributes:
        access: How much of the victim it sees.
        bound: What it promises of its change, and by which norms.
        tasks: What the decisions may be that it turns.
        passes: The most answers and gradients for one image at its own strength; empty where it does not say.
        nist: Id in NIST AI 100-2.
        atlas: Id in MITRE ATLAS.
    """

    access: str
    bound: str
    tasks: str
    passes: str
    nist: str
    atlas: str


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Row]:
    """Return the rows of this package's own attacks by name.

    Example:
        >>> catalogue()["fgsm"].bound, catalogue()["fgsm"].passes
        ('fixed budget: linf', '2')
    """
    text = files("radversary.attacks").joinpath(FILE).read_text(encoding="utf-8")
    return {name: Row(**row) for name, row in json.loads(text).items()}


def row_of(attack: Attack) -> Row:
    """Return the row of an attack."""
    norms = getattr(attack, "norms", (attack.budget.norm,) if attack.budget.norm else ())
    bound = f"{attack.contract}: {', '.join(norms)}" if norms else str(attack.contract)
    tasks = "all" if len(attack.tasks) > 2 else ", ".join(attack.tasks)
    passes = "" if attack.passes is None else str(attack.passes)
    return Row(attack.needs.name.lower(), bound, tasks, passes, attack.nist, attack.atlas)


def catalogue_text() -> str:
    """Return what ``catalogue.json`` must hold: the rows of all attacks that are registered in this package."""
    own = [name for name, place in sorted(ATTACKS.table().items()) if place.startswith("radversary.")]
    rows = {name: row_of(ATTACKS.create(name, **NEEDED.get(name, {})))._asdict() for name in own}
    return json.dumps(rows, indent=1) + "\n"
