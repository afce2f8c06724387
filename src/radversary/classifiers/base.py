"""The interface of every classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from radversary.classifiers.card import ModelCard
from radversary.classifiers.steady import steady
from radversary.classifiers.tasks import decisions_of, probabilities_of
from radversary.core.errors import AccessError, ModelError
from radversary.core.types import Access, Images, Labels, Task


@dataclass(frozen=True)
class Features:
    """Logits and internal features of images from one pass of a classifier.

    Attributes:
        logits: float32 (N, K).
        maps: The last maps of each spatial size, shallow to deep, each float32 (N, C, h, w); three at most, none where
            the model has none.
        embedding: What the last dense layer is given, float32 (N, D); the logits where there is no dense layer.
    """

    logits: Tensor
    maps: tuple[Tensor, ...]
    embedding: Tensor


class Answers(NamedTuple):
    """What a classifier says of images, from one pass.

    Attributes:
        decisions: What it decides of each, int64 (N,); (N, K) where the task is ``multilabel``.
        probabilities: What its logits stand for, float32 (N, K); not-a-number where it answers with labels alone.
    """

    decisions: Labels
    probabilities: Tensor


class Classifier:
    """A classifier of radiographs.

    A subclass writes :meth:`logits`; one that answers with labels alone (access ``LABELS``) writes :meth:`decide`.
    Any number of threads may ask one classifier at the same time; while they do, none may move it to another device.

    Images may lie on any device, whatever the model's: every method moves them to the model's own and gives its answer,
    and gradients, on the device of the images that it was given.

    Attributes:
        card: What is known of the model.
        access: How much of it an attacker sees.
        reference: The path or URL that :func:`radversary.classifiers.registry.load` gives it for; empty where none is
            known. ``load`` notes it.
        withheld: Why it gives less access than others of its kind; empty where it does not.
        knows_answers: Whether its fingerprint holds what it answers, to as many digits as it answers alike each time.
    """

    card: ModelCard
    access: Access
    reference: str = ""
    withheld: str = ""
    knows_answers: ClassVar[bool] = False

    @property
    def device(self) -> torch.device:
        """The device that the model computes on; the CPU by default."""
        return torch.device("cpu")

    def to(self, device: torch.device | str) -> Self:  # noqa: ARG002
        """Move the model to a device; a remote model, such as a service, is left unchanged.

        Returns:
            This classifier.
        """
        return self

    def logits(self, images: Images) -> Tensor:  # noqa: ARG002
        """Return one score a class, before the softmax or sigmoid.

        Args:
            images: (N, C, H, W) in [0, 1].

        Returns:
            float32 (N, K), (N, 2) where the task is ``binary``; differentiable with respect to ``images`` where
            ``access`` is ``GRADIENTS``.

        Raises:
            AccessError: The model answers with labels alone.
        """
        raise AccessError(f"model {self.card.name!r} answers with labels alone and gives no scores")

    @torch.no_grad()
    def decide(self, images: Images) -> Labels:
        """Return what the model decides of each image, by its card's task, without gradients.

        Args:
            images: (N, C, H, W) in [0, 1].

        Returns:
            int64 (N,), the index of a class; (N, K) of 0 and 1 where the task is ``multilabel``. See
            :func:`radversary.classifiers.tasks.decisions_of`.
        """
        return decisions_of(self.logits(images), self.card)

    def features(self, images: Images) -> Features:  # noqa: ARG002
        """Return logits, early maps and embedding from one pass, all on the device of ``images``.

        Args:
            images: (N, C, H, W) in [0, 1].

        Returns:
            The features; differentiable with respect to ``images`` where ``access`` is ``GRADIENTS``.

        Raises:
            AccessError: The model shows none, as every one that is known by its answers alone.
        """
        raise AccessError(f"model {self.card.name!r} answers with logits alone and shows no features; detectors that "
                          "look at features need a PyTorch module")

    def fingerprint(self) -> str:
        """Return a hash of what the model's answers depend on; that of its weights file unless it knows better.

        Raises:
            ModelError: The card knows none: two models without a fingerprint could be taken for one another.
        """
        if not self.card.sha256:
            raise ModelError(f"model {self.card.name!r} has no fingerprint, by which results of another model are told "
                             f"from its own: {type(self).__name__} must implement fingerprint()")
        return self.card.sha256

    def probabilities(self, images: Images) -> Tensor:
        """Return the probabilities that the logits stand for by the card's task, (N, K), as differentiable as they."""
        return probabilities_of(self.logits(images), self.card.task)

    @torch.no_grad()
    def scores(self, images: Images, batch: int = 32) -> Tensor:
        """Return probabilities of any number of images, without gradients.

        Args:
            images: (N, C, H, W) in [0, 1].
            batch: Images that go through the model at once.

        Returns:
            float32 (N, K) on the device of ``images``.
        """
        if not len(images):
            return images.new_zeros(0, len(self.card.classes))
        return torch.cat([self.steadily(self.probabilities, part) for part in torch.split(images, batch)])

    @torch.no_grad()
    def answers(self, images: Images, batch: int = 32) -> Answers:
        """Return decisions and probabilities of any number of images, without gradients.

        Both are of the same pass, so that they agree where a transform before the model draws at random. Decisions are
        taken of the logits: probabilities of logits that lie closer together than single precision tells apart are
        equal.

        Args:
            images: (N, C, H, W) in [0, 1].
            batch: Images that go through the model at once.
        """
        shape = (len(images), len(self.card.classes))
        if self.access < Access.SCORES:
            return Answers(self.predict(images, batch), images.new_full(shape, torch.nan))
        if not len(images):
            return Answers(self.predict(images), images.new_zeros(shape))
        logits = torch.cat([self.steadily(self.logits, part) for part in torch.split(images, batch)])
        return Answers(decisions_of(logits, self.card), probabilities_of(logits, self.card.task))

    def predict(self, images: Images, batch: int = 32) -> Labels:
        """Return :meth:`decide` of any number of images, int64 (N,); (N, K) where the task is ``multilabel``."""
        if not len(images):
            shape = (0, len(self.card.classes)) if self.card.task == Task.MULTILABEL else (0,)
            return torch.zeros(shape, dtype=torch.int64, device=images.device)
        return torch.cat([self.steadily(self.decide, part) for part in torch.split(images, batch)])

    def steadily(self, answer: Callable[[Images], Tensor], images: Images) -> Tensor:
        """Return answers that depend on no image beside each (:mod:`radversary.classifiers.steady`).

        A service is asked about no image twice, and so as it is.

        Args:
            answer: What this model answers, such as :meth:`logits`.
            images: (N, C, H, W).
        """
        return steady(answer, images, self.device) if self.access >= Access.GRADIENTS else answer(images)


