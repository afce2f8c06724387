"""Regulatory maps: data files of what is asked, and which section of a report answers it under which conditions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from radversary.core.errors import PlanError, UnknownNameError
from radversary.report.regulatory.facts import FACTS
from radversary.storage.files import read_text
from radversary.storage.plain_yaml import LIMIT, parse_yaml
from radversary.storage.plans import Plan, parse_plan

DEFAULT: Final = Path(__file__).with_name("map-2026.11.yaml")
"""The map that is shipped."""
SECTIONS: Final = MappingProxyType({
    "top": "Summary", "threats": "Intended use and threat model", "figures": "Every attack, every defence",
    "strength": "Strength", "families": "Families of attacks", "transitions": "Transitions",
    "classes": "Classes or findings", "subgroups": "Subgroups", "gallery": "Gallery",
    "measurement": "Is the measurement sound?", "detection": "Detection", "data": "Data", "training": "Training",
    "score": "Score", "limitations": "Limitations", "reproduce": "Reproducibility"})
"""Sections that a map can name, by their anchors in a report."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
"""A phrase or a sentence."""


class Source(Plan):
    """A text that asks something.

    Attributes:
        id: By which requirements name it.
        title: Its title.
        edition: Edition, date and standing of it.
        read: What of it was read to write the map, such as its table of contents.
    """

    id: Words
    title: Words
    edition: Words
    read: Words


class Requirement(Plan):
    """One thing that a source asks.

    Attributes:
        id: Its name, unique in the map.
        source: Id of its source.
        clause: Where the source asks it.
        verified: Whether the clause's number was compared with the source or a reproduction of its text or contents.
        asks: What it asks, in short and in other words than the source's.
        sections: Sections of a report that answer it, of :data:`SECTIONS`; none where no report does.
        needs: Facts of a run without which they do not answer it, of :data:`radversary.report.regulatory.facts.FACTS`.
        beyond: What it asks further, which no section answers; empty where nothing.
        gap: Why no section answers it; where ``sections`` is empty.
    """

    id: Words
    source: Words
    clause: Words
    verified: bool
    asks: Words
    sections: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    beyond: str = Field(default="", max_length=400)
    gap: str = Field(default="", max_length=400)

    @model_validator(mode="after")
    def _answered_or_not(self) -> Self:
        if bool(self.sections) == bool(self.gap):
            raise ValueError(f"requirement {self.id!r} must have either sections or a gap")
        if self.gap and (self.needs or self.beyond):
            raise ValueError(f"requirement {self.id!r} is a gap, so it can have neither needs nor beyond")
        return self


class RegulatoryMap(Plan):
    """What texts ask, and where a report answers it.

    Attributes:
        name: What the map is called.
        date: When it was last compared with its sources.
        note: What a reader must know of it.
        sources: The texts, in the order of the page.
        requirements: What they ask.
    """

    name: Words
    date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    note: Words
    sources: tuple[Source, ...] = Field(min_length=1)
    requirements: tuple[Requirement, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for kind, names in (("source", [item.id for item in self.sources]),
                            ("requirement", [item.id for item in self.requirements])):
            if repeated := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{kind} {repeated[0]!r} is there twice")
        return self


def load_map(path: Path = DEFAULT) -> RegulatoryMap:
    """Read a regulatory map.

    Args:
        path: A YAML file.

    Raises:
        PlanError: It cannot be read, or is no regulatory map.
        UnknownNameError: It names a key, source, section or fact that does not exist.

    Example:
        >>> load_map().date
        '2026-11-30'
    """
    source = f"regulatory map {path}"
    try:
        content = parse_yaml(read_text(path, limit=LIMIT))
    except OSError as error:
        raise PlanError(f"{source} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise PlanError(f"{source} is not valid YAML: {error}") from error
    found = parse_plan(RegulatoryMap, content, source=source)
    known = {item.id for item in found.sources}
    for item in found.requirements:
        where = f"requirement {item.id!r} of {source}"
        refuse_unknown(f"source in {where}", [item.source], known)
        refuse_unknown(f"section in {where}", item.sections, SECTIONS)
        refuse_unknown(f"need in {where}", item.needs, FACTS)
    return found


def refuse_unknown(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """Refuse the first of some names that is not known.

    Raises:
        UnknownNameError: There is one.
    """
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, sorted(known))
