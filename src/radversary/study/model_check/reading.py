"""Whether films are read as the network was trained to read them: range, grey scale, resize, size of the films."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard
from radversary.core.errors import ModelError
from radversary.core.types import Access, Images, Task
from radversary.study.model_check.judging import Judge
from radversary.study.model_check.report import Check, Figure, skipped
from radversary.study.model_check.subject import Subject, ask, with_card

RANGES: Final = {"[0, 1]": (0.0, 1.0), "[0, 255]": (0.0, 255.0), "[-1, 1]": (-1.0, 1.0),
                 "[-1024, 1024]": (-1024.0, 1024.0)}
"""What networks are usually given for black and white, without mean and std."""

IMAGENET: Final = "[0, 1] with ImageNet's mean and std"

LEAST: Final = 8
"""Films with a label, at least, for a figure to mean anything."""


def judge_of(subject: Subject) -> tuple[Judge | None, str]:
    """Return who judges answers to the films, or why nobody can."""
    films, answers = subject.films, subject.on_films
    if films is None or answers is None:
        return None, "no data was given"
    if films.known is None:
        return None, "the data has no labels"
    if not bool(answers.usable.any()):
        return None, "it gives no answer that can be used"
    if subject.card.task == Task.MULTILABEL and subject.classifier.access < Access.SCORES:
        return None, "areas under curves need scores, and the model answers with labels alone"
    keep = answers.usable.tolist()
    judge = Judge(subject.card, films.known[answers.usable],
                  [patient for patient, kept in zip(films.patients, keep, strict=True) if kept])
    if len(judge.patients) < LEAST or judge.figure(answers.logits) is None:
        return None, f"fewer than {LEAST} films, or films of one class alone, say nothing of it"
    return judge, ""


def seen(subject: Subject) -> Images:
    """Return the films that the model answers for."""
    films, answers = subject.films, subject.on_films
    assert films is not None  # noqa: S101 - a judge was made of them
    assert answers is not None  # noqa: S101
    return films.images[answers.usable]


def stated(subject: Subject, judge: Judge) -> Figure:
    """Return how well the model knows the films as its card says that it reads them."""
    answers = subject.on_films
    found = None if answers is None else judge.figure(answers.logits)
    assert found is not None  # noqa: S101 - a judge was made of them
    return found


def check_accuracy(subject: Subject) -> Iterator[Check]:
    """Say how well the model knows the films."""
    judge, why = judge_of(subject)
    if judge is None:
        yield skipped("accuracy", why)
        return
    found = stated(subject, judge)
    lost = found.low <= judge.chance
    yield Check(name="accuracy", state="note" if lost else "ok", value=found.value, found=f"{judge.measure} {found}",
                expected=f"above chance ({judge.chance:.1%})", figures={judge.measure: found},
                sentence="on these films it is no better than chance, or too few tell it from chance" if lost else "")


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


def check_range(subject: Subject) -> Iterator[Check]:
    """Compare the input range that the card states with the other usual ones."""
    name = "input range"
    expected = "the card's, unless another is better beyond both intervals"
    judge, why = judge_of(subject)
    if judge is None:
        yield skipped(name, why, expected)
        return
    images, own = seen(subject), subject.on_films
    answers: dict[str, Tensor] = {}
    for other, fields in other_ranges(subject.card).items():
        twin = with_card(subject.classifier, subject.card.model_copy(update=fields))
        if (logits := _all_answers(twin, images)) is not None:
            answers[other] = logits
    if own is not None and not any(_differ(logits, own.logits) for logits in answers.values()):
        yield skipped(name, "its answers do not change with its card, or are not finite in any other range", expected)
        return
    figures = {other: found for other, logits in answers.items() if (found := judge.figure(logits)) is not None}
    yield _compared(name, stated(subject, judge), figures, judge.measure,
                    lambda best: f"it knows the films far better where it is given {best}: correct input_range, mean "
                                 "and std in the card", expected)


def check_grey(subject: Subject) -> Iterator[Check]:
    """Compare films as they are with films whose grey is inverted."""
    name, expected = "grey scale", "films as they are, unless inverted ones are better beyond both intervals"
    judge, why = judge_of(subject)
    if judge is None:
        yield skipped(name, why, expected)
        return
    logits = _all_answers(subject.classifier, 1 - seen(subject))
    found = None if logits is None else judge.figure(logits)
    figures = {} if found is None else {"inverted": found}
    yield _compared(name, stated(subject, judge), figures, judge.measure,
                    lambda _: "it knows the films far better where black and white are exchanged: the films are "
                              "inverted (MONOCHROME1 read as MONOCHROME2), or the model was trained on such films",
                    expected)


def check_resize(subject: Subject) -> Iterator[Check]:
    """Note where films made to fit by another rule are known better."""
    name, card = "resize rule", subject.card
    judge, why = judge_of(subject)
    others = {} if subject.films is None else subject.films.resized
    if judge is None or not others:
        yield skipped(name, why or "all films have the shape that the model reads", card.resize)
        return
    answers = subject.on_films
    figures = {}
    for rule, images in others.items():
        logits = _all_answers(subject.classifier, images[answers.usable] if answers is not None else images)
        if logits is not None and (found := judge.figure(logits)) is not None:
            figures[rule] = found
    check = _compared(name, stated(subject, judge), figures, judge.measure,
                      lambda best: f"it knows the films better where they are made to fit by {best}: see whether the "
                                   "model was trained so, and state resize in the card", card.resize)
    yield check.model_copy(update={"state": "note"}) if check.state == "wrong" else check


def check_sides(subject: Subject) -> Iterator[Check]:
    """Say how large the films are beside what the model reads."""
    films, (height, width) = subject.films, subject.card.sides
    expected = f"{height} x {width} pixels or more"
    if films is None or not len(films.sides):
        yield skipped("size of the films", "no data was given" if films is None else "it is not known", expected)
        return
    sides = np.asarray(films.sides)
    small = float((sides < (height, width)).any(axis=1).mean())
    middle = np.median(sides, axis=0)
    yield Check(name="size of the films", state="note" if small else "ok", value=small, expected=expected,
                found=f"median {middle[0]:.0f} x {middle[1]:.0f} pixels, {small:.0%} smaller",
                sentence="smaller films are enlarged, and show the model less than it was trained on" if small else "")


def _compared(name: str, own: Figure, others: Mapping[str, Figure], measure: str, said: Any,  # noqa: ANN401
              expected: str) -> Check:
    """Return a check that is wrong where another reading is better beyond both intervals."""
    best = max(others, key=lambda other: others[other].value, default="")
    wrong = bool(best) and others[best].beyond(own)
    found = f"{measure} {own}" + (f"; {best} {others[best]}" if best else "")
    return Check(name=name, state="wrong" if wrong else "ok", value=own.value, found=found, expected=expected,
                 sentence=said(best) if wrong else "", figures={"as the card says": own, **others})


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
