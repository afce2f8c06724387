"""Which share of clean films a guard alarms on at each level: promised, found by an evaluation, and in its stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scipy.stats import beta
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from radversary.service.monitoring.figures import TAIL, rate
from radversary.service.monitoring.shown import Figure, GuardLevels, LevelRow
from radversary.service.store.tables import Guard, Screening

if TYPE_CHECKING:
    from radversary.calibration.conformal import Calibration
    from radversary.core.types import Estimate
    from radversary.guard_evaluation.result import GuardEvaluationResult

LEVELS: Final = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Levels that are shown, beside the guard's own."""

NEAR: Final = 1.0 + 1e-9
"""A p-value that is the level is at the level, whatever its last digit."""


def levels_of(session: Session, guard: Guard, folder: Path,
              evaluation: GuardEvaluationResult | None) -> tuple[GuardLevels, ...]:
    """Return the levels of a guard by group.

    Args:
        session: The session.
        guard: The guard.
        folder: Its folder on this machine.
        evaluation: Its newest evaluation; None where there is none.

    Raises:
        ModelError: Its thresholds are missing or damaged.
    """
    from radversary.screening.bundle import load_fusion

    final = load_fusion(folder).final
    return tuple(GuardLevels(group=group, alpha=final.alpha, rows=tuple(
        _row(session, guard.id, final, group, level, evaluation)
        for level in shown_levels(final, group))) for group in final.scores)


def shown_levels(calibration: Calibration, group: str) -> list[float]:
    """Return the levels that a group's calibration has enough patients for."""
    least = 1.0 / (len(calibration.reference(group)) + 1)
    return sorted({level for level in (*LEVELS, calibration.alpha) if level * NEAR >= least})


def _row(session: Session, guard: str, calibration: Calibration, group: str, level: float,
         evaluation: GuardEvaluationResult | None) -> LevelRow:
    from radversary.calibration.thresholds import calibrated_threshold

    known = calibration.reference(group)
    only = len(calibration.scores) == 1
    return LevelRow(level=level, threshold=calibrated_threshold(known, false_alarms=level),
                    promised=promised_rate(len(known), level), stream=streamed_rate(session, guard, group, level),
                    evaluated=None if evaluation is None else found_rate(evaluation, level, "" if only else group))


def promised_rate(n: int, level: float) -> Figure:
    """Return the share of clean films that alarm at a level, as a calibration promises it.

    The threshold is the r-th smallest of n independent scores, ``r = ceil((n + 1)(1 - level))``, so that the share
    above it follows Beta(n + 1 - r, r): its mean, and its quantiles at 2.5 and 97.5 %. Source: Vovk 2012,
    arXiv:1209.2673.

    Args:
        n: Calibration patients, one image each.
        level: In [1 / (n + 1), 1).

    Example:
        >>> found = promised_rate(99, 0.05)
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
        (0.05, 0.017, 0.1)
    """
    rank = math.ceil((n + 1) * (1.0 - level) - 1e-9)
    law = beta(n + 1 - rank, rank)
    return Figure(value=float(law.mean()), low=float(law.ppf(TAIL)), high=float(law.ppf(1 - TAIL)), n=n)


def streamed_rate(session: Session, guard: str, group: str, level: float) -> Figure:
    """Return the share of a group's judged films whose p-value is a level at most."""
    judged = select(func.count()).where(Screening.guard_id == guard, Screening.group == group,
                                        Screening.p_value.is_not(None))
    hits = session.scalar(judged.where(Screening.p_value <= level * NEAR)) or 0
    return rate(hits, session.scalar(judged) or 0)


def found_rate(evaluation: GuardEvaluationResult, level: float, group: str = "") -> Figure | None:
    """Return what an evaluation found at a level; None where it did not look.

    Args:
        evaluation: The evaluation.
        level: The level.
        group: Of one group, of which the guard's own level alone was looked at; empty for all films.
    """
    if group:
        rates = [item.rate for item in evaluation.promises if (item.kind, item.name) == ("group", group)]
        return figure_of(rates[0]) if rates and level == evaluation.alpha else None
    if level == evaluation.alpha:
        return figure_of(evaluation.promises[0].rate)
    known = dict(zip(evaluation.levels.expected, evaluation.levels.observed, strict=True))
    return figure_of(known[level]) if level in known else None


def figure_of(given: Estimate) -> Figure:
    """Return an estimate as a figure of monitoring."""
    return Figure(value=given.value, low=given.low, high=given.high, n=given.n)


def spread(session: Session, guard: str, expected: Sequence[float]) -> tuple[Figure, ...]:
    """Return the share of a guard's judged films, of all groups, at or below each level."""
    judged = select(func.count()).where(Screening.guard_id == guard, Screening.p_value.is_not(None))
    count = session.scalar(judged) or 0
    return tuple(rate(session.scalar(judged.where(Screening.p_value <= level * NEAR)) or 0, count)
                 for level in expected)
