"""Monitor of drift on a stream of images: a conformal test martingale.

It uses online p-values (:mod:`radversary.calibration.martingale`). Limit: after a change, the changed images join the
reference, so that a change is detected within about as many images as came before it, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from radversary.calibration.conformal import Calibration, CalibrationFacts
from radversary.calibration.martingale import STAKES, bags_of, bet, evidence, online_p_values, opening
from radversary.calibration.p_values import finite
from radversary.core.errors import InputError
from radversary.core.seeds import derive_seed
from radversary.metrics.bootstrap import checked_patients
from radversary.storage.documents import Count, Document, Seed, checked


class MonitorState(Document):
    """A drift monitor as plain values: what :meth:`DriftMonitor.state` gives, as it lies in a file.

    Attributes:
        calibration: What the stream is compared with.
        delta: Probability of ever raising a false alarm.
        seed: Seed of the tie-breaks.
        steps: Images counted.
        peak: Highest decimal logarithm of the martingale so far.
        alarmed_at: Number of the image at which it alarmed, 0 for none.
        capital: Logarithm of each bet's capital.
        seen: A number for each patient seen.
        bags: Scores seen so far, by group.
    """

    calibration: CalibrationFacts
    delta: float = Field(gt=0.0, lt=1.0)
    seed: Seed
    steps: Count
    peak: float
    alarmed_at: Count
    capital: tuple[float, ...] = Field(min_length=STAKES, max_length=STAKES)
    seen: tuple[Seed, ...]
    bags: dict[str, tuple[float, ...]]


class DriftMonitor:
    """Monitors a stream of mostly clean images without end; raises an alarm when it differs from the calibration.

    A conformal test martingale: it starts at 1 and bets against the online p-values being uniform. While the stream is
    exchangeable with the calibration, it ever reaches 1/delta with a probability of delta at most (Ville 1939), however
    long it runs and however often it is checked. Sources: Vovk, Nouretdinov and Gammerman, ICML 2003; Vovk et al. 2021,
    arXiv:2102.10439. One image a patient is counted, the first; patients of the calibration must not be in the stream.
    An alarm stays: calibrate anew on images of today and start another monitor.

    Args:
        calibration: What the stream is compared with.
        delta: Probability of ever raising a false alarm, in (0, 1).
        seed: Seed of the tie-breaks.

    Raises:
        InputError: A probability outside (0, 1).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> calibration = Calibration(alpha=0.05, scores={"all": rng.normal(size=200)}, minimum=79)
        >>> monitor = DriftMonitor(calibration)
        >>> monitor.update(rng.normal(size=50), [f"p{index}" for index in range(50)])
        False
        >>> monitor.update(rng.normal(size=50) + 2.0, [f"q{index}" for index in range(50)])
        True
    """

    def __init__(self, calibration: Calibration, *, delta: float = 0.01, seed: int = 0) -> None:
        if not 0.0 < delta < 1.0:
            raise InputError(f"the probability of a false alarm must lie between 0 and 1, got {delta}")
        self.calibration, self.delta, self.seed = calibration, delta, seed
        self.steps, self.alarmed_at, self.peak = 0, 0, 0.0
        self._bags, self._seen, self._capital = bags_of(calibration), set[int](), opening()

    @property
    def alarm(self) -> bool:
        """Whether the martingale has ever reached 1/delta; :attr:`alarmed_at` is the number of the image."""
        return self.alarmed_at > 0

    @property
    def evidence(self) -> float:
        """Decimal logarithm of the martingale now: 2 is evidence of 100 to 1; :attr:`peak` is the highest so far."""
        return float(evidence(self._capital, self.steps)) / math.log(10.0)

    def update(self, scores: ArrayLike, patients: Sequence[str], groups: Sequence[str] | None = None) -> bool:
        """Take the next images of the stream.

        Args:
            scores: (N,) in the order in which they came.
            patients: The patient of each image; those seen before are passed over.
            groups: The group of each image; None where calibration knew none.

        Returns:
            Whether there has been an alarm.

        Raises:
            InputError: A group never calibrated, or arrays that do not fit; then nothing has changed.
        """
        asked = finite(scores, "scores").tolist()
        names = self.calibration.groups_of(groups, len(asked)).tolist()
        for score, name, patient in zip(asked, names, checked_patients(patients, len(asked)), strict=True):
            key = derive_seed(self.seed, "patient of a stream", str(patient))  # no patient's name goes into a file
            if key not in self._seen:
                self._seen.add(key)
                self._step(score, name)
        return self.alarm

    def state(self) -> dict[str, Any]:
        """Return its state as a JSON-able dictionary, for :meth:`resume`; no patient's name is in it."""
        return {"calibration": asdict(self.calibration), "delta": self.delta, "seed": self.seed, "steps": self.steps,
                "peak": self.peak, "alarmed_at": self.alarmed_at, "capital": self._capital.tolist(),
                "seen": sorted(self._seen), "bags": {group: list(bag) for group, bag in self._bags.items()}}

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> Self:
        """Resume from a :meth:`state`.

        Raises:
            InputError: It is no such state, or contradicts itself.
        """
        known = checked(state, MonitorState, what="the state of a drift monitor", remedy="start another monitor")
        monitor = cls(known.calibration.calibration(), delta=known.delta, seed=known.seed)
        if set(known.bags) != set(monitor._bags):
            raise InputError("the state of a drift monitor speaks of other groups than its calibration; start another "
                             "monitor")
        monitor.steps, monitor.peak, monitor.alarmed_at = known.steps, known.peak, known.alarmed_at
        monitor._bags = {group: sorted(bag) for group, bag in known.bags.items()}
        monitor._seen, monitor._capital = set(known.seen), np.asarray(known.capital, dtype=np.float64)
        return monitor

    def _step(self, score: float, group: str) -> None:
        self.steps += 1
        tie = (derive_seed(self.seed, "tie", self.steps) + 1) / 2**63
        online = online_p_values(self._bags, [score], [group], [tie])
        self._capital = bet(self._capital, online[0], self.steps, self.calibration.alpha)
        self.peak = max(self.peak, self.evidence)
        if not self.alarm and self.peak >= -math.log10(self.delta):
            self.alarmed_at = self.steps
