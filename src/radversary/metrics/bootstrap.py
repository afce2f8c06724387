"""Bootstrap intervals by resampling patients, since films of one patient are not independent.

Every figure's 95 % interval is the percentile interval of the patient-level (cluster) bootstrap (Efron and Tibshirani,
"An Introduction to the Bootstrap", 1993; Field and Welsh, JRSS B 69(3), 2007, doi:10.1111/j.1467-9868.2007.00593.x).
Where all draws agree, as with 0 or 100 % or a single patient, the bootstrap interval has zero width; there the interval
of a proportion is Clopper and Pearson's (Biometrika 26(4), 1934) on the number of patients, so none has zero width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from radversary.core.errors import InputError
from radversary.core.seeds import numpy_generator
from radversary.core.types import Estimate
from radversary.storage.arrays import ask_memory

Floats = NDArray[np.float64]
TAIL = 0.025
"""Probability left out at each end of a 95 % interval."""
FLAT = 1e-12
"""Width below which all draws count as equal."""


class PatientDraws(NamedTuple):
    """Resampled patients.

    Attributes:
        weights: (draws, patients): how often each patient is in each draw; rows sum to the number of patients.
        inverse: (images,): index of each image's patient.
    """

    weights: Floats
    inverse: NDArray[np.intp]

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.weights.shape[1])

    @property
    def sample(self) -> PatientDraws:
        """The images themselves as the only draw: each patient once."""
        return PatientDraws(np.ones((1, self.patients)), self.inverse)

    def among(self, images: NDArray[np.bool_]) -> PatientDraws:
        """Return the same draws of some of the images, given as a mask (images,)."""
        return PatientDraws(self.weights, self.inverse[images])

    def behind(self, images: NDArray[np.bool_]) -> int:
        """Return the number of patients who have at least one of some images, given as a mask (images,)."""
        return len(np.unique(self.inverse[images]))

    def total(self, values: ArrayLike) -> Floats:
        """Add up a figure of each image, (images, ...), over each draw: (draws, ...)."""
        rows = np.asarray(values, dtype=np.float64)
        sums = np.zeros((self.patients, *rows.shape[1:]))
        np.add.at(sums, self.inverse, rows)
        return np.tensordot(self.weights, sums, axes=1)

    def mean(self, values: ArrayLike) -> Floats:
        """Average a figure of each image over the images of each draw: (draws, ...)."""
        rows = np.asarray(values, dtype=np.float64)
        counts = self.total(np.ones(len(rows)))
        return self.total(rows) / counts.reshape(-1, *[1] * (rows.ndim - 1))


def patient_draws(patients: Sequence[str], *, draws: int = 2000, seed: int = 0) -> PatientDraws:
    """Resample patients with replacement, all draws at once.

    Patients are taken in the order of their names, so the order of the images changes nothing, and two calls with the
    same patients and seed give the same draws: paired comparisons are paired for free.

    Args:
        patients: The patient of each image.
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        Weights of the patients in each draw, and the patient of each image.

    Raises:
        InputError: No image, or no draw.

    Example:
        >>> patient_draws(["a", "a", "b"], draws=3).weights.sum(axis=1).tolist()
        [2.0, 2.0, 2.0]
    """
    if not len(patients) or draws < 1:
        raise InputError(f"a bootstrap needs images and draws, got {len(patients)} images and {draws} draws")
    names, inverse = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    chances = np.full(len(names), 1.0 / len(names))
    ask_memory(24 * draws * len(names), what=f"a bootstrap of {draws} draws of {len(names)} patients")
    weights = numpy_generator(seed, "bootstrap").multinomial(len(names), chances, size=draws)
    return PatientDraws(weights.astype(np.float64), inverse)


def interval(values: ArrayLike) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap draws; draws without a value (NaN) are left out.

    Args:
        values: One figure a draw.

    Returns:
        2.5th and 97.5th percentile; NaN twice where no draw has a value.

    Example:
        >>> interval([0.0, 1.0, float("nan")])
        (0.025, 0.975)
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, (TAIL, 1.0 - TAIL))
    return float(low), float(high)


def exact_interval(value: float, patients: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % interval of a proportion seen on some patients.

    Args:
        value: The proportion, in [0, 1]; ``value * patients`` need not be whole.
        patients: Number of patients; none gives (0, 1).

    Returns:
        Lower and upper end.

    Example:
        >>> [round(end, 3) for end in exact_interval(1.0, 10)]
        [0.692, 1.0]
    """
    hits = min(max(value, 0.0), 1.0) * patients
    low = 0.0 if hits <= 0.0 else float(betaincinv(hits, patients - hits + 1.0, TAIL))
    high = 1.0 if hits >= patients else float(betaincinv(hits + 1.0, patients - hits, 1.0 - TAIL))
    return low, high


def share(value: float, draws: ArrayLike, *, n: int, patients: int) -> Estimate:
    """Make the estimate of a figure in [0, 1] from its bootstrap draws.

    Args:
        value: The figure on the images themselves.
        draws: The figure in each draw.
        n: Images behind it.
        patients: Patients behind it, for the exact interval where all draws agree.

    Returns:
        The estimate; its interval holds the value and is never of zero width.
    """
    low, high = interval(draws)
    if not high - low > FLAT:  # also true of NaN
        low, high = exact_interval(value, patients)
    return Estimate(float(value), min(low, float(value)), max(high, float(value)), n)


def share_of_counted(flags: NDArray[np.bool_], counted: NDArray[np.bool_], resampled: PatientDraws) -> Estimate:
    """Estimate the share of flagged readings among those counted.

    Args:
        flags: (N, K), K readings an image.
        counted: (N, K); one at least is counted.
        resampled: Draws of the images' patients.

    Returns:
        The share; ``n`` counts readings.

    Example:
        >>> marks = np.array([[True], [False], [True]])
        >>> found = share_of_counted(marks, np.array([[True], [True], [False]]), patient_draws(["a", "b", "b"]))
        >>> found.value, found.n
        (0.5, 2)
    """
    whole, part = counted.sum(axis=1), (flags & counted).sum(axis=1)
    drawn = resampled.total(np.stack([part, whole], axis=1))
    with np.errstate(invalid="ignore"):  # a draw without any counted reading has no share
        spread = drawn[:, 0] / drawn[:, 1]
    return share(float(part.sum() / whole.sum()), spread, n=int(whole.sum()), patients=resampled.behind(whole > 0))


def checked_patients(patients: Sequence[str], images: int) -> Sequence[str]:
    """Return ``patients`` when there is one an image.

    Raises:
        InputError: Another number.
    """
    if len(patients) != images:
        raise InputError(f"patients must be one an image ({images}), got {len(patients)}")
    return patients
