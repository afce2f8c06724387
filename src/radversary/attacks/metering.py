"""Counts of an attack's queries and gradients, and of the gradients that were zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, fields
from typing import TypeVar

import torch
from torch import Tensor

from radversary.attacks.guarded_victim import GuardedVictim
from radversary.classifiers.base import Classifier, Features
from radversary.core.types import Images, Labels
from radversary.execution.progress import check_cancelled


@dataclass
class Meter:
    """Counts of what was asked, over all images.

    Attributes:
        queries: Images that the victim answered.
        gradients: Images whose gradient was taken.
        zero_gradients: Those of them whose gradient was exactly zero or not finite at every pixel.
        about: Answers by the place of the image that they were about, where an attack told it (:func:`about`).
    """

    queries: int = 0
    gradients: int = 0
    zero_gradients: int = 0
    about: Counter[int] = field(default_factory=Counter)

    def plus(self, other: Meter) -> Meter:
        """Return the sum of two meters."""
        return Meter(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)})

    def less(self, before: Meter) -> Meter:
        """Return what was counted since a meter stood as it did before."""
        return Meter(self.queries - before.queries, self.gradients - before.gradients,
                     self.zero_gradients - before.zero_gradients, self.about - before.about)

    def add(self, cost: Meter) -> None:
        """Count what was asked elsewhere."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(cost, item.name))

    def shares(self, count: int) -> Tensor:
        """Return the answers for each of so many images, float64 (N,); what was charged to none is shared out evenly.

        Example:
            >>> Meter(queries=5, about=Counter({0: 3})).shares(2).tolist()
            [4.0, 1.0]
        """
        told = torch.tensor([self.about[place] for place in range(count)], dtype=torch.float64)
        return told + (self.queries - told.sum()) / max(count, 1)

    def listen(self, images: Images, places: Tensor | None = None) -> Images:
        """Count images that are about to be answered, and their gradients when they come back.

        Args:
            images: What is asked about.
            places: The place of each in the batch that is attacked, (N,); None where it is not told.

        Raises:
            CancelledError: The work was asked to stop; attacks that take long ask often.
        """
        check_cancelled()
        self.queries += len(images)
        if places is not None:
            self.about.update(places.tolist())
        if images.requires_grad and torch.is_grad_enabled():
            images.register_hook(self._count)  # type: ignore[no-untyped-call]
        return images

    def _count(self, gradient: Tensor) -> None:
        steepest = gradient.detach().nan_to_num(0.0, 0.0, 0.0).abs().flatten(1).amax(1)
        self.gradients += len(gradient)
        self.zero_gradients += int((steepest == 0).sum())


def followed(answer: Tensor, images: Images) -> Tensor:
    """Return an answer as one that is followed: where the victim lets no gradient through, one that is zero.

    It changes no figure, and lets the meter count a gradient that is not there among those that are zero.

    Args:
        answer: What the victim answered, (N, ...).
        images: What it was asked about.
    """
    if answer.requires_grad or not (images.requires_grad and torch.is_grad_enabled()):
        return answer
    return answer + 0.0 * images.flatten(1).sum(1).reshape(-1, *[1] * (answer.ndim - 1))


class Ledger:
    """Counts of what the strengths of one attack asked, one meter a strength, until each is settled.

    Example:
        >>> ledger = Ledger()
        >>> ledger.account(0.3).queries += 4
        >>> ledger.account().queries += 1
        >>> ledger.settle(0.3).queries, ledger.settle(0.3).queries
        (5, 0)
    """

    def __init__(self) -> None:
        self._accounts: dict[float | None, Meter] = {}

    def account(self, strength: float | None = None) -> Meter:
        """Return the meter of a strength; None is what was asked for whichever is settled next."""
        return self._accounts.setdefault(strength, Meter())

    def settle(self, strength: float) -> Meter:
        """Return what was asked for a strength and what was asked for none by name, and begin both anew."""
        return self._accounts.pop(strength, Meter()).plus(self._accounts.pop(None, Meter()))


