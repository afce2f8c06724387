"""Result of leaving attack families out of the learned detector's training: families.json."""

from __future__ import annotations

from typing import ClassVar

from radversary.auditing.cells import Condition
from radversary.auditing.schema import Record, ResultDocument
from radversary.core.types import Estimate

FAMILIES = "families.json"


class FamilyFigures(Record):
    """Detection figures of one detector for one attack.

    Attributes:
        auroc: Area under the curve against re-encoded clean test images.
        tpr_at_fpr_5: True-positive rate at a false-positive rate of 5 % on those.
    """

    auroc: Estimate
    tpr_at_fpr_5: Estimate


class FamilyRow(Record):
    """One attack at one strength, scored by two detectors whose training differs in its family only.

    Attributes:
        family: The attack's family.
        condition: The attack.
        in_family: The detector trained on all families, this one with other styles and patients.
        out_of_family: The detector trained on all others.
    """

    family: str
    condition: Condition
    in_family: FamilyFigures
    out_of_family: FamilyFigures


class FamiliesResult(ResultDocument):
    """Result of leaving each attack family out once.

    Attributes:
        name: The plan's name.
        model: The classifier's card as a plain mapping.
        families: Family to the labels of its attacks.
        taught_clean: Clean training images.
        taught_attacked: Attacked training images, by family.
        images: Clean test images.
        patients: Their patients.
        rows: Attacks by strength, in the plan's order.
        identity: Area of the attack that changes nothing, by the detector trained on all families; must be 0.5
            within its interval.
        warnings: Sentences a reader must see.
        provenance: Hashes and versions.
    """

    kind: ClassVar[str] = "a result of families left out"
    remedy: ClassVar[str] = "leave the families out again"
    name: str
    model: dict[str, str]
    families: dict[str, tuple[str, ...]]
    taught_clean: int
    taught_attacked: dict[str, int]
    images: int
    patients: int
    rows: tuple[FamilyRow, ...]
    identity: Estimate
    warnings: tuple[str, ...]
    provenance: dict[str, str]
