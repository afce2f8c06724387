"""A classifier's metrics on one set of images."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.core.types import Estimate


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class, one against the rest.

    Attributes:
        name: The class.
        precision: Share of its predictions that are right.
        recall: Share of its images that are found.
        f1: Harmonic mean of the two.
        support: Images of the class.
    """

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int


@dataclass(frozen=True)
class Performance:
    """A classifier's figures on one set of images.

    Attributes:
        accuracy: Share of right predictions.
        precision: Unweighted mean over the classes.
        recall: Unweighted mean over the classes (balanced accuracy).
        f1: Unweighted mean over the classes.
        auroc: Unweighted mean of one-against-rest areas; None where a class is absent.
        classes: Figures of each class.
        confusion: Counts, rows are true classes, columns predictions.
    """

    accuracy: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    auroc: Estimate | None
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class PairedTest:
    """The same images judged twice.

    Attributes:
        difference: Accuracy of the second minus accuracy of the first, with a paired interval.
        lost: Images right at first and wrong then.
        won: Images wrong at first and right then.
        p_value: McNemar's exact test, two-sided.
    """

    difference: Estimate
    lost: int
    won: int
    p_value: float
