"""Findings across an audit's figures: signs that an attack was too weak, and each defence's worst case."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from radversary.auditing.cell_table import defence_name
from radversary.auditing.cells import UNTARGETED, Cell, Condition, OutcomeSummary, WorstCase
from radversary.auditing.measurement.checks import OUTDONE_SHARE, ZERO_SHARE
from radversary.auditing.result import Finding, FindingKind
from radversary.auditing.setup import AuditContext
from radversary.auditing.tables import StoredTable, judged, reading_keys
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Estimate
from radversary.execution.progress import track
from radversary.metrics.classification import proportion

Item = TypeVar("Item")

SOURCE: Final = "Carlini et al. 2019, arXiv:1902.06705"
OUTDONE_LOW: Final = 0.1
"""Lower end of the interval of :data:`OUTDONE_SHARE` from which on it is said."""

SHARE: Final = 2
"""A worst case is taken over attacks on at least one ``SHARE``-th of the images that the most complete was run on."""


def findings_of(cells: Sequence[Cell], outcomes: Sequence[OutcomeSummary] = (),
                suspicions: Mapping[str, str] = MappingProxyType({})) -> tuple[Finding, ...]:
    """Return the signs that an attack was too weak, or a model misread, for its robustness figure to be trusted.

    Args:
        cells: The audit's figures.
        outcomes: What its attacks reached and cost.
        suspicions: Defence label to why the answers of its model may be no logits.

    Returns:
        One finding for each sign and defence, the widest of its kind.
    """
    return (*doubtful_logits(suspicions), *zero_gradients(outcomes), *misleading_gradients(outcomes),
            *helpful_attacks(cells), *weak_attackers(cells))


def doubtful_logits(suspicions: Mapping[str, str]) -> Iterator[Finding]:
    """Yield each model whose answers may be no logits, once, with the first defence that stands before it.

    Args:
        suspicions: Defence label to the sentence.
    """
    for own in grouped(suspicions.items(), lambda item: item[1]):
        defence, sentence = own[0]
        clean = Condition(attack="clean", strength=0.0)
        yield Finding(kind=FindingKind.DOUBTFUL_LOGITS, defence=defence, condition=clean, value=1.0, threshold=1.0,
                      others=len(own) - 1, sentence=sentence)


def zero_gradients(outcomes: Sequence[OutcomeSummary]) -> Iterator[Finding]:
    """Yield each attack and target of whose gradients a share was exactly zero (gradient masking).

    Source: Carlini et al. 2019, section 4.3 (gradient masking); Athalye et al. 2018, arXiv:1802.00420.
    """
    for own in grouped(filter(follows_pixels, outcomes), lambda item: (item.condition.attack, item.target)):
        worst = max(own, key=lambda item: item.zero_gradients)
        if worst.zero_gradients >= ZERO_SHARE:
            yield Finding(
                kind=FindingKind.ZERO_GRADIENTS, defence=worst.target, condition=worst.condition,
                value=worst.zero_gradients, threshold=ZERO_SHARE, others=len(own) - 1,
                sentence=f"{100 * worst.zero_gradients:.1f} % of the gradients of {worst.condition.title} against "
                         f"{defence_name(worst.target)} were exactly zero: the attack had nothing to follow there, and "
                         f"what it leaves right is no sign of robustness ({SOURCE}).")


def follows_pixels(outcome: OutcomeSummary) -> bool:
    """Return whether an attack followed gradients that only the system can stop.

    Those of an acquisition also pass through its own change of the grey levels, which ends at black and at white.
    """
    return outcome.gradients > 0 and outcome.condition.family != AttackFamily.ACQUISITION


def misleading_gradients(outcomes: Sequence[OutcomeSummary]) -> Iterator[Finding]:
    """Yield each attack and target on which following gradients does no better than chance: they are masked, not zero.

    Source: Carlini et al. 2019, arXiv:1902.06705, section 4.3; Athalye et al. 2018, arXiv:1802.00420, section 3.1.
    """
    misled = [(item, item.outdone) for item in outcomes if item.outdone is not None
              and item.outdone.value >= OUTDONE_SHARE and item.outdone.low > OUTDONE_LOW]
    for own in grouped(misled, lambda pair: (pair[0].condition.attack, pair[0].target)):
        worst, share = max(own, key=lambda pair: pair[1].value)
        yield Finding(
            kind=FindingKind.MISLEADING_GRADIENTS, defence=worst.target, condition=worst.condition, value=share.value,
            threshold=OUTDONE_SHARE, others=len(own) - 1,
            sentence=f"{worst.condition.title} against {defence_name(worst.target)} fails on "
                     f"{100 * share.value:.1f} % of the "
                     "images read rightly before and comes less near to an error there than random changes of the same "
                     "size, or none: its gradients mislead, and what it leaves right is no sign of robustness "
                     f"({SOURCE}).")


def helpful_attacks(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Yield each defence whose accuracy an aimed attack raises, beyond the interval.

    Attacks with a goal other than any wrong reading are left out: one that hides a finding may well put others right.
    """
    return raised_accuracies([Change(cell.condition, cell.defence, cell.against_clean.difference)
                              for cell in cells if cell.against_clean is not None and wants_errors(cell)])


