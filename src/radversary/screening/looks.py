"""A guard's answers to the probe images, kept in its bundle: code that changed since then is refused on loading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, field_validator

from radversary.classifiers.probe import answered, probe_images
from radversary.core.errors import ModelError
from radversary.screening.guard import Guard
from radversary.storage.documents import Document

SHARE: Final = 1e-3
"""How far a number may lie from the noted one, as a share of the spread over the probe images. Other kernels of the
same processor stay within a tenth of it with each detector; weights changed by a share of 1e-4 do not."""

REST: Final = (1e-5, 1e-6)
"""What is added for numbers that hardly differ: a share of the largest, and a constant."""

Row = Annotated[tuple[float, ...], Field(min_length=1, max_length=10_000)]
"""Numbers of one image."""


class Looks(Document):
    """What a guard makes of the probe images (:func:`radversary.classifiers.probe.probe_images`).

    Attributes:
        answers: The classifier's logits, one row an image; of one that gives labels alone, 1 for the label and -1
            elsewhere.
        scores: The detectors' scores, one row an image; what is no finite number is noted as 0.
    """

    answers: tuple[Row, ...]
    scores: tuple[Row, ...]

    @field_validator("answers", "scores")
    @classmethod
    def _of_one_length(cls, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        if len({len(row) for row in rows}) != 1:
            raise ValueError("each image must have as many numbers as the others")
        return rows

    @classmethod
    def of(cls, guard: Guard) -> Self:
        """Let a guard look at the probe images.

        Raises:
            ModelError: The classifier does not answer as one must.
        """
        images = probe_images(guard.classifier.card)
        answers = answered(guard.classifier, images).double().cpu().numpy()
        scores = np.nan_to_num(guard.look(images).scores, nan=0.0, posinf=0.0, neginf=0.0)
        return cls(answers=tuple(map(tuple, answers.tolist())), scores=tuple(map(tuple, scores.tolist())))

    def check(self, now: Looks, *, model: str, detectors: Sequence[str]) -> None:
        """Refuse a guard that looks otherwise than when it was saved.

        Args:
            now: What it makes of the probe images now.
            model: Name of the classifier, for the error.
            detectors: Names of the detectors, in the order of the scores.

        Raises:
            ModelError: It does; the text says whose code or file must have changed.
        """
        if not alike(self.answers, now.answers):
            raise ModelError(f"model {model!r} answers generated images otherwise than when the guard was saved: its "
                             "code, or the file or service behind it, was changed; fit and calibrate anew")
        before, after = np.asarray(self.scores), np.asarray(now.scores)
        for column, name in enumerate(detectors):
            if before.shape != after.shape or not alike(before[:, column], after[:, column]):
                raise ModelError(f"detector {name!r} scores generated images otherwise than when the guard was saved: "
                                 "its code was changed; fit and calibrate anew")


def alike(before: ArrayLike, after: ArrayLike) -> bool:
    """Return whether numbers are those noted before, up to what another processor rounds otherwise.

    Example:
        >>> alike([0.0, 1.0], [0.0005, 1.0]), alike([0.0, 1.0], [0.01, 1.0]), alike([1.0], [1.0, 2.0])
        (True, False, False)
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        allowed = SHARE * np.ptp(first) + REST[0] * np.abs(first).max() + REST[1]
        return bool((np.abs(second - first) <= allowed).all())
