"""Figures per finding of a multilabel task, as they are kept in results."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.core.types import Estimate


@dataclass(frozen=True)
class FindingFigures:
    """Figures of one finding; None where a figure is not defined.

    Attributes:
        name: The finding.
        positives: Images that are known to show it.
        negatives: Images that are known not to.
        unknown: Images of which it is not known; no figure counts them.
        auroc: Area under the receiver operating characteristic; None without a positive, a negative or probabilities.
        average_precision: Area under the precision-recall curve; None as ``auroc``.
        sensitivity: Share of the positives that are read as present; None without a positive.
        specificity: Share of the negatives that are read as absent; None without a negative.
        precision: Share of the images read as present that are positive, 0 where none is; None without a positive.
        f1: Harmonic mean of sensitivity and precision; None without a positive.
        brier: Mean squared difference of probability and truth; None without a known image or probabilities.
        calibration_error: Expected calibration error over 15 bins of the probability; None as ``brier``.
    """

    name: str
    positives: int
    negatives: int
    unknown: int
    auroc: Estimate | None
    average_precision: Estimate | None
    sensitivity: Estimate | None
    specificity: Estimate | None
    precision: Estimate | None
    f1: Estimate | None
    brier: Estimate | None
    calibration_error: Estimate | None


@dataclass(frozen=True)
class FindingsMean:
    """An unweighted mean over findings.

    Attributes:
        mean: Of the figure over the findings for which it is defined; ``n`` counts the images behind any of them.
        findings: Number of those findings.
    """

    mean: Estimate
    findings: int


@dataclass(frozen=True)
class MacroFigures:
    """Unweighted means of the figures of :class:`FindingFigures`; None where no finding has the figure."""

    auroc: FindingsMean | None
    average_precision: FindingsMean | None
    sensitivity: FindingsMean | None
    specificity: FindingsMean | None
    precision: FindingsMean | None
    f1: FindingsMean | None
    brier: FindingsMean | None
    calibration_error: FindingsMean | None


@dataclass(frozen=True)
class FindingsPerformance:
    """Figures of all findings on one set of images, from the same bootstrap draws.

    Attributes:
        findings: Figures of each finding.
        macro: Their means over the findings.
    """

    findings: tuple[FindingFigures, ...]
    macro: MacroFigures


@dataclass(frozen=True)
class FindingFlips:
    """Readings of one finding that an attack turned from right to wrong; None where none was right before.

    Attributes:
        name: The finding.
        hidden: Share of the positives read as present when clean that are read as absent under attack.
        invented: Share of the negatives read as absent when clean that are read as present under attack.
    """

    name: str
    hidden: Estimate | None
    invented: Estimate | None


@dataclass(frozen=True)
class Flips:
    """Readings that an attack turned from right to wrong, in both directions.

    Attributes:
        findings: Shares of each finding.
        hidden: Share over all pairs of an image and a finding; ``n`` counts the pairs.
        invented: Likewise, of the negatives.
    """

    findings: tuple[FindingFlips, ...]
    hidden: Estimate | None
    invented: Estimate | None


@dataclass(frozen=True)
class FindingChange:
    """Readings of one finding that differ between clean and attacked images.

    Attributes:
        name: The finding.
        changed: Share of the images whose reading differs, whatever the truth.
    """

    name: str
    changed: Estimate


@dataclass(frozen=True)
class Changes:
    """Readings that differ between clean and attacked images; no truth is needed.

    Attributes:
        findings: Share of each finding.
        changed: Share over all pairs of an image and a finding; ``n`` counts the pairs.
        images: Share of the images of which at least one reading differs.
    """

    findings: tuple[FindingChange, ...]
    changed: Estimate
    images: Estimate
