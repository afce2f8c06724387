"""Names of the techniques that attacks belong to, by MITRE ATLAS and NIST AI 100-2; shipped as a table."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from radversary.core.errors import UnknownNameError


class Technique(NamedTuple):
    """A technique of a taxonomy.

    Attributes:
        taxonomy: ``atlas`` or ``nist``.
        version: Of the taxonomy.
        name: As the taxonomy writes it.
    """

    taxonomy: str
    version: str
    name: str


@lru_cache(maxsize=1)
def taxonomies() -> dict[str, dict[str, Technique]]:
    """Return the techniques by taxonomy and id."""
    table = json.loads(files("radversary.attacks").joinpath("taxonomy.json").read_text(encoding="utf-8"))
    return {name: {key: Technique(name, part["version"], text) for key, text in part["techniques"].items()}
            for name, part in table.items()}


def technique(identifier: str) -> Technique:
    """Return a technique by its id.

    Args:
        identifier: Such as ``AML.T0043.000`` or ``NISTAML.022``.

    Raises:
        UnknownNameError: No taxonomy here has it.

    Example:
        >>> technique("AML.T0043.001").name, technique("NISTAML.022").name
        ('Black-Box Optimization', 'Evasion')
    """
    known = {key: found for part in taxonomies().values() for key, found in part.items()}
    if identifier not in known:
        raise UnknownNameError("technique", identifier, known)
    return known[identifier]
