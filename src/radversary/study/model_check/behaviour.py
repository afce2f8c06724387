"""Whether a model answers at all, always the same, with what its card says, and differently to different images."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from radversary.classifiers.base import Classifier
from radversary.classifiers.probe import ALONE, BATCH, REPEAT, answered
from radversary.classifiers.tasks import probabilities_of
from radversary.core.errors import ModelError
from radversary.core.types import Access, Task
from radversary.study.model_check.report import Check, number, skipped
from radversary.study.model_check.subject import Subject

FEW = 8
"""Images from which on the values of probabilities tell something of how they were made."""

NEAR = 0.03
"""How near to an end of its range, as a share, a probability counts as at that end."""

OFTEN = 0.1
"""Share of probabilities at an end from which on that end is taken for a limit."""

KINDS = ("Dropout", "AlphaDropout", "BatchNorm", "InstanceNorm", "SyncBatchNorm", "DropPath", "StochasticDepth")
"""Beginnings of the names of layers that do another thing in training mode."""

UNANSWERED = "it gives no answer that can be used"


def check_fingerprint(subject: Subject) -> Iterator[Check]:
    """Check that the model can be told from another."""
    name, expected = "fingerprint", "a hash of what its answers depend on"
    try:
        yield Check(name=name, state="ok", found=subject.classifier.fingerprint()[:12], expected=expected)
    except ModelError as error:
        yield Check(name=name, state="wrong", found="none", expected=expected, sentence=str(error))


def check_outputs(subject: Subject) -> Iterator[Check]:
    """Check that answers have the form that the card says, and are finite numbers for every image."""
    classes = len(subject.card.classes)
    found = subject.on_generated
    form = f"one finite number for each of {classes} classes"
    if found.failed == len(found.usable):
        yield Check(name="outputs", state="wrong", value=0, found="no answer", expected=form, sentence=found.fault)
        yield skipped("finite answers", UNANSWERED, "for every image")
        return
    yield Check(name="outputs", state="ok", value=classes, found=f"(N, {classes})", expected=form)
    films = subject.on_films
    failed = found.failed + (films.failed if films else 0)
    count = len(found.usable) + (len(films.usable) if films else 0)
    fault = found.fault or (films.fault if films else "")
    black = "; the black image is one of them" if not bool(found.usable[-2]) else ""
    yield Check(name="finite answers", state="wrong" if failed else "ok", value=failed, expected="0 images without one",
                found=f"{failed} of {count} images without one", sentence=fault + black if failed else "")


def check_repeat(subject: Subject) -> Iterator[Check]:
    """Check that equal calls give equal answers."""
    name = "equal calls"
    if not len(subject.usable):
        yield skipped(name, UNANSWERED)
        return
    first, second = _twice(subject)
    gap, most = float((first - second).abs().max()), _allowed(REPEAT, first)
    wrong = not gap <= most
    why = ("it draws at random or keeps a state, and must do neither in evaluation mode"
           f"{_named(subject.classifier)}") if wrong else ""
    yield Check(name=name, state="wrong" if wrong else "ok", value=number(gap), found=f"differ by up to {gap:.3g}",
                expected=f"{most:.3g} at most", sentence=why)


def check_batch(subject: Subject) -> Iterator[Check]:
    """Check that an image's answer does not depend on the images beside it."""
    name, images = "alone and in a batch", subject.usable
    if not len(images):
        yield skipped(name, UNANSWERED)
        return
    try:
        together, again = answered(subject.classifier, images), answered(subject.classifier, images)
        alone = torch.cat([answered(subject.classifier, image) for image in torch.split(images[:ALONE], 1)])
    except ModelError as error:
        yield Check(name=name, state="wrong", found="it fails", expected="the same answer",
                    sentence=f"{error}{_named(subject.classifier)}")
        return
    if not float((together - again).abs().max()) <= _allowed(BATCH, together):
        yield skipped(name, "its answers to equal calls differ already")
        return
    gap, most = float((together[:ALONE] - alone).abs().max()), _allowed(BATCH, together)
    wrong = not gap <= most
    why = f"a layer looks at the whole batch, such as BatchNorm in training mode{_named(subject.classifier)}"
    yield Check(name=name, state="wrong" if wrong else "ok", value=number(gap), found=f"differ by up to {gap:.3g}",
                expected=f"{most:.3g} at most", sentence=why if wrong else "")


