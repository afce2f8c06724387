"""What an attack asked of its victim: answers, gradients, and how many of these were nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from radversary.attacks.guarded_victim import GuardedVictim
from radversary.classifiers.base import Classifier
from radversary.core.types import Images, Labels
from radversary.execution.progress import check_cancelled


@dataclass
class Meter:
    """Counts of what was asked, over all images.

    Attributes:
        queries: Images that the victim answered.
        gradients: Images whose gradient was taken.
        zero_gradients: Those of them whose gradient was exactly zero or not finite at every pixel.
    """

    queries: int = 0
    gradients: int = 0
    zero_gradients: int = 0

    def since(self, before: Meter) -> Meter:
        """Return what was counted after another reading of the same meter."""
        return Meter(**{item.name: getattr(self, item.name) - getattr(before, item.name) for item in fields(self)})

    def copy(self) -> Meter:
        """Return the present reading."""
        return self.since(Meter())

    def listen(self, images: Images) -> Images:
        """Count images that are about to be answered, and their gradients when they come back.

        Raises:
            CancelledError: The work was asked to stop; attacks that take long ask often.
        """
        check_cancelled()
        self.queries += len(images)
        if images.requires_grad and torch.is_grad_enabled():
            images.register_hook(self._count)  # type: ignore[no-untyped-call]
        return images

    def _count(self, gradient: Tensor) -> None:
        steepest = gradient.detach().nan_to_num(0.0, 0.0, 0.0).abs().flatten(1).amax(1)
        self.gradients += len(gradient)
        self.zero_gradients += int((steepest == 0).sum())


class MeteredClassifier(Classifier):
    """A victim that answers as it is and counts.

    Args:
        classifier: The victim.
        meter: What counts.

    Example:
        >>> from radversary.classifiers import wrap
        >>> victim = wrap(torch.nn.Flatten(), classes=[str(place) for place in range(48)], size=4)
        >>> meter = Meter()
        >>> MeteredClassifier(victim, meter).predict(torch.rand(5, 1, 4, 4)).shape, meter.queries
        (torch.Size([5]), 5)
    """

    def __init__(self, classifier: Classifier, meter: Meter) -> None:
        self.classifier, self.meter = classifier, meter
        self.card, self.access = classifier.card, classifier.access

    def __repr__(self) -> str:
        return repr(self.classifier)

    def fingerprint(self) -> str:
        """Return that of the victim."""
        return self.classifier.fingerprint()

    @property
    def device(self) -> torch.device:
        """Where the victim computes."""
        return self.classifier.device

    def logits(self, images: Images) -> Tensor:
        """Return the victim's logits, (N, K)."""
        return self.classifier.logits(self.meter.listen(images))

    def decide(self, images: Images) -> Labels:
        """Return what the victim decides, (N,)."""
        return self.classifier.decide(self.meter.listen(images))


class MeteredGuardedVictim(MeteredClassifier):
    """The same of a victim with detectors beside it (:class:`radversary.attacks.guarded_victim.GuardedVictim`)."""

    def __init__(self, classifier: Classifier, guarded: GuardedVictim, meter: Meter) -> None:
        super().__init__(classifier, meter)
        self.guarded = guarded

    def excess(self, images: Images) -> Tensor:
        """Return the victim's excess, (N,)."""
        return self.guarded.excess(self.meter.listen(images))

    def judged(self, images: Images) -> tuple[Tensor, Tensor]:
        """Return the victim's logits (N, K) and excess (N,)."""
        return self.guarded.judged(self.meter.listen(images))


def metered(classifier: Classifier, meter: Meter) -> Classifier:
    """Return a victim that counts what it is asked."""
    if isinstance(classifier, GuardedVictim):
        return MeteredGuardedVictim(classifier, classifier, meter)
    return MeteredClassifier(classifier, meter)
