"""What a model makes of the same films read in different ways, and which single mistake explains most of it.

One mistake makes others look likely: outputs in another order fit inverted films better than films as they are. So the
mistake that explains most is looked for first, and the other ways of reading are compared with it set right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard
from radversary.core.errors import ModelError
from radversary.core.types import Access, Images, Task
from radversary.study.model_check.judging import Judge
from radversary.study.model_check.orders import Order, best_order, halves_of, reordered
from radversary.study.model_check.report import Figure
from radversary.study.model_check.subject import Subject, ask, with_card

RANGES: Final = {"[0, 1]": (0.0, 1.0), "[0, 255]": (0.0, 255.0), "[-1, 1]": (-1.0, 1.0),
                 "[-1024, 1024]": (-1024.0, 1024.0)}
"""What networks are usually given for black and white, without mean and std."""

IMAGENET: Final = "[0, 1] with ImageNet's mean and std"

INVERTED: Final = "inverted"

LEAST: Final = 8
"""Films with a label, at least, for a figure to mean anything."""


class Mistake(NamedTuple):
    """The one mistake that explains most of what a model does not know.

    Attributes:
        kind: ``range``, ``grey`` or ``order``; empty where none is beyond both intervals.
        name: The reading that is better, such as an input range.
        figure: How well the model knows the films once it is set right.
    """

    kind: Literal["", "range", "grey", "order"]
    name: str = ""
    figure: Figure | None = None


class Way(NamedTuple):
    """A way to read films.

    Attributes:
        range: A name of :func:`other_ranges`; empty for the card's.
        inverted: Whether black and white are exchanged.
    """

    range: str = ""
    inverted: bool = False


@dataclass(frozen=True)
class Readings:
    """A model's answers to its films, read in different ways.

    Attributes:
        subject: The model with its films.
        judge: Judges the answers.
        images: The films that it answers for.
    """

    subject: Subject
    judge: Judge
    images: Images

    @cached_property
    def _kept(self) -> dict[Way, Tensor | None]:
        answers = self.subject.on_films
        return {} if answers is None else {Way(): answers.logits}

    @cached_property
    def ranges(self) -> dict[str, dict[str, Any]]:
        """The other usual input ranges, as fields of a card."""
        return other_ranges(self.subject.card)

    @cached_property
    def halves(self) -> list[np.ndarray]:
        """Two halves of the patients, as masks of images."""
        return halves_of(self.judge.patients)

    def logits(self, way: Way = Way()) -> Tensor | None:
        """Return the answers to films read in some way; None where the model fails on any."""
        if way not in self._kept:
            card = self.subject.card.model_copy(update=self.ranges.get(way.range, {}))
            twin = with_card(self.subject.classifier, card) if way.range else self.subject.classifier
            self._kept[way] = _all_answers(twin, 1 - self.images if way.inverted else self.images)
        return self._kept[way]

    def figure(self, way: Way, orders: list[Order] | None = None) -> Figure | None:
        """Return how well the model knows films read in some way, its outputs in the card's or in another order."""
        logits = self.logits(way)
        if logits is None:
            return None
        return self.judge.figure(logits if orders is None else reordered(logits, orders, self.halves))

    def orders(self, way: Way = Way()) -> list[Order] | None:
        """Return the orders of the outputs that fit either half of the patients best; None where they disagree."""
        logits = self.logits(way)
        if logits is None or len(self.subject.card.classes) < 2:
            return None
        found = [best_order(logits, self.judge, half) for half in self.halves]
        return found if all(np.array_equal(order, found[0]) for order in found) else None

    def figures(self, ways: Mapping[str, Way], orders: list[Order] | None = None) -> dict[str, Figure]:
        """Return the figure of each way that has one."""
        return {name: found for name, way in ways.items() if (found := self.figure(way, orders)) is not None}

    @cached_property
    def own(self) -> Figure:
        """How well the model knows the films as its card says that it reads them."""
        found = self.figure(Way())
        assert found is not None  # noqa: S101 - looked at by :func:`readings_of`
        return found

    @cached_property
    def follows_card(self) -> bool:
        """Whether its answers change with the range on its card."""
        own = self.logits()
        others = [self.logits(Way(name)) for name in self.ranges]
        return any(own is not None and other is not None and _differ(own, other) for other in others)

    @cached_property
    def mistake(self) -> Mistake:
        """The one mistake that explains most."""
        found = [Mistake("range", name, figure) for name, figure in self.figures(
            {name: Way(name) for name in self.ranges}).items()]
        found += [Mistake("grey", INVERTED, figure) for figure in self.figures({INVERTED: Way("", inverted=True)}
                                                                              ).values()]
        if (orders := self.orders()) is not None and (figure := self.figure(Way(), orders)) is not None:
            found.append(Mistake("order", "best order", figure))
        best = max(found, key=lambda one: one.figure.value if one.figure else 0.0, default=Mistake(""))
        return best if best.figure is not None and best.figure.beyond(self.own) else Mistake("")

    @property
    def way(self) -> Way:
        """How the films are read once the mistake is set right, where it is one of reading them."""
        return Way(self.mistake.name if self.mistake.kind == "range" else "", inverted=self.mistake.kind == "grey")

    @property
    def order(self) -> list[Order] | None:
        """The order of the outputs once the mistake is set right, where it is one of their order."""
        return self.orders() if self.mistake.kind == "order" else None