class Change(NamedTuple):
    """What an attack changes in the accuracy of a defence, against the same images clean.

    Attributes:
        condition: The attack.
        defence: The defence's label.
        difference: Accuracy under the attack less that of the clean images, paired.
    """

    condition: Condition
    defence: str
    difference: Estimate


def raised_accuracies(changes: Sequence[Change]) -> Iterator[Finding]:
    """Yield each attack and defence whose accuracy is raised: the interval of the change is above 0."""
    raised = [item for item in changes if item.condition.family.aimed and item.difference.low > 0]
    for own in grouped(raised, lambda item: (item.condition.attack, item.defence)):
        most = max(own, key=lambda item: item.difference.value)
        points = 100 * most.difference.value
        yield Finding(
            kind=FindingKind.HELPFUL_ATTACK, defence=most.defence, condition=most.condition,
            value=most.difference.value, threshold=0.0, others=len(own) - 1,
            sentence=f"{most.condition.title} raises the accuracy of {defence_name(most.defence)} by {points:.1f} "
                     "points over clean images: an attack that helps has failed, or its gradients point the wrong way "
                     f"({SOURCE}).")


def weak_attackers(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Yield each attack and defence where the adaptive attack is weaker than one with less knowledge.

    Whoever knows the whole defence can do all that the others can, so an adaptive attack that leaves more images right
    was not strong enough (Carlini et al. 2019). Both accuracies must lie outside each other's interval; a paired test
    of two degrees of knowledge is not in a result. Attacks with a goal other than any wrong reading are left out, since
    accuracy does not say how near they come to it.
    """
    aimed = {(cell.condition.key, cell.defence): cell for cell in cells
             if cell.condition.family.aimed and wants_errors(cell)}
    pairs = [(cell, lower) for cell in aimed.values() if cell.condition.knowledge == AttackerKnowledge.ADAPTIVE
             for knowledge in AttackerKnowledge if knowledge != AttackerKnowledge.ADAPTIVE
             if (lower := aimed.get((cell.condition.model_copy(update={"knowledge": knowledge}).key, cell.defence)))
             if is_clear(cell, lower)]
    for own in grouped(pairs, lambda pair: (pair[0].condition.attack, pair[0].defence)):
        adaptive, lower = max(own, key=lambda pair: accuracy(pair[0]).value - accuracy(pair[1]).value)
        others = len(own) - 1
        more = f", and likewise in {others} more comparisons" if others > 1 else (
            ", and likewise in one more comparison" if others else "")
        name = defence_name(adaptive.defence)
        yield Finding(
            kind=FindingKind.WEAK_ATTACKER, defence=adaptive.defence, condition=adaptive.condition, others=others,
            lower=lower.condition, value=accuracy(adaptive).value - accuracy(lower).value, threshold=0.0,
            sentence=f"The adaptive attacker is too weak against {name}: under {adaptive.condition.title}, it leaves "
                     f"{accuracy(adaptive)} right, the {lower.condition.knowledge} attacker, who knows less, only "
                     f"{accuracy(lower)}{more}. That is a sign of masked gradients ({SOURCE}): a better attacker may "
                     f"leave {name} less than its adaptive figures.")


def wants_errors(cell: Cell) -> bool:
    """Return whether the attack of a cell wants any wrong reading, so that accuracy says how far it came."""
    return cell.condition.goal == UNTARGETED


def is_clear(more: Cell, less: Cell) -> bool:
    """Return whether one accuracy is above another, each outside the other's interval."""
    high, low = accuracy(more), accuracy(less)
    return high.low > low.value and high.value > low.high


def accuracy(cell: Cell) -> Estimate:
    """Return a cell's accuracy."""
    return cell.performance.accuracy


def grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    """Return items that share a key together, in order of first appearance."""
    found: dict[Hashable, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


def worst_cases(predictions: StoredTable, cells: Sequence[Cell], context: AuditContext) -> tuple[WorstCase, ...]:
    """Return the worst case of each defence: an image counts as right where no aimed attack misleads it.

    Args:
        predictions: One row an image × condition × defence.
        cells: The audit's figures.
        context: What was run.

    Returns:
        One entry a defence, degree of knowledge and goal of which anything was aimed.
    """
    aimed = [cell for cell in cells if cell.condition.family.aimed]
    groups = grouped(aimed, lambda cell: (cell.defence, cell.condition.knowledge, cell.condition.goal))
    return tuple(worst_case(own, predictions, context) for own in track(groups, "Worst cases with intervals"))


def worst_case(cells: Sequence[Cell], predictions: StoredTable, context: AuditContext) -> WorstCase:
    """Return the worst case of one defence over the conditions of one degree of knowledge and goal."""
    counted, right, patients = shared_readings(cells, predictions)
    kept = np.logical_and.reduce(right)
    least = min(counted, key=lambda cell: accuracy(cell).value)
    return WorstCase(
        defence=cells[0].defence, knowledge=cells[0].condition.knowledge, goal=cells[0].condition.goal,
        conditions=len(counted),
        least=least.condition.key,
        left_out=len(cells) - len(counted),
        accuracy=proportion(kept, patients=patients, draws=context.plan.bootstrap, seed=context.plan.seed))


def shared_readings(cells: Sequence[Cell],
                    predictions: StoredTable) -> tuple[list[Cell], list[np.ndarray], list[str]]:
    """Return what can be counted together: cells, and of the readings that all share which are right, and whose.

    Cells on less than one :data:`SHARE`-th of the images of the most complete are left out.

    Args:
        cells: Figures of one defence.
        predictions: One row an image × condition × defence.

    Returns:
        The cells that are left; of each, which of the shared readings are right; the patients of these readings.
    """
    most = max(accuracy(cell).n for cell in cells)
    counted = [cell for cell in cells if SHARE * accuracy(cell).n >= most]
    frames = [read_right(predictions, cell) for cell in counted]
    shared = sorted(set.intersection(*(set(frame.index) for frame in frames)))
    return (counted, [frame.loc[shared, "right"].to_numpy() for frame in frames],
            frames[0].loc[shared, "patient_id"].tolist())


def read_right(predictions: StoredTable, cell: Cell) -> pd.DataFrame:
    """Return the patient of each reading that a cell counts, and whether it is ``right``, by what names it."""
    keys = reading_keys(predictions.columns)
    rows = predictions.at(cell.condition, (*keys, "patient_id", "label", "predicted"), defence=cell.defence)
    return judged(rows).set_index(keys)[["patient_id", "right"]]


def summarise_outcomes(outcomes: pd.DataFrame, context: AuditContext) -> tuple[OutcomeSummary, ...]:
    """Return success, distance and costs of each attack, one entry a condition × target.

    Args:
        outcomes: One row an image × condition × target.
        context: What was run.
    """
    conditions = {(item.attack, item.strength, str(item.knowledge)): item for item in context.conditions}
    patient = dict(zip(context.images.image_ids, context.images.patients, strict=True))
    groups: Iterable[tuple[Any, pd.DataFrame]] = outcomes.groupby(["attack", "strength", "knowledge", "target"],
                                                                  sort=False)
    return tuple(outcome(conditions[what[:3]], what[3], rows, [patient[name] for name in rows["image_id"]],
                         draws=context.plan.bootstrap, seed=context.plan.seed) for what, rows in groups)


def outcome(condition: Condition, target: str, rows: pd.DataFrame, people: Sequence[str], *, draws: int,
            seed: int) -> OutcomeSummary:
    """Return success, distance and costs of one attack against one target.

    Args:
        condition: The attack.
        target: The defence that it was made on.
        rows: One row an image, with the columns of :data:`radversary.auditing.measure.COSTS`.
        people: The patient of each.
        draws: Bootstrap draws.
        seed: Seed of the draws.
    """
    success, gradients = rows["success"], float(rows["gradients"].sum())
    compared = rows["outdone"].notna().to_numpy()
    smallest = condition.contract == AttackContract.SMALLEST_CHANGE
    measured = rows[(success > 0) & (rows["l2"] > 0)] if smallest else rows
    return OutcomeSummary(
        condition=condition, target=target, turned=len(measured) if smallest else None,
        linf=float(measured["linf"].median()) if len(measured) else None,
        l2=float(measured["l2"].median()) if len(measured) else None,
        success=None if success.isna().any() else proportion(
            success.to_numpy() > 0, patients=people, draws=draws, seed=seed),
        queries=float(rows["queries"].mean()), gradients=float(rows["gradients"].mean()),
        zero_gradients=float(rows["zero_gradients"].sum()) / gradients if gradients else 0.0,
        outdone=None if not compared.any() else proportion(
            rows["outdone"].to_numpy()[compared] > 0, draws=draws, seed=seed,
            patients=[name for name, counted in zip(people, compared, strict=True) if counted]))
