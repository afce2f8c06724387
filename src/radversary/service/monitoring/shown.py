"""The shapes of what is shown of a guard in use; what computes them imports NumPy, SciPy and pandas, this does not."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

REFERENCE: Final = 200
"""Judged films at the beginning of a stream with which its predictions are compared."""

LEAST: Final = 20
"""Judged films that a reference needs."""


class Shown(BaseModel):
    """A part of what is shown of a stream."""

    model_config = ConfigDict(frozen=True)


class Figure(Shown):
    """A figure; its value and the ends of its 95 % interval are None where too few screenings are behind it."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


class GroupRate(Shown):
    """The rate of alarms of a group, with the bound that the calibration stays under with a confidence of 95 %."""

    group: str
    alarms: Figure
    bound: float | None


class ClassShare(Shown):
    """The share of films with a prediction, in the reference and after it, and the difference of the two."""

    prediction: str
    before: Figure
    now: Figure
    change: Figure


class Mix(Shown):
    """Predictions beside those of the reference.

    Attributes:
        classes: Share of each prediction.
        distance: Total variation distance of the two mixes, 0 (alike) to 1; None where one of them is empty.
        p_value: How often a distance as large comes about where nothing changed; for one look at a time that was chosen
            beforehand.
    """

    classes: tuple[ClassShare, ...]
    distance: float | None
    p_value: float | None


class Confidence(Shown):
    """The mean probability of the decided class, in the reference and after it, and the difference of the two.

    Attributes:
        before: Of the reference.
        now: After it.
        change: The difference, with Welch's interval.
        p_value: Of the Kolmogorov-Smirnov test; for one look at a time that was chosen beforehand.
    """

    before: Figure
    now: Figure
    change: Figure
    p_value: float | None


class Latency(Shown):
    """Milliseconds that a screening took: the 50th, 95th and 99th percentile."""

    p50: Figure
    p95: Figure
    p99: Figure


class Span(Shown):
    """The rate of alarms in a span of time, for a curve."""

    begins: float
    ends: float
    alarms: Figure


class Drift(Shown):
    """The sequential tests on a whole stream, at whatever time it is looked at.

    Attributes:
        counted: Judged screenings.
        delta: Probability of ever raising a false alarm, for each of the two tests.
        evidence: Decimal logarithm of the drift test's martingale now; 2 is evidence of 100 to 1.
        peak: The highest so far; the test fires at ``-log10(delta)``.
        drifted_at: Number of the screening at which it fired; 0 for none.
        low: Lower end of an interval of the rate of alarms that holds at all times at once.
        high: Its upper end.
        exceeded_at: Number of the screening at which that rate was above its bound; 0 for none.
        reference: What the stream is compared with.
    """

    counted: int
    delta: float
    evidence: float
    peak: float
    drifted_at: int
    low: float
    high: float
    exceeded_at: int
    reference: str


class Overview(Shown):
    """A stream of screenings.

    Attributes:
        guard: The guard's id.
        since: From when on the figures are, in seconds since 1970; 0 for all.
        group: Of which group; empty for all.
        films: Films that came.
        refused: Share of the films that could not be judged.
        promised: The rate of alarms that the guard promises on average over calibrations.
        bound: What this calibration stays under with a confidence of 95 %.
        alarms: Rate of alarms among the films that were judged.
        groups: The same of each group.
        drift: The sequential tests; on the whole stream whatever ``since`` and ``group`` are.
        predictions: Predictions beside those of the first films of the stream.
        confidence: Confidence beside that of the first films of the stream.
        latency: Milliseconds a screening.
        spans: Rate of alarms over time.
    """

    guard: str
    since: float
    group: str
    films: int
    refused: Figure
    promised: float
    bound: float
    alarms: Figure
    groups: tuple[GroupRate, ...]
    drift: Drift
    predictions: Mix
    confidence: Confidence
    latency: Latency
    spans: tuple[Span, ...]


class LevelRow(Shown):
    """What a guard does at one level of the p-value.

    Attributes:
        level: A film alarms where its p-value is this at most.
        threshold: The anomaly score above which it then alarms.
        promised: Expected share of clean films that alarm, with the 95 % interval over calibrations on as many
            patients; n is their number.
        evaluated: The share among clean test films, one a patient; None where no evaluation looked at this level.
        stream: The share among films that were screened, attacked ones among them, if there were any.
    """

    level: float
    threshold: float
    promised: Figure
    evaluated: Figure | None
    stream: Figure


class GuardLevels(Shown):
    """The levels of one group of films, rising; those that too few patients were calibrated on are left out.

    Attributes:
        group: The group; ``all`` where the guard tells none apart.
        alpha: The guard's own level.
        rows: The levels.
    """

    group: str
    alpha: float
    rows: tuple[LevelRow, ...]