def readings_of(subject: Subject) -> tuple[Readings | None, str]:
    """Return what compares ways of reading the films, or why nothing can.

    Args:
        subject: The model with its films.
    """
    films, answers = subject.films, subject.on_films
    if films is None or answers is None:
        return None, "no data was given"
    if films.known is None:
        return None, "the data has no labels"
    if not bool(answers.usable.any()):
        return None, "it gives no answer that can be used"
    if subject.card.task == Task.MULTILABEL and subject.classifier.access < Access.SCORES:
        return None, "areas under curves need scores, and the model answers with labels alone"
    patients = [patient for patient, kept in zip(films.patients, answers.usable.tolist(), strict=True) if kept]
    judge = Judge(subject.card, films.known[answers.usable], patients)
    if len(patients) < LEAST or judge.figure(answers.logits) is None:
        return None, f"fewer than {LEAST} films, or films of one class alone, say nothing of it"
    return Readings(subject, judge, films.images[answers.usable]), ""


def other_ranges(card: ModelCard) -> dict[str, dict[str, Any]]:
    """Return the usual input ranges as fields of a card, those left out that are the card's own.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b"), size=8, input_range=(-1, 1))
        >>> list(other_ranges(card))
        ['[0, 1]', '[0, 255]', '[-1024, 1024]', "[0, 1] with ImageNet's mean and std"]
    """
    count = len(card.mean)
    found: dict[str, dict[str, Any]] = {
        name: {"input_range": ends, "mean": (0.0,) * count, "std": (1.0,) * count} for name, ends in RANGES.items()}
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if count == 3 else ((0.449,), (0.226,))  # the means of the three
    found[IMAGENET] = {"input_range": (0.0, 1.0), "mean": mean, "std": std}
    own = _ends(card)
    return {name: fields for name, fields in found.items()
            if not np.allclose(_ends(card.model_copy(update=fields)), own, rtol=1e-3, atol=1e-3)}


def _all_answers(classifier: Classifier, images: Images) -> Tensor | None:
    """Return the logits of all images, None where the model fails on any."""
    try:
        found = ask(classifier, images)
    except ModelError:
        return None
    return None if found.failed else found.logits


def _differ(first: Tensor, second: Tensor) -> bool:
    return first.shape != second.shape or not torch.allclose(first, second, rtol=1e-6, atol=1e-7)


def _ends(card: ModelCard) -> list[float]:
    """Return what the network is given for black and for white, for each of its channels."""
    return [(end - mean) / std for end in card.input_range for mean, std in zip(card.mean, card.std, strict=True)]
