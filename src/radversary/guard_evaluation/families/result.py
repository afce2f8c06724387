"""What the learned detector notices of attack families that it saw and of those it did not: families.json."""

from __future__ import annotations

from pathlib import Path

from radversary.audit.result import LIMIT, Condition, Record
from radversary.core.types import Estimate
from radversary.storage.documents import read_document
from radversary.storage.files import write_text

FAMILIES = "families.json"


class FamilyFigures(Record):
    """How well one detector tells one attack from clean images.

    Attributes:
        auroc: Area under the curve against re-encoded clean test images.
        at_5: Share noticed at 5 % false alarms on those.
    """

    auroc: Estimate
    at_5: Estimate


class FamilyRow(Record):
    """One attack at one strength, met by two detectors that were taught alike but for its family.

    Attributes:
        family: The attack's family.
        condition: The attack.
        in_family: The detector that was shown all families, this one with other styles and patients.
        out_of_family: The detector that was shown all others.
    """

    family: str
    condition: Condition
    in_family: FamilyFigures
    out_of_family: FamilyFigures


class FamiliesResult(Record):
    """Everything that leaving one family out found.

    Attributes:
        name: The plan's name.
        model: The classifier's card as a plain mapping.
        families: Family to the labels of its attacks.
        taught_clean: Clean training images.
        taught_attacked: Attacked training images, by family.
        images: Clean test images.
        patients: Their patients.
        rows: Attacks by strength, in the plan's order.
        identity: Area of the attack that changes nothing, by the detector that was shown all families; must be 0.5
            within its interval.
        warnings: Sentences a reader must see.
        provenance: Hashes and versions.
    """

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

    def save(self, path: Path) -> Path:
        """Write the result as JSON, whole or not at all."""
        return write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> FamiliesResult:
        """Read a result that :meth:`save` wrote.

        Raises:
            DataError: It is absent, damaged, or of another version.
        """
        return read_document(path, cls, what="a result of leaving families out", remedy="leave them out again",
                             limit=LIMIT, constants=True)
