"""A guard evaluation's result as rows of text, for a terminal and for Markdown pages."""

from __future__ import annotations

from collections.abc import Sequence

from radversary.auditing.wording import level, measure_name
from radversary.core.types import Estimate
from radversary.guard_evaluation.families.result import FamiliesResult
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.guard_evaluation.rows import GuardEvaluationRow, HarmlessRow, Promise
from radversary.report.cells import markdown_row
from radversary.report.formats import area, area_interval, figure

DETECTION = ("attack", "strength", "attacker", "n", "AUROC", "TPR at 1 % FPR", "TPR at 5 % FPR", "reading changed",
           "changed, no alarm", "the same, not re-encoded")
"""Heads of :func:`detection_rows`; shares are in percent of all images."""

HARMLESS = ("clean films", "n", "alarms", "read correctly, no alarm")
"""Heads of :func:`harmless_rows`."""

KEPT = ("films as they are stored", "patients", "alarms", "bound")
"""Heads of :func:`promise_rows`."""

FAMILIES = ("family", "attack", "strength", "n", "AUROC in-family", "AUROC out-of-family", "TPR at 5 % FPR in-family",
            "TPR at 5 % FPR out-of-family")
"""Heads of :func:`family_rows`."""


def detection_rows(result: GuardEvaluationResult) -> list[list[str]]:
    """Return one row an attack and strength, the attack that changes nothing first."""
    return [_detection(row) for row in (result.identity, *result.rows)]


def _detection(row: GuardEvaluationRow) -> list[str]:
    condition, shares = row.condition, (row.tpr_at_fpr_1, row.tpr_at_fpr_5, row.flipped, row.undetected_success_rate,
                                        row.undetected_success_rate_direct)
    strength = f"{measure_name(condition.measure)} {level(condition.strength, condition.measure)}"
    return [condition.attack, strength if condition.measure else "–", str(condition.knowledge), str(row.auroc.n),
            region(row.auroc), *(figure(share) for share in shares)]


def harmless_rows(result: GuardEvaluationResult) -> list[list[str]]:
    """Return one row a change that is no attack."""
    def row(item: HarmlessRow) -> list[str]:
        return [item.name, str(item.alarms.n), figure(item.alarms), figure(item.outcome.correct_accepted)]

    return [row(item) for item in result.harmless]


def promise_rows(result: GuardEvaluationResult) -> list[list[str]]:
    """Return one row for everyone and one for each group of patients."""
    def row(item: Promise) -> list[str]:
        return [item.name if item.kind == item.name else f"{item.kind} {item.name or 'unknown'}", str(item.rate.n),
                figure(item.rate), f"{100 * item.bound:.1f}"]

    return [row(item) for item in result.promises]


def family_rows(result: FamiliesResult) -> list[list[str]]:
    """Return one row an attack and strength: the learned detector trained on its family, and on all others."""
    return [[row.family, row.condition.attack,
             f"{measure_name(row.condition.measure)} {level(row.condition.strength, row.condition.measure)}",
             str(row.in_family.auroc.n), region(row.in_family.auroc), region(row.out_of_family.auroc),
             figure(row.in_family.tpr_at_fpr_5), figure(row.out_of_family.tpr_at_fpr_5)] for row in result.rows]


def region(estimate: Estimate) -> str:
    """Write an area under the curve with its interval.

    Example:
        >>> region(Estimate(0.9, 0.8, 1.0, 10))
        '0.900 [0.800, 1.000]'
    """
    return f"{area(estimate.value)} {area_interval(estimate)}"


def guard_evaluation_markdown(result: GuardEvaluationResult) -> str:
    """Return all tables of an evaluation as Markdown.

    Args:
        result: What was found.

    Returns:
        The tables, each under a sentence that says what it is.
    """
    opening = (f"{result.name}: {', '.join(result.detectors)} put together by `{result.rule}`, promised "
               f"{100 * result.alpha:g} % false alarms; {result.images} clean test images of {result.patients} "
               f"patients. [95 % interval over patients]")
    parts = [opening, *(f"**{item.sentence}**" for item in result.findings),
             *(f"**{warning}**" for warning in result.warnings),
             "Detection; shares in %:", markdown_table(DETECTION, detection_rows(result)),
             "Changes that are no attacks; every alarm is false, %:", markdown_table(HARMLESS, harmless_rows(result)),
             "The promise, one film a patient, %:", markdown_table(KEPT, promise_rows(result))]
    return "\n\n".join(parts) + "\n"


def families_markdown(result: FamiliesResult) -> str:
    """Return the learned detector's figures, with and without the attack's family, as Markdown."""
    taught = ", ".join(f"{count} {family}" for family, count in result.taught_attacked.items())
    parts = [f"{result.name}: taught by {result.taught_clean} clean images and attacked ones ({taught}), less the "
             f"family left out; {result.images} clean test images of {result.patients} patients. Identity attack: "
             f"{region(result.identity)}. [95 % interval over patients]",
             *(f"**{warning}**" for warning in result.warnings), markdown_table(FAMILIES, family_rows(result))]
    return "\n\n".join(parts) + "\n"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a Markdown table; a bar in a cell is escaped.

    Example:
        >>> print(markdown_table(["a", "b"], [["1", "2|3"]]))
        | a | b |
        |---|---|
        | 1 | 2\|3 |
    """
    return "\n".join([markdown_row(heads), "|" + "---|" * len(heads), *map(markdown_row, rows)])
