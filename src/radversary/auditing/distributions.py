"""Installed Python distributions with versions, licences and dependencies: what a software bill of materials lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import Distribution, distributions
from typing import Final, TypedDict

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

LONGEST: Final = 100
"""Characters of a licence at most; a longer field holds the licence's text instead of its name."""


class InstalledDistribution(TypedDict):
    """One installed distribution.

    Attributes:
        name: Its normalised name (PEP 503).
        version: Its version.
        licence: SPDX expression, or the name that the distribution gives; empty where it gives none.
        requires: Normalised names of the installed distributions that it needs on this machine, extras left out.
    """

    name: str
    version: str
    licence: str
    requires: list[str]


@cache
def installed_distributions() -> tuple[InstalledDistribution, ...]:
    """Return every distribution of this process's path, by name; of two of one name that which an import finds.

    Example:
        >>> sorted(found["name"] for found in installed_distributions() if found["name"] in ("torch", "numpy"))
        ['numpy', 'torch']
    """
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        if name := distribution.metadata["Name"]:
            found.setdefault(canonicalize_name(name), distribution)
    return tuple(InstalledDistribution(name=name, version=found[name].version, licence=licence_of(found[name]),
                                       requires=sorted(set(required(found[name].requires or ())) & set(found)))
                 for name in sorted(found))


def required(requirements: Iterable[str]) -> Iterator[str]:
    """Yield the normalised names of requirements that hold on this machine without any extra.

    Args:
        requirements: As ``Requires-Dist`` states them (PEP 508); what cannot be read is passed over.

    Example:
        >>> list(required(["Py_YAML>=6", "tomli; python_version < '3'", "rich; extra == 'all'", "no name!"]))
        ['py-yaml']
    """
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def licence_of(distribution: Distribution) -> str:
    """Return a distribution's licence: its SPDX expression, else its classifier, else a short ``License`` field."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    named = [item.rpartition("::")[2].strip() for item in metadata.get_all("Classifier") or ()
             if item.startswith("License ::")]
    if own := [name for name in named if name != "OSI Approved"]:
        return " and ".join(own)
    text = " ".join((metadata.get_all("License") or [""])[0].split())
    return text if len(text) <= LONGEST and text != "UNKNOWN" else ""
