"""Calibrations, checks and verdicts of a guard as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from radversary.calibration.clean_check import CleanCheck, CleanRate
from radversary.cli.console import Table
from radversary.guard_evaluation.families.result import FamiliesResult
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.report.formats import figure
from radversary.report.guard.tables import (
    DETECTION,
    FAMILIES,
    HARMLESS,
    detection_rows,
    family_rows,
    harmless_rows,
    region,
)
from radversary.screening.verdicts import Verdict

SUREST = 4
"""Digits of a p-value that people read."""


def promise_table(promise: Mapping[str, Any]) -> Table:
    """Return what a calibration promises, one row a group."""
    table = Table(title=f"Promised: at most {promise['alpha']:.1%} of clean films of new patients raise an alarm")
    for name in ("group", "patients", "this calibration stays under (95 %)"):
        table.add_column(name, justify="left" if name == "group" else "right")
    for group, patients in promise["patients"].items():
        note = " (too few: judged with all)" if group in promise["pooled"] else ""
        table.add_row(f"{group}{note}", str(patients), f"{promise['bound_95'][group]:.1%}")
    return table


def rates_table(found: CleanCheck) -> Table:
    """Return how often clean films raised an alarm, for everyone and for each group."""
    table = Table(title="False alarms on these clean films, % [95 % interval]")
    for name in ("films", "patients", "alarms", "bound", ""):
        table.add_column(name, justify="left" if name in ("films", "") else "right")
    rows = [("all", found.overall), *((f"group {rate.name}", rate) for rate in found.groups if len(found.groups) > 1),
            *((f"{kind} {rate.name or 'unknown'}", rate) for kind, rates in found.subgroups.items() for rate in rates)]
    for title, rate in rows:
        table.add_row(title, str(rate.rate.n), figure(rate.rate), f"{rate.bound:.1%}", verdict_on(rate))
    return table


def verdict_on(rate: CleanRate) -> str:
    """Return a word for whether a rate is within its bound."""
    if not rate.assessable:
        return "too few to say"
    return "kept" if rate.inside else "ABOVE its bound" if rate.broken else "above its bound, within chance"


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """Return verdicts, those that are no pass in bold; films of several places with theirs."""
    table, several = Table(), len({item.place for item in verdicts}) > 1
    for name, justify in (*((("place", "left"),) if several else ()), ("film", "left"), ("verdict", "left"),
                          ("p", "right"), ("prediction", "left"), ("strongest cue or reason", "left")):
        table.add_column(name, justify=justify, overflow="fold")
    for item in verdicts:
        where = (item.place, item.image) if several else (item.image,)
        table.add_row(*where, *verdict_cells(item))
    return table


def verdict_cells(item: Verdict) -> tuple[str | Text, str, str, str]:
    """Return verdict, p-value, prediction, and cue or reason of one film."""
    if item.p_value is None:
        return Text("refused", style="bold yellow"), "", "", item.reason
    review = item.verdict == "review"
    likely = f"{item.probabilities[item.prediction]:.0%}" if item.probabilities else "(label alone)"
    return (Text("review", style="bold red") if review else "pass", f"{item.p_value:.{SUREST}f}",
            f"{item.prediction} {likely}", item.cue if review else "")


def families_table(result: FamiliesResult) -> Table:
    """Return the learned detector's figures on families it was trained on and on each that was left out."""
    table = plain_table("Learned detector, taught with the attack's family and without it [95 % interval]", FAMILIES,
                        family_rows(result), left=2)
    table.add_row("", "identity", "", str(result.identity.n), region(result.identity), "", "", "")
    return table


def detection_table(result: GuardEvaluationResult) -> Table:
    """Return detection and undetected success of each attack against a guard."""
    return plain_table("Detected without the original, % [95 % interval]", DETECTION, detection_rows(result))


def harmless_table(result: GuardEvaluationResult) -> Table:
    """Return how often a guard alarms on what is no attack."""
    return plain_table("Changes that are no attacks, % [95 % interval]", HARMLESS, harmless_rows(result))


def plain_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> Table:
    """Return a table of texts, the first ``left`` columns flush left."""
    table = Table(title=title)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < left else "right")
    for row in rows:
        table.add_row(*row)
    return table
