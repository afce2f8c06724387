"""The checks of the measurement as a table: what is suspect first, then what is fine, then what was not asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from radversary.auditing.cell_table import defence_name
from radversary.auditing.measurement.checks import RULES, MeasurementCheck, Sign, Unit, Verdict
from radversary.auditing.result import AuditResult
from radversary.core.types import Estimate
from radversary.report.formats import signed, signed_interval

NAMED: Final = 4
"""Defences that a row names at most; of more it says how many."""


@dataclass(frozen=True)
class CheckRow:
    """A row of the table.

    Attributes:
        kind: What may be wrong.
        question: What is asked.
        counted: What the figure counts.
        defences: Where, for people.
        share: The figure, where it is a share of images with an interval.
        figure: The figure as text, where it is another.
        threshold: From which figure on it is suspect, in words.
        suspect: Whether it is.
        sentence: What was found.
        advice: What to do.
        source: Who says so.
    """

    kind: Sign
    question: str
    counted: str
    defences: str
    share: Estimate | None
    figure: str
    threshold: str
    suspect: bool
    sentence: str
    advice: str
    source: str


@dataclass(frozen=True)
class NotAsked:
    """Checks that do not apply, for one reason.

    Attributes:
        kinds: What was not asked.
        defences: Where, for people.
        reason: Why not.
    """

    kinds: str
    defences: str
    reason: str


@dataclass(frozen=True)
class MeasurementTable:
    """All checks of a result.

    Attributes:
        rows: What was asked, suspects first; of what is fine one row a kind, with the figure nearest to its threshold.
        left: What was not asked.
        suspect: Checks that are suspect.
        asked: Checks that apply.
    """

    rows: tuple[CheckRow, ...]
    left: tuple[NotAsked, ...]
    suspect: int
    asked: int


def measurement_table(result: AuditResult) -> MeasurementTable | None:
    """Return the checks of a result as a table; None where it has none.

    Args:
        result: What an audit found.
    """
    checks = result.measurement
    if not checks:
        return None
    suspects = [item for item in checks if item.verdict == Verdict.SUSPECT]
    fine = [item for item in checks if item.verdict == Verdict.FINE]
    rows = [row([item]) for item in suspects]
    rows += [row(own) for kind in Sign if (own := [item for item in fine if item.kind == kind])]
    return MeasurementTable(tuple(rows), not_asked(checks), len(suspects), len(suspects) + len(fine))


def measurement_line(result: AuditResult) -> str:
    """Return how many checks are suspect and which, in one line; empty where there are none.

    Args:
        result: What an audit found.
    """
    table = measurement_table(result)
    if table is None:
        return ""
    named = list(dict.fromkeys(f"{item.kind} ({item.defences})" for item in table.rows if item.suspect))
    which = f": {', '.join(named)}" if named else ""
    return f"measurement: {table.suspect} of {table.asked} checks suspect{which}"


def row(own: Sequence[MeasurementCheck]) -> CheckRow:
    """Return the row of checks of one kind and verdict, with the figure that is nearest to its threshold."""
    worst = max(own, key=lambda item: item.value or 0.0)
    rule, found = RULES[worst.kind], worst.figure
    share = found if isinstance(found, Estimate) and worst.unit == Unit.IMAGES else None
    return CheckRow(kind=worst.kind, question=rule.question, counted=rule.figure,
                    defences=defences_named([item.defence for item in own]), share=share,
                    figure="" if share else figure_text(worst), threshold=threshold_text(worst),
                    suspect=worst.verdict == Verdict.SUSPECT, sentence=worst.sentence, advice=worst.advice,
                    source=rule.source)


def not_asked(checks: Sequence[MeasurementCheck]) -> tuple[NotAsked, ...]:
    """Return the checks that do not apply, those of one reason together."""
    found: dict[tuple[str, str], list[str]] = {}
    reasons: dict[tuple[str, Sign], list[str]] = {}
    for item in checks:
        if item.verdict == Verdict.NOT_APPLICABLE:
            reasons.setdefault((item.sentence, item.kind), []).append(item.defence)
    for (reason, kind), labels in reasons.items():
        found.setdefault((reason, defences_named(labels)), []).append(str(kind))
    return tuple(NotAsked(", ".join(kinds), defences, reason) for (reason, defences), kinds in found.items())


def figure_text(item: MeasurementCheck) -> str:
    """Write a figure that is no share of images.

    Example:
        >>> from radversary.auditing.measurement.checks import check
        >>> figure_text(check(Sign.ZERO_GRADIENTS, "none", 0.25, "A quarter.", suspect=True))
        '25.0 of 100 gradients'
    """
    found = item.figure
    if found is None:
        return "–"
    if isinstance(found, Estimate):
        return f"{signed(found.value)} points {signed_interval(found)} n = {found.n}"
    if item.unit == Unit.YES:
        return "yes" if found else "no"
    return f"{100 * found:.1f} of 100 gradients" if item.unit == Unit.GRADIENTS else f"{signed(found)} points"


def threshold_text(item: MeasurementCheck) -> str:
    """Say from which figure on a check is suspect."""
    if item.unit == Unit.YES:
        return "yes"
    if item.unit == Unit.POINTS:
        return "above 0 beyond the interval"
    if not item.threshold:
        return "any image"
    return f"{100 * item.threshold:.0f} of 100 {item.unit}"


def defences_named(labels: Sequence[str]) -> str:
    """Name defences, or say how many they are.

    Example:
        >>> defences_named(["none", "jpeg"])
        'no defence, jpeg'
    """
    names = [*map(defence_name, dict.fromkeys(labels))]
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} defences"
