"""A few test images before a model that is attacked: what it reads, and what an attack leaves of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from radversary.attacks.base import Attack, Batch, run_attack
from radversary.attacks.goal import UNTARGETED
from radversary.auditing.measure import batch_of
from radversary.auditing.measurement.watching import WatchedVictim
from radversary.auditing.threat_model import EXPECTATION, white_box_view
from radversary.classifiers.base import Classifier
from radversary.classifiers.own_faults import slope_of
from radversary.classifiers.tasks import decisions_of
from radversary.core.types import Estimate, Images
from radversary.data.prepared import PreparedImages
from radversary.defenses.defended import Defended
from radversary.execution.devices import image_device
from radversary.metrics.classification import proportion

TOGETHER = 16
"""Images that the model is asked about at once."""


class Slope(NamedTuple):
    """The gradient of what a model answers to images.

    Attributes:
        gradient: Of the margin of an error, (N, C, H, W); None where the model lets none through.
        zero: Where it is zero or not finite at every pixel, bool (N,).
    """

    gradient: Tensor | None
    zero: Tensor


@dataclass(frozen=True, eq=False)
class Bench:
    """Images before a model, and the readings that attacks are to turn: the model's own.

    Labels are not looked at: whether an attack works shows in any reading that it turns, right or wrong.

    Attributes:
        core: The model as it reads films.
        batch: The images, with what the model reads in them for labels, on the model's device.
        patients: The patient of each.
        seed: The plan's seed.
        draws: Bootstrap draws.
    """

    core: Classifier
    batch: Batch
    patients: tuple[str, ...]
    seed: int
    draws: int

    @classmethod
    def of(cls, core: Classifier, images: PreparedImages, rows: np.ndarray, *, seed: int, draws: int) -> Bench:
        """Put prepared images before a model.

        Args:
            core: The model.
            images: The prepared images.
            rows: Rows of them.
            seed: The plan's seed.
            draws: Bootstrap draws.
        """
        batch = batch_of(images, rows).to(image_device(core.device))
        bench = cls(core, batch, tuple(images.patients[row] for row in rows), seed, draws)
        read = decisions_of(bench.logits(batch.images), core.card)
        return replace(bench, batch=replace(batch, labels=read))

    def __len__(self) -> int:
        return len(self.batch.images)

    @property
    def view(self) -> Classifier:
        """The model as a white-box attacker sees it."""
        return white_box_view(self.core)

    @cached_property
    def random(self) -> bool:
        """Whether a transform before the model says that it draws at random."""
        return declares_chance(self.core)

    @torch.no_grad()
    def logits(self, images: Images) -> Tensor:
        """Return the model's answers, (N, K); of a defence that draws at random the mean of some."""
        times = EXPECTATION if self.random else 1
        return torch.cat([torch.stack([self.core.logits(part) for _ in range(times)]).mean(0)
                          for part in torch.split(images, TOGETHER)])

    def margin(self, images: Images, of: Tensor | None = None) -> Tensor:
        """Return how far each image is beyond an error, (N,); up to 0 it is read as before.

        Args:
            images: Images, or changed ones.
            of: Which of the bench's images they are, bool; all where None.
        """
        labels = self.batch.labels if of is None else self.batch.labels[of]
        return UNTARGETED.margin(self.core.card, self.logits(images), labels)

    def slope(self) -> Slope:
        """Return the gradient at the images themselves."""
        found = [self._slope(part, labels) for part, labels in zip(
            torch.split(self.batch.images, TOGETHER), torch.split(self.batch.labels, TOGETHER), strict=True)]
        if any(part is None for part in found):
            return Slope(None, torch.ones(len(self), dtype=torch.bool))
        gradient = torch.cat([part for part in found if part is not None])
        return Slope(gradient, gradient.nan_to_num(0.0, 0.0, 0.0).abs().flatten(1).amax(1) == 0)

    def _slope(self, images: Images, labels: Tensor) -> Tensor | None:
        view, total = self.view, torch.zeros_like(images)
        for _ in range(EXPECTATION if self.random else 1):
            with torch.enable_grad():
                at = images.detach().requires_grad_()
                climbed = UNTARGETED.margin(view.card, view.logits(at), labels).sum()
                slope = slope_of(climbed, at, view.card)
            if slope is None:
                return None
            total += slope
        return total

    def everything(self) -> Tensor:
        """Return the mark of all images, bool (N,)."""
        return torch.ones(len(self), dtype=torch.bool)

    def after(self, attack: Attack, step: str, of: Tensor, victim: Classifier | None = None) -> Tensor:
        """Return how far some images are beyond an error after an attack, (N,); of the others infinity.

        Args:
            attack: The attack at its strength, untargeted.
            step: What its random choices are drawn for.
            of: The images, bool (N,).
            victim: What it is made on; the white-box view where None.
        """
        margin = torch.full((len(of),), torch.inf)
        if of.any():
            (outcome,) = run_attack(attack, victim or self.view, self.batch.only(of), seed=self.seed, step=step,
                                    strengths=[attack.current])
            margin[of] = self.margin(outcome.images, of).float().cpu()
        return margin

    def left(self, attack: Attack, step: str, of: Tensor) -> Tensor:
        """Return which of some images are read as before after an attack, bool (N,)."""
        return self.after(attack, step, of) <= 0

    def watched(self, attack: Attack) -> WatchedVictim:
        """Return the white-box view as one that remembers what an attack asks it."""
        return WatchedVictim(self.view, self.batch.images, self.batch.labels, attack.budget)

    def share(self, flags: Tensor | Sequence[bool]) -> Estimate:
        """Return the share of images that are flagged, with its interval over patients."""
        return proportion(torch.as_tensor(flags).cpu().numpy(), patients=self.patients, draws=self.draws,
                          seed=self.seed)


def nearest(margin: Tensor, most: int) -> Tensor:
    """Return which images are read as before and nearest to an error, at most so many, bool (N,).

    Args:
        margin: How far each is beyond an error, (N,).
        most: Their number at most.

    Example:
        >>> nearest(torch.tensor([-2.0, -1.0, 3.0]), 1).tolist()
        [False, True, False]
    """
    left = margin <= 0
    chosen = torch.zeros_like(left)
    chosen[margin.where(left, torch.tensor(-torch.inf)).argsort(descending=True, stable=True)[:most]] = True
    return chosen & left


def declares_chance(core: Classifier) -> bool:
    """Return whether a transform before a model says that it draws at random."""
    return isinstance(core, Defended) and (core.transform.random or declares_chance(core.classifier))
