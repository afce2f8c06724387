"""The result of a guard evaluation, as one typed document: guard-evaluation.json."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pydantic import model_validator

from radversary.auditing.cells import OutcomeSummary
from radversary.auditing.result import Finding
from radversary.auditing.schema import ResultDocument
from radversary.core.text import FAULT, VALUE, sentence
from radversary.guard_evaluation.rows import GuardEvaluationRow, GuardGalleryImage, HarmlessRow, Levels, Promise

RESULT = "guard-evaluation.json"
"""The file that holds it."""
RESULT_OF_OLD = "watch.json"
"""What earlier versions called it."""


def find_result(folder: Path) -> Path | None:
    """Return the result of a folder that a guard's evaluation was written to, None where there is none."""
    paths = (folder / RESULT, folder / RESULT_OF_OLD)
    return next((path for path in paths if path.is_file()), None)


class GuardEvaluationResult(ResultDocument):
    """The result of a guard evaluation.

    Attributes:
        name: The run's name.
        classes: Class names in the order of the logits.
        model: The classifier's card as a plain mapping.
        detectors: The guard's detectors, in its order.
        rule: How they are combined.
        alpha: The promised false-alarm rate.
        prevalence: Assumed share of attacked studies.
        studies: Studies a day.
        images: Clean test images.
        patients: Their patients.
        rows: Attacks by strength, those that do not know the detectors first.
        identity: The attack that changes nothing; its area must be 0.5 within the interval.
        harmless: Changes that are no attacks, ``clean`` first.
        promises: False-alarm rates beside their bounds, the overall one first.
        drift: P-value of the test that clean test images are like those of the calibration.
        levels: How p-values of clean images are spread.
        gallery: The gallery.
        warnings: Sentences a reader must see.
        provenance: Hashes and versions.
        outcomes: Success, distance and costs of each attack; empty in results of earlier versions.
        findings: Signs that an attack was too weak; empty where there is none, and in results of earlier versions.
    """

    kind: ClassVar[str] = "a result of an evaluated guard"
    remedy: ClassVar[str] = "evaluate the guard again"
    name: str
    classes: tuple[str, ...]
    model: dict[str, str]
    detectors: tuple[str, ...]
    rule: str
    alpha: float
    prevalence: float
    studies: int
    images: int
    patients: int
    rows: tuple[GuardEvaluationRow, ...]
    identity: GuardEvaluationRow
    harmless: tuple[HarmlessRow, ...]
    promises: tuple[Promise, ...]
    drift: float
    levels: Levels
    gallery: tuple[GuardGalleryImage, ...]
    warnings: tuple[str, ...]
    provenance: dict[str, str]
    outcomes: tuple[OutcomeSummary, ...] = ()
    findings: tuple[Finding, ...] = ()

    @model_validator(mode="after")
    def _of_one_guard(self) -> Self:
        if not self.harmless or not self.promises:
            raise ValueError("the figures of clean images are missing")
        for row in (*self.rows, self.identity):
            if set(row.detectors) != set(self.detectors):
                raise ValueError(f"{row.condition.title} has figures of other detectors than the guard's")
            if set(row.floors) != set(self.identity.floors):
                raise ValueError(f"{row.condition.title} has other floors than {self.identity.condition.title}")
        return self

    @property
    def identity_holds(self) -> bool:
        """Whether 0.5 lies within the interval of the identity attack's area."""
        return self.identity.auroc.low <= 0.5 <= self.identity.auroc.high

    def __repr__(self) -> str:
        worst = min(self.rows, key=lambda row: row.auroc.value, default=self.identity)
        detected = f"alarms {worst.alarms} under {sentence(worst.condition.title, VALUE)}, the least separated"
        return sentence(f"GuardEvaluationResult({sentence(self.name, VALUE)!r}: {len(self.rows)} attack conditions, "
                        f"{self.images} clean images of {self.patients} patients; {detected}; "
                        f"promised false alarms {self.alpha:.1%})", FAULT)

    __str__ = __repr__
