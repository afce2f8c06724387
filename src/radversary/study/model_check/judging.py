"""One figure of how well a model knows its films: balanced accuracy, or for findings the mean area under the curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from radversary.classifiers.card import ModelCard
from radversary.classifiers.tasks import decisions_of, probabilities_of
from radversary.core.types import UNKNOWN, Labels, Task
from radversary.metrics.bootstrap import PatientDraws, patient_draws, share
from radversary.metrics.findings import finding_figures
from radversary.study.model_check.report import Figure

DRAWS = 500
"""Bootstrap draws of patients."""


@dataclass(frozen=True)
class Judge:
    """Judges answers to the same films, with intervals from the same draws of patients.

    Attributes:
        card: The model's card.
        labels: int64 (N,) or, of findings, (N, K).
        patients: The patient of each image.
    """

    card: ModelCard
    labels: Labels
    patients: Sequence[str]

    @property
    def measure(self) -> str:
        """What the figure is called."""
        return "macro AUROC" if self.card.task == Task.MULTILABEL else "balanced accuracy"

    @property
    def chance(self) -> float:
        """What a model reaches that knows nothing."""
        present = len(np.unique(self.truth[self.truth != UNKNOWN]))
        return 0.5 if self.card.task == Task.MULTILABEL else 1 / max(1, present)

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """The labels as an array."""
        return self.labels.cpu().numpy().astype(np.int64)

    @cached_property
    def draws(self) -> PatientDraws:
        """Draws of patients, the same for every figure."""
        return patient_draws(self.patients, draws=DRAWS)

    def figure(self, logits: Tensor) -> Figure | None:
        """Return how well logits (N, K) fit the labels; None where that is not defined, as of one class alone."""
        if self.card.task == Task.MULTILABEL:
            return self._area(logits)
        return self.accuracy(decisions_of(logits, self.card).cpu().numpy())

    def accuracy(self, decisions: NDArray[np.int64]) -> Figure | None:
        """Return the balanced accuracy of decisions (N,): the mean of the recall of every class that is there."""
        known = self.truth != UNKNOWN
        present = np.unique(self.truth[known])
        if len(present) < 2:
            return None
        among = self.draws.among(known)
        marks = self.truth[known][:, None] == present
        hits = marks & (decisions[known] == self.truth[known])[:, None]
        recalls = hits.sum(axis=0) / marks.sum(axis=0)
        drawn, whole = among.total(hits), among.total(marks)
        # A draw that lost all images of a class has no figure.
        spread = np.where((whole > 0).all(axis=1), (drawn / np.maximum(whole, 1)).mean(axis=1), np.nan)
        patients = among.behind(np.ones(int(known.sum()), dtype=bool))
        return Figure.of(share(float(recalls.mean()), spread, n=int(known.sum()), patients=patients))

    def _area(self, logits: Tensor) -> Figure | None:
        found = finding_figures(self.truth, probabilities_of(logits, self.card.task).cpu().numpy(),
                                decisions_of(logits, self.card).cpu().numpy(), names=self.card.classes,
                                patients=self.patients, draws=DRAWS)
        return None if found.macro.auroc is None else Figure.of(found.macro.auroc.mean)
