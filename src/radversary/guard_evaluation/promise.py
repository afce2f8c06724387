"""False-alarm rates on clean test images beside their bounds, and warnings on the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from radversary.calibration.clean_check import CleanRate, check_clean
from radversary.calibration.p_values import one_image_a_patient
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.guard_evaluation.rows import GuardEvaluationRow, HarmlessRow, Levels, Promise
from radversary.guard_evaluation.setup import CLEAN, GuardEvaluationContext
from radversary.imaging.reencoding import HARMLESS, STORED
from radversary.metrics.classification import proportion

LEVELS = (0.01, 0.02, 0.05, *np.round(np.arange(0.1, 1.01, 0.1), 1).tolist())
"""Levels at which the spread of clean p-values is looked at."""


def promises(context: GuardEvaluationContext, frame: pd.DataFrame) -> tuple[tuple[Promise, ...], float]:
    """Return the false-alarm rates on clean test images as they are stored, and the p-value of the test of drift."""
    rows = frame[frame["attack"] == STORED]
    groups, facts = context.groups_of(rows["row"].to_numpy()), context.facts.loc[rows["row"]]
    subgroups = {str(name): facts[name].astype(str).replace("", "unknown").tolist() for name in facts}
    found = check_clean(context.guard.calibrated().final, rows["anomaly_score"], rows["patient_id"].tolist(), groups,
                        subgroups=subgroups, draws=context.plan.bootstrap, seed=context.plan.seed)
    told = [_promise("all", found.overall)]
    told += [_promise("group", rate) for rate in found.groups if groups is not None]
    told += [_promise(kind, rate) for kind, rates in found.subgroups.items() for rate in rates]
    return tuple(told), found.p_value


def _promise(kind: str, rate: CleanRate) -> Promise:
    return Promise(kind=kind, name=rate.name, rate=rate.rate, every_image=rate.every_image, bound=rate.bound)


def levels(context: GuardEvaluationContext, frame: pd.DataFrame) -> Levels:
    """Return the distribution of the p-values of clean test images."""
    rows = frame[frame["attack"] == STORED]
    one = rows.iloc[one_image_a_patient(rows["anomaly_score"].to_numpy(), rows["patient_id"].tolist(),
                                        seed=context.plan.seed)]
    observed = tuple(proportion(one["p_value"] <= level * (1 + 1e-9), patients=one["patient_id"].tolist(),
                                draws=context.plan.bootstrap, seed=context.plan.seed) for level in LEVELS)
    return Levels(expected=LEVELS, observed=observed)


def harmless_names() -> tuple[str, ...]:
    """Return the names of all rows of clean images, the re-encoding of the attacked ones first."""
    return (CLEAN, *HARMLESS)


def warnings(context: GuardEvaluationContext, rows: Sequence[GuardEvaluationRow], identity: GuardEvaluationRow,
             harmless: Sequence[HarmlessRow],
             promised: Promise) -> tuple[str, ...]:
    """Return the sentences that a reader of these figures must see."""
    not_run = (f"{sentence[0].upper()}{sentence[1:]}." for sentence in context.not_run)
    return (*_left_out(context), *not_run, *_warnings(context, rows, identity, harmless, promised))


def _left_out(context: GuardEvaluationContext) -> Iterator[str]:
    if context.left_out:
        others, by = sum(context.left_out.values()), context.guard.record["grouped_by"]
        yield (f"{others} test images are of a {by} that was never calibrated ({', '.join(context.left_out)}) and were "
               "left out, as screening refuses them: no figure here speaks of such films.")


def _warnings(context: GuardEvaluationContext, rows: Sequence[GuardEvaluationRow], identity: GuardEvaluationRow,
              harmless: Sequence[HarmlessRow],
              promised: Promise) -> Iterator[str]:
    n = len(context.rows)
    if not identity.auroc.low <= 0.5 <= identity.auroc.high:
        yield (f"The attack that changes nothing has an area of {identity.auroc.value:.3f}: something else than the "
               "attacks tells the images apart, so no figure here may be trusted.")
    told = [name for name, area in identity.floors.items() if not _covers(area)]
    if told:
        yield f"{' and '.join(told).capitalize()} tell clean images from unchanged ones: the two were handled unlike."
    if n < 100:
        yield f"With {n} clean test images, 1 % false alarms means not a single one: TPR at 1 % is that at none."
    if promised.rate.low > promised.bound:
        yield (f"Clean test images raise alarms in {100 * promised.rate.value:.1f} % of patients, above the promised "
               f"bound of {100 * promised.bound:.1f} %: calibrate on films like these.")
    for row in harmless:
        if row.name != STORED and row.alarms.low > promised.bound:
            yield (f"Clean images through “{row.name}” raise alarms in {100 * row.alarms.value:.1f} %, above the bound "
                   f"of {100 * promised.bound:.1f} % for films as they are stored.")
    if not any(row.condition.knowledge == AttackerKnowledge.ADAPTIVE for row in rows):
        yield ("No attacker who knows the detectors was run: all figures hold for attackers who do not, and say "
               "nothing of those who do.")


def _covers(area: Estimate) -> bool:
    return area.low <= 0.5 <= area.high
