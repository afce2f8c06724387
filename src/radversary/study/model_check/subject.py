"""What is checked: a model, what it answers to generated images, and the films that it is checked on."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.probe import ProbeResult, answered, probe, probe_images
from radversary.core.errors import ModelError, TensorError
from radversary.core.types import UNKNOWN, Images, Labels

BATCH = 32
"""Images that a model is asked about at once."""


@dataclass(frozen=True)
class Films:
    """Images that a model is checked on.

    Attributes:
        images: float32 (N, C, H, W) in [0, 1], of the card's size.
        labels: int64 (N,) or (N, K) in the order of the card's classes; None where nothing is known of them.
        patients: The patient of each image.
        sides: Height and width of each film before it was resized, in pixels; none where they are not known.
        resized: Resize rule to the same images by that rule, where films are not of the card's shape.
        notes: What is to be known of them, one sentence each.
    """

    images: Images
    labels: Labels | None
    patients: Sequence[str]
    sides: Sequence[tuple[int, int]] = ()
    resized: Mapping[str, Images] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> Labels | None:
        """The labels, where any is known."""
        return None if self.labels is None or not bool((self.labels != UNKNOWN).any()) else self.labels


@dataclass(frozen=True)
class Answered:
    """What a model answered to some images.

    Attributes:
        logits: float32 (M, K) of the M images that it answered for.
        usable: (N,) of bool: for which images it did.
        fault: What it said of the first of the others; empty where there are none.
    """

    logits: Tensor
    usable: Tensor
    fault: str = ""

    @property
    def failed(self) -> int:
        """Images without an answer that can be used."""
        return int((~self.usable).sum())


@dataclass(frozen=True)
class Subject:
    """A model under its checks.

    Attributes:
        classifier: The model.
        films: Images to check it on; None where there are none.
    """

    classifier: Classifier
    films: Films | None = None

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.classifier.card

    @cached_property
    def generated(self) -> Images:
        """The probe images, then a black and a white one."""
        drawn = probe_images(self.card)
        return torch.cat([drawn, torch.zeros_like(drawn[:1]), torch.ones_like(drawn[:1])])

    @cached_property
    def on_generated(self) -> Answered:
        """What it answers to the generated images."""
        return ask(self.classifier, self.generated)

    @cached_property
    def on_films(self) -> Answered | None:
        """What it answers to the films."""
        return None if self.films is None else ask(self.classifier, self.films.images)

    @cached_property
    def probed(self) -> ProbeResult | None:
        """What a probe of it found; None where it fails in one."""
        try:
            return probe(self.classifier)
        except (ModelError, TensorError):
            return None

    @property
    def usable(self) -> Images:
        """The generated images that it answers for."""
        return self.generated[self.on_generated.usable]


def ask(classifier: Classifier, images: Images) -> Answered:
    """Ask a model about images; where it fails on a batch, about each image of it alone.

    Args:
        classifier: The model; of one that gives labels alone the logits are 1 and -1.
        images: (N, C, H, W).
    """
    parts, usable, fault = [torch.zeros(0, len(classifier.card.classes))], [], ""
    for part in torch.split(images, BATCH):
        try:
            parts.append(answered(classifier, part))
            usable += [True] * len(part)
            continue
        except (ModelError, TensorError) as error:
            fault = fault or str(error)
        for image in torch.split(part, 1) if len(part) > 1 else ():
            try:
                parts.append(answered(classifier, image))
                usable.append(True)
            except (ModelError, TensorError) as error:
                usable.append(False)
                fault = str(error) if not parts[1:] else fault
        usable += [False] * (len(part) == 1)
    return Answered(torch.cat([part.cpu() for part in parts]), torch.tensor(usable, dtype=torch.bool), fault)


def with_card(classifier: Classifier, card: ModelCard) -> Classifier:
    """Return the same model with another card: it shares everything else, and reads images as that card says.

    Args:
        classifier: The model; adapters read their card when they are asked.
        card: The other card.

    Example:
        >>> from torch import nn
        >>> from radversary.classifiers.torch_module import wrap
        >>> model = wrap(nn.Flatten(), classes=("a", "b"), size=(1, 2), mean=(0.0,), std=(1.0,))
        >>> white = torch.ones(1, 1, 1, 2)
        >>> with_card(model, model.card.model_copy(update={"input_range": (0, 255)})).logits(white).tolist()
        [[255.0, 255.0]]
    """
    try:
        twin = object.__new__(type(classifier))  # copying some adapters would open their file anew
        twin.__dict__.update(classifier.__dict__)
    except (TypeError, AttributeError):
        twin = copy.copy(classifier)
    object.__setattr__(twin, "card", card)  # it may be a frozen dataclass
    if isinstance(inner := getattr(classifier, "classifier", None), Classifier):  # behind transforms
        object.__setattr__(twin, "classifier", with_card(inner, card))
    return twin
