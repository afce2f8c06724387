"""A result of an evaluated guard, made up, with every kind of row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from radversary.auditing.cells import Condition
from radversary.auditing.detection import Histogram
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.guard_evaluation.rows import (
    Alerts,
    Band,
    GuardEvaluationRow,
    GuardGalleryImage,
    HarmlessRow,
    Levels,
    Outcome,
    Promise,
)


def estimate(value: float, n: int = 120) -> Estimate:
    return Estimate(value, max(0.0, value - 0.05), min(1.0, value + 0.05), n)


def outcome(flagged: float) -> Outcome:
    left = 1 - flagged
    return Outcome(correct_accepted=estimate(0.75 * left), flagged=estimate(flagged),
                   wrong_accepted=estimate(0.25 * left))


def row(attack: str, strength: float, area: float, *, knowledge: AttackerKnowledge = AttackerKnowledge.OBLIVIOUS,
        measure: str = "opacity",
        undetected_success_rate: float = 0.03, none_flipped: bool = False) -> GuardEvaluationRow:
    hit = None if none_flipped else estimate(0.77, 40)
    return GuardEvaluationRow(
        condition=Condition(attack=attack, strength=strength, knowledge=knowledge, measure=measure,
                            description=f"{attack}(s={strength})"),
        auroc=estimate(area), detectors={"rough": estimate(area - 0.1), "energy": estimate(0.6)},
        floors={"mean brightness": estimate(0.52)}, tpr_at_fpr_1=estimate(area - 0.2),
        tpr_at_fpr_5=estimate(area - 0.1), alarms=estimate(0.8), flipped=estimate(0.4), tpr_at_fpr_1_flipped=hit,
        tpr_at_fpr_5_flipped=hit, alarms_flipped=hit,
        undetected_success_rate=estimate(undetected_success_rate),
        undetected_success_rate_direct=estimate(undetected_success_rate + 0.04), outcome=outcome(0.8),
        alerts=Alerts(true=8.0, false=49.5, unnoticed=2.0, ppv=None if none_flipped else estimate(0.139)),
        curve=Band(false_alarms=(0, 0.5, 1), detections=(0, area, 1), low=(0, area - 0.1, 1), high=(0, 1, 1)),
        histogram=Histogram(edges=(0, 1, 2), clean=(90, 30), attacked=(20, 100)))


def guard_evaluation_result(folder: Path, **changes) -> GuardEvaluationResult:
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(folder / "film.png")
    shown = {"p_value": 0.2, "cue": "rough (p = 0.1): unlike clean films", "said": "Normal", "said_now": "Pneumonia",
             "original": "film.png", "shown": "film.png"}
    content = {
        "name": "night shift", "classes": ("Normal", "Pneumonia"), "model": {"name": "tiny"},
        "detectors": ("rough", "energy"), "rule": "harmonic", "alpha": 0.05, "prevalence": 0.01, "studies": 1000,
        "images": 120, "patients": 90,
        "rows": (row("style", 0.1, 0.86), row("style", 0.5, 0.97),
                 row("stm", 8 / 255, 0.91, measure="epsilon", none_flipped=True),
                 row("aware-style", 0.1, 0.72, knowledge=AttackerKnowledge.ADAPTIVE, undetected_success_rate=0.21)),
        "identity": row("identity", 0.0, 0.5, measure="", none_flipped=True),
        "harmless": (HarmlessRow(name="clean", alarms=estimate(0.06), outcome=outcome(0.06)),
                     HarmlessRow(name="jpeg-75", alarms=estimate(0.11), outcome=outcome(0.11))),
        "promises": (Promise(kind="all", name="all", rate=estimate(0.044), every_image=estimate(0.05), bound=0.087),
                     Promise(kind="sex", name="F", rate=estimate(0.2, 12), every_image=estimate(0.2), bound=0.087)),
        "drift": 0.4, "levels": Levels(expected=(0.05, 0.5, 1.0), observed=(estimate(0.04), estimate(0.5),
                                                                          estimate(1.0))),
        "gallery": (GuardGalleryImage(missed=True, image_id="film-7", label="Normal", heat="film.png",
                                      condition=Condition(attack="style", strength=0.1, measure="opacity"), **shown),
                    GuardGalleryImage(missed=False, image_id="film-8", label="Pneumonia", heat=None,
                                      condition=Condition(attack="clean", strength=0.0), **shown)),
        "warnings": ("Beware of <b>this</b>.",), "provenance": {"guard sha256": "abc123"}, **changes}
    return GuardEvaluationResult.model_validate(content)