class MeteredClassifier(Classifier):
    """A victim that answers as it is and counts.

    Args:
        classifier: The victim.
        ledger: Where it counts.
        bits: Bits a pixel of the files that the images are stored in, one number or one an image; None where they are
            not known.

    Attributes:
        strength: That answers are asked for, None for whichever is settled next.
        places: Places of the images that are asked about, in the batch that is attacked; None where it is not told.

    Example:
        >>> from radversary.classifiers import wrap
        >>> victim = wrap(torch.nn.Flatten(), classes=[str(place) for place in range(48)], size=4)
        >>> ledger = Ledger()
        >>> MeteredClassifier(victim, ledger).predict(torch.rand(5, 1, 4, 4)).shape, ledger.settle(0.5).queries
        (torch.Size([5]), 5)
    """

    def __init__(self, classifier: Classifier, ledger: Ledger, bits: int | Tensor | None = None) -> None:
        self.classifier, self.ledger, self.bits = classifier, ledger, bits
        self.strength: float | None = None
        self.places: Tensor | None = None
        self.card, self.access = classifier.card, classifier.access

    def __repr__(self) -> str:
        return repr(self.classifier)

    @property
    def meter(self) -> Meter:
        """What counts now."""
        return self.ledger.account(self.strength)

    def fingerprint(self) -> str:
        """Return that of the victim."""
        return self.classifier.fingerprint()

    @property
    def device(self) -> torch.device:
        """Where the victim computes."""
        return self.classifier.device

    def logits(self, images: Images) -> Tensor:
        """Return the victim's logits, (N, K)."""
        return followed(self._asked(self.classifier.logits, images), images)

    def decide(self, images: Images) -> Labels:
        """Return what the victim decides, (N,)."""
        return self._asked(self.classifier.decide, images)

    def features(self, images: Images) -> Features:
        """Return the victim's features; a victim that shows none is not counted as asked.

        Raises:
            AccessError: It shows none.
        """
        if type(self.classifier).features is Classifier.features:
            return self.classifier.features(images)
        return self.classifier.features(self.meter.listen(images))

    def steadily(self, answer: Callable[[Images], Tensor], images: Images) -> Tensor:
        """Return answers; images are filled up beneath the meter, which counts those that are asked about alone."""
        return answer(images)

    def _asked(self, answer: Callable[[Images], Tensor], images: Images) -> Tensor:
        """Return an answer; a service is not asked about one image twice."""
        heard = self.meter.listen(images, self.places if self.places is not None and len(self.places) == len(images)
                                  else None)
        return self.classifier.steadily(answer, heard)


class MeteredGuardedVictim(MeteredClassifier):
    """The same of a victim with detectors beside it (:class:`radversary.attacks.guarded_victim.GuardedVictim`)."""

    def __init__(self, classifier: Classifier, guarded: GuardedVictim, ledger: Ledger,
                 bits: int | Tensor | None = None) -> None:
        super().__init__(classifier, ledger, bits)
        self.guarded = guarded

    def excess(self, images: Images) -> Tensor:
        """Return the victim's excess, (N,)."""
        return followed(self.guarded.excess(self.meter.listen(images)), images)

    def judged(self, images: Images) -> tuple[Tensor, Tensor]:
        """Return the victim's logits (N, K) and excess (N,)."""
        logits, excess = self.guarded.judged(self.meter.listen(images))
        return followed(logits, images), followed(excess, images)


def metered(classifier: Classifier, ledger: Ledger, bits: int | Tensor | None = None) -> Classifier:
    """Return a victim that counts what it is asked, and knows the depth of the stored images."""
    if isinstance(classifier, GuardedVictim):
        return MeteredGuardedVictim(classifier, classifier, ledger, bits)
    return MeteredClassifier(classifier, ledger, bits)


Victim = TypeVar("Victim")


def charged_to(victim: Victim, strength: float) -> Victim:
    """Return a victim as it is asked for one strength of a ladder, so that its answers are counted there.

    A ladder whose strengths share a search asks through this; one that works on a strength at a time need not.

    Args:
        victim: The classifier that a ladder was given; one that does not count is returned as it is.
        strength: The strength, as the ladder yields it.
    """
    if not isinstance(victim, MeteredClassifier):
        return victim
    charged = copy(victim)
    charged.strength = strength
    return charged


def about(victim: Victim, rows: Tensor) -> Victim:
    """Return a victim as it is asked about some images of the batch, so that its answers are charged to them.

    Args:
        victim: The classifier that an attack was given; one that does not count is returned as it is.
        rows: Places of the images among those that it was asked about before, int64 (N,).
    """
    if not isinstance(victim, MeteredClassifier):
        return victim
    asked = copy(victim)
    asked.places = rows.cpu() if victim.places is None else victim.places[rows.cpu()]
    return asked


def bits_of(victim: Classifier) -> int | Tensor | None:
    """Return the depth of the stored images that a victim is asked about, in bits; None where it is not known."""
    bits = victim.bits if isinstance(victim, MeteredClassifier) else None
    places = victim.places if isinstance(victim, MeteredClassifier) else None
    return bits if not isinstance(bits, Tensor) or places is None else bits[places.to(bits.device)]
