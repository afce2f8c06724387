"""How often an attack reaches its goal, among the images on which a defence's clean reading is not what it wants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from radversary.attacks.goal import goal_from
from radversary.auditing.cells import Condition
from radversary.auditing.setup import AuditContext
from radversary.auditing.tables import FINDING, STATE_NUMBERS
from radversary.core.types import Estimate, Labels
from radversary.metrics.classification import proportion


def reached_share(clean: pd.DataFrame, rows: pd.DataFrame, condition: Condition,
                  context: AuditContext) -> Estimate | None:
    """Return the share of images on which a goal is reached under an attack, of those on which it is not without.

    What is asked is the defence that reads the images, not the model that the attack was made on; what a goal is to
    keep is kept where it reads it as it reads the clean image, whether the truth is known or not.

    Args:
        clean: One defence's predictions of clean images, those whose truth is not known too, findings of an image
            beside each other in the order of the classes.
        rows: The same images and findings under the attack, in the same order.
        condition: The attack.
        context: What was run.

    Returns:
        The share; None where the goal makes sense for no image that the defence reads otherwise when clean.
    """
    card, goal = context.defended_classifiers["none"].card, goal_from(condition.goal)
    labels, before, now = (_numbers(frame, column, context) for frame, column in (
        (rows, "label"), (clean, "predicted"), (rows, "predicted")))
    aims = goal.aims(card, labels, before if goal.keep else None)
    counted = (goal.applies(card, labels) & ~goal.reached(card, before, aims)).numpy()
    if not counted.any():
        return None
    people = rows.drop_duplicates("image_id")["patient_id"].to_numpy()[counted]
    return proportion(goal.reached(card, now, aims).numpy()[counted], patients=people.tolist(),
                      draws=context.plan.bootstrap, seed=context.plan.seed)


def _numbers(frame: pd.DataFrame, column: str, context: AuditContext) -> Labels:
    """Return labels or decisions as the goals of attacks take them, (N,) or (N, K)."""
    classes = context.images.classes
    many = FINDING in frame
    order = STATE_NUMBERS if many else {name: place for place, name in enumerate(classes)}
    numbers = torch.from_numpy(frame[column].map(order).to_numpy(dtype=np.int64, copy=True))
    return numbers.reshape(-1, len(classes)) if many else numbers