@torch.no_grad()
def features_of(classifier: Classifier, images: Images, batch: int = 32) -> Features:
    """Return the features of any number of images, without gradients.

    Args:
        classifier: The model.
        images: (N, C, H, W) in [0, 1], one image at least.
        batch: Images that go through the model at once.

    Returns:
        The features of all, in order.

    Raises:
        AccessError: The model shows none.
    """
    parts = [classifier.features(part) for part in torch.split(images, batch)]
    return Features(logits=torch.cat([part.logits for part in parts]),
                    maps=tuple(torch.cat(maps) for maps in zip(*(part.maps for part in parts), strict=True)),
                    embedding=torch.cat([part.embedding for part in parts]))


def check_fits(classifier: Classifier, classes: Sequence[str], task: Task | None = None) -> None:
    """Check that a model and the data mean the same classes in the same order.

    Args:
        classifier: The model.
        classes: Class names of the data, in the order of the labels.
        task: Of the data: ``multilabel`` where images have findings, else one class an image; None where it is not
            looked at.

    Raises:
        ModelError: Their number, names or order differ, or the one has several findings an image and the other one
            class.
    """
    many = classifier.card.task == Task.MULTILABEL
    if task is not None and many != (task == Task.MULTILABEL):
        reads, named = ("several findings", "one class") if many else ("one class", "several findings")
        raise ModelError(f"model {classifier.card.name!r} reads {reads} an image, and the labels name {named} an image")
    own, given = tuple(classifier.card.classes), tuple(classes)
    if own == given:
        return
    name = classifier.card.name
    if len(own) != len(given):
        raise ModelError(f"model {name!r} knows {len(own)} classes ({', '.join(own)}), "
                         f"the data has {len(given)} ({', '.join(given)})")
    what = "order" if set(own) == set(given) else "names"
    raise ModelError(f"the class {what} of model {name!r} ({', '.join(own)}) and of the data "
                     f"({', '.join(given)}) differ")


def require_access(classifier: Classifier, needed: Access, who: str) -> None:
    """Check that a model offers the access that a user of it needs.

    Args:
        classifier: The model.
        needed: The least access that will do.
        who: What needs it, such as an attack's name.

    Raises:
        AccessError: The model offers less.
    """
    if classifier.access < needed:
        reason = f": {classifier.withheld}" if classifier.withheld else ""
        raise AccessError(f"{who} needs {needed.name.lower()} but model {classifier.card.name!r} "
                          f"gives only {classifier.access.name.lower()}{reason}")


def shows_features(classifier: Classifier) -> bool:
    """Return whether a model has :meth:`Classifier.features`, without computing any."""
    return type(classifier).features is not Classifier.features


def require_features(classifier: Classifier, who: str) -> None:
    """Check that a model has :meth:`features`, without computing any.

    Args:
        classifier: The model.
        who: What uses them, such as a detector.

    Raises:
        AccessError: It has none, or offers less access than gradients.
    """
    require_access(classifier, Access.GRADIENTS, who)
    if not shows_features(classifier):
        raise AccessError(f"{who} looks at features, and model {classifier.card.name!r} shows none: it needs a PyTorch "
                          "module")