def check_kind(subject: Subject) -> Iterator[Check]:
    """Check that answers are the logits or probabilities that the card says."""
    name, card = "logits or probabilities", subject.card
    expected = f"{card.output}, as the card says"
    if subject.classifier.access < Access.SCORES:
        yield skipped(name, "the model answers with labels alone", expected)
        return
    if subject.on_generated.failed == len(subject.generated):
        yield skipped(name, UNANSWERED, expected)
        return
    wrong, note = _kind_fault(subject), ""
    if not wrong and not subject.on_generated.failed and card.output == "logits" and subject.probed is not None:
        note = subject.probed.suspicion(card.name)
    low, high = _ends(subject)
    yield Check(name=name, state="wrong" if wrong else "note" if note else "ok", expected=expected,
                found=f"{low:.3g} to {high:.3g}", sentence=wrong or note)


def check_differs(subject: Subject) -> Iterator[Check]:
    """Check that different images get different answers."""
    name, expected = "answers differ between images", "above 0"
    films = subject.on_films
    answers = [part for part in (subject.on_generated.logits, films.logits if films else None)
               if part is not None and len(part) > 1]
    if not answers:
        yield skipped(name, UNANSWERED, expected)
        return
    spread = max(float((part - part[:1]).abs().max()) for part in answers)
    least = max(_allowed(REPEAT, part) for part in answers)
    constant = spread <= least
    yield Check(name=name, state="wrong" if constant else "ok", value=number(spread), expected=expected,
                found=f"by up to {spread:.3g}",
                sentence="it answers the same whatever it is shown: its weights were not loaded, its input is "
                         "saturated, or its output is cut off" if constant else "")


def _twice(subject: Subject) -> tuple[Tensor, Tensor]:
    """Return what two equal calls give; not-a-number for one that fails."""
    found = []
    for _ in range(2):
        try:
            found.append(answered(subject.classifier, subject.usable))
        except ModelError:
            found.append(torch.full((len(subject.usable), len(subject.card.classes)), math.nan))
    return found[0], found[1]


def _allowed(tolerance: tuple[float, float], logits: Tensor) -> float:
    share, more = tolerance
    return share * float(logits.abs().max().nan_to_num()) + more


def _named(classifier: Classifier) -> str:
    """Name the layers that are in training mode, where the network can be looked into."""
    module = getattr(getattr(classifier, "classifier", classifier), "module", None)
    if not isinstance(module, nn.Module):
        return ""
    found = [f"{name or 'the network'} ({type(part).__name__})" for name, part in module.named_modules()
             if part.training and type(part).__name__.startswith(KINDS)]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"; in training mode: {', '.join(found[:3])}{more}" if found else ""


def _ends(subject: Subject) -> tuple[float, float]:
    """Return the least and the greatest number that it answered, as its card says: logits or probabilities."""
    said = _said(subject)
    return float(said.min()), float(said.max())


def _said(subject: Subject) -> Tensor:
    films = subject.on_films
    logits = torch.cat([subject.on_generated.logits, *([films.logits] if films else [])])
    return logits if subject.card.output == "logits" else probabilities_of(logits, subject.card.task)


def _kind_fault(subject: Subject) -> str:
    """Say why answers are not what the card says; nothing where they are, or look like it."""
    card = subject.card
    if not subject.on_generated.failed and (found := subject.probed) is not None:
        if found.constant:
            return "it answers 1 for every image, as a softmax over one output does: give it a sigmoid, or leave it out"
        if found.probabilities:
            return ("it gives probabilities (each row lies in [0, 1] and sums to 1), and its card says logits, so that "
                    "a softmax would be taken twice: state output: probabilities in it, or remove the last softmax")
        if found.unit_range and "output" not in card.model_fields_set and card.task != Task.MULTICLASS:
            return ("all answers lie between 0 and 1, and the card does not say whether they are logits or "
                    "probabilities: state output in it")
    return _twice_squashed(subject) if card.output == "probabilities" else ""


def _twice_squashed(subject: Subject) -> str:
    """Say that a softmax or sigmoid was taken twice, where probabilities pile up at the limits that it then has."""
    said, classes = _said(subject), len(subject.card.classes)
    if len(said) < FEW or classes < 2:
        return ""
    if subject.card.task == Task.MULTILABEL:
        low, high, what = 0.5, 1 / (1 + math.exp(-1)), "sigmoid"
    else:
        low, high, what = 1 / (classes - 1 + math.e), math.e / (classes - 1 + math.e), "softmax"
    width, rounding = high - low, 1e-4
    within = low - rounding <= float(said.min()) and float(said.max()) <= high + rounding
    tops = said if subject.card.task == Task.MULTILABEL else said.max(dim=1).values
    at_end = float((tops > high - NEAR * width).float().mean())
    if not within or at_end < OFTEN:
        return ""
    return (f"its probabilities lie between {low:.3f} and {high:.3f} and pile up there, as where a {what} is taken of "
            f"a {what}: remove the last")
