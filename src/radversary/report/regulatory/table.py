"""A regulatory map applied to one run: which requirement is answered where, and which is a gap."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.report.regulatory.facts import FACTS
from radversary.report.regulatory.mapping import SECTIONS, RegulatoryMap, Requirement, Source
from radversary.report.result_view import ResultView


@dataclass(frozen=True)
class Line:
    """One requirement for one run.

    Attributes:
        requirement: What is asked.
        sections: Anchor and title of the sections that answer it; the page says of those that it lacks that they are
            a gap.
        missing: What the run lacks for the answer, a phrase each; empty where nothing.
    """

    requirement: Requirement
    sections: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class RegulatoryTable:
    """A map applied to one run.

    Attributes:
        map: The map.
        groups: Each source with its lines.
    """

    map: RegulatoryMap
    groups: tuple[tuple[Source, tuple[Line, ...]], ...]


def regulatory_table(view: ResultView, regulations: RegulatoryMap) -> RegulatoryTable:
    """Apply a map to a run.

    Args:
        view: The result.
        regulations: The map.

    Returns:
        Its requirements by source, in the order of the map; a source without any is left out.
    """
    lines = [line_of(view, item) for item in regulations.requirements]
    groups = ((source, tuple(line for line in lines if line.requirement.source == source.id))
              for source in regulations.sources)
    return RegulatoryTable(regulations, tuple((source, found) for source, found in groups if found))


def line_of(view: ResultView, item: Requirement) -> Line:
    """Return one requirement for one run."""
    missing = tuple(FACTS[need].missing for need in item.needs if not FACTS[need].holds(view))
    return Line(item, tuple((key, SECTIONS[key]) for key in item.sections), missing)
