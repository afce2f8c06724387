"""Signs that an attack on a guard was too weak, so that a low figure is no sign of robustness."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from radversary.auditing.cells import UNTARGETED, Condition, OutcomeSummary
from radversary.auditing.findings import (
    Change,
    doubtful_logits,
    misleading_gradients,
    outcome,
    raised_accuracies,
    zero_gradients,
)
from radversary.auditing.result import Finding
from radversary.auditing.summarise.predictions import at
from radversary.core.types import AttackerKnowledge
from radversary.guard_evaluation.setup import CLEAN, GuardEvaluationContext
from radversary.metrics.paired import paired_test


def target_of(condition: Condition) -> str:
    """Return the target of an attack in words."""
    adaptive = condition.knowledge == AttackerKnowledge.ADAPTIVE
    return "the classifier and its detectors" if adaptive else "the classifier"


def outcomes_of(context: GuardEvaluationContext, frame: pd.DataFrame) -> tuple[OutcomeSummary, ...]:
    """Return success, distance and costs of each attack, in the order of the conditions.

    Args:
        context: What was run.
        frame: What the guard said, with the costs of each image.
    """
    found = []
    for condition in context.conditions:
        rows = at(frame, condition)
        found.append(outcome(condition, target_of(condition), rows, rows["patient_id"].tolist(),
                             draws=context.plan.bootstrap, seed=context.plan.seed))
    return tuple(found)


def findings_of(context: GuardEvaluationContext, frame: pd.DataFrame,
                outcomes: Sequence[OutcomeSummary]) -> tuple[Finding, ...]:
    """Return signs that the classifier's answers are no logits or that an attack on it or its guard was too weak.

    Args:
        context: What was run.
        frame: What the guard said.
        outcomes: What the attacks reached and cost.
    """
    suspicions = {"the classifier": context.suspicion} if context.suspicion else {}
    return (*doubtful_logits(suspicions), *zero_gradients(outcomes), *misleading_gradients(outcomes),
            *raised_accuracies(changes(context, frame)))


def changes(context: GuardEvaluationContext, frame: pd.DataFrame) -> list[Change]:
    """Return by how much each attack changes the accuracy over the same images clean, both re-encoded.

    Attacks with a goal other than any wrong reading are left out: one that hides a finding may well put others right.
    """
    clean = frame[frame["kind"] == CLEAN].set_index("image_id")["right"].astype(bool)
    found = []
    for condition in (item for item in context.conditions if item.goal == UNTARGETED):
        rows = at(frame, condition)
        test = paired_test(clean.loc[rows["image_id"]].to_numpy(), rows["right"].to_numpy(dtype=bool),
                           patients=rows["patient_id"].tolist(), draws=context.plan.bootstrap, seed=context.plan.seed)
        found.append(Change(condition, "the classifier", test.difference))
    return found
