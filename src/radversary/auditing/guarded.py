"""A model with its guard as one system of an audit: what it reads, and on which images an alarm is raised."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from radversary.attacks.guarded_victim import GuardedVictim
from radversary.classifiers.base import Classifier, Features
from radversary.core.types import Images, Labels
from radversary.storage.checksums import sha256_json


@runtime_checkable
class Watch(GuardedVictim, Protocol):
    """A calibrated guard, as whoever makes an audit's inputs gives it.

    The layers below an audit know no guard; :class:`radversary.guard_evaluation.guarded.GuardedClassifier` is one.
    """

    def alarms(self, images: Images) -> Tensor:
        """Return on which images the guard raises an alarm, bool (N,)."""

    def fingerprint(self) -> str:
        """Return a hash of the model, of what the detectors learned and of the thresholds."""


class Guarded(Classifier):
    """A model and the guard beside it, which changes no answer of the model.

    Attacks that know the guard ask :meth:`judged` and :meth:`excess`; to all others it is the model.

    Args:
        classifier: The model as the audit knows it.
        watch: The guard, calibrated with this model.

    Attributes:
        classifier: The model.
        watch: The guard.
    """

    def __init__(self, classifier: Classifier, watch: Watch) -> None:
        self.classifier, self.watch = classifier, watch
        self.card, self.access = classifier.card, classifier.access

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.watch!r})"

    @property
    def device(self) -> torch.device:
        """The model's device."""
        return self.classifier.device

    def fingerprint(self) -> str:
        """Return a hash of model and guard."""
        return sha256_json([self.classifier.fingerprint(), self.watch.fingerprint()])

    def logits(self, images: Images) -> Tensor:
        """Return the model's logits, (N, K)."""
        return self.classifier.logits(images)

    def decide(self, images: Images) -> Labels:
        """Return what the model decides, (N,)."""
        return self.classifier.decide(images)

    def features(self, images: Images) -> Features:
        """Return the model's features."""
        return self.classifier.features(images)

    def judged(self, images: Images) -> tuple[Tensor, Tensor]:
        """Return logits (N, K) and excess (N,), by which the anomaly score exceeds what raises an alarm."""
        return self.watch.judged(images)

    def excess(self, images: Images) -> Tensor:
        """Return by how much the anomaly score exceeds what raises an alarm, (N,)."""
        return self.watch.excess(images)

    @torch.no_grad()
    def alarms(self, images: Images, batch: int = 32) -> Tensor:
        """Return on which images an alarm is raised, bool (N,); the same whatever images stand beside each."""
        if not len(images):
            return torch.zeros(0, dtype=torch.bool)
        return torch.cat([self.steadily(self.watch.alarms, part) for part in torch.split(images, batch)]).bool()
