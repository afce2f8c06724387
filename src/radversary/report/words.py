"""Words for the figures of a result: what is counted, and whether it is right or only unchanged."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.auditing.result import AuditResult
from radversary.core.types import Task

OWN_READINGS = "own readings"
"""What ``AuditResult.labels`` says where no image has a label."""
NAMED = 6
"""Findings whose thresholds are listed at most; otherwise their range is told, and tables hold each."""


@dataclass(frozen=True)
class Words:
    """Words of one result.

    Attributes:
        figure: Name of the share that is compared: ``accuracy``; ``stability`` where no image has a label.
        counted: What it counts, in the plural: ``images``, or ``readings``, a finding of an image each.
        right: What a counted item is: ``right``; ``unchanged`` where no image has a label.
        mean: Over what means are taken: ``class mean`` or ``finding mean``.
        over: Over what intervals are taken: ``patients``; ``images`` where patients are not known.
        note: What stands under every heading of figures where no image has a label, else empty.
    """

    figure: str
    counted: str
    right: str
    mean: str
    over: str = "patients"
    note: str = ""

    @property
    def title(self) -> str:
        """The figure with a capital letter."""
        return self.figure.capitalize()


def words_of(result: AuditResult) -> Words:
    """Return the words of a result.

    Args:
        result: What an audit found.
    """
    several = result.task == Task.MULTILABEL
    counted, mean = "readings" if several else "images", "finding mean" if several else "class mean"
    over = "patients" if result.data.patients_known else "images, since not all patients are known: too narrow"
    if result.labels != OWN_READINGS:
        return Words("accuracy", counted, "right", mean, over)
    return Words("stability", counted, "unchanged", mean, over,
                 "No image had a label: shares of readings that stay unchanged (stability), not accuracy.")


def threshold_text(result: AuditResult) -> str:
    """Say from which probability on findings are read as present; empty where it is not known or there is none.

    Args:
        result: What an audit found.
    """
    found = result.thresholds
    names = result.classes[1:] if result.task == Task.BINARY else result.classes
    if result.task == Task.MULTICLASS or len(found) != len(names):
        return ""
    if len(set(found)) == 1 and len(names) > 1:
        return f"{found[0]:g} for each of {len(names)} findings"
    if len(names) > NAMED:
        return f"{min(found):g} to {max(found):g}, a finding each"
    return ", ".join(f"{name} {bar:g}" for name, bar in zip(names, found, strict=True))
