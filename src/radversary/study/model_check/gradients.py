"""Whether gradients reach the pixels, and how many are exactly zero."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.own_faults import asked_about, blamed_on, slope_of
from radversary.core.errors import ModelError
from radversary.core.types import Access, Images
from radversary.study.model_check.report import Check, skipped
from radversary.study.model_check.subject import BATCH, Subject

NAME = "gradients reach the pixels"
EXPECTED = "no image whose gradient is zero throughout"

MOST = 32
"""Films whose gradient is taken, at most."""

HALF = 0.5
"""Share of images with a gradient of zero from which on it is wrong: an attack would not know where to go."""


def check_gradients(subject: Subject) -> Iterator[Check]:
    """Check that the score of the class decided for changes with the pixels, by its gradient."""
    classifier = subject.classifier
    if classifier.access < Access.GRADIENTS:
        why = classifier.withheld or f"the model gives {classifier.access.name.lower()} alone"
        yield skipped(NAME, why, EXPECTED)
        return
    images = _images(subject)
    if not len(images):
        yield skipped(NAME, "it gives no answer that can be used", EXPECTED)
        return
    try:
        slopes = [_slope(classifier, part) for part in torch.split(images, BATCH // 4)]
    except ModelError as error:
        yield Check(name=NAME, state="wrong", found="it fails", expected=EXPECTED, sentence=str(error))
        return
    found = [slope for slope in slopes if slope is not None]
    if len(found) < len(slopes):
        yield Check(name=NAME, state="wrong", value=1, found="none comes back", expected=EXPECTED,
                    sentence="it detaches them, rounds them to whole numbers, or runs under torch.no_grad or "
                             "inference_mode")
        return
    yield _judged(torch.cat(found))


def _images(subject: Subject) -> Images:
    """Return films that it answers for, else generated images."""
    films, answers = subject.films, subject.on_films
    if films is not None and answers is not None and bool(answers.usable.any()):
        return films.images[answers.usable][:MOST]
    return subject.usable


def _slope(classifier: Classifier, images: Images) -> Tensor | None:
    """Return the gradient of the margin of the class decided for over the mean of all, None where there is none."""
    at = images.clone().requires_grad_()
    with torch.enable_grad():
        with blamed_on(classifier.card, asked_about(classifier.card, len(at))):
            logits = classifier.logits(at)
        climbed = (logits.amax(1) - logits.mean(1)).sum() if logits.shape[1] > 1 else logits.sum()
        return slope_of(climbed, at, classifier.card)


def _judged(slopes: Tensor) -> Check:
    if not bool(slopes.isfinite().all()):
        broken = int((~slopes.isfinite()).flatten(1).any(1).sum())
        return Check(name=NAME, state="wrong", value=broken / len(slopes), expected=EXPECTED,
                     found=f"not finite for {broken} of {len(slopes)} images",
                     sentence="a root or logarithm of 0 in the network has no gradient there: add a small constant")
    zero = slopes == 0
    flat = int(zero.flatten(1).all(1).sum())
    share = flat / len(slopes)
    found = f"zero for {flat} of {len(slopes)} images and {float(zero.float().mean()):.1%} of all pixels"
    sentence = ""
    if flat:
        sentence = ("the network rounds its input or a layer, or is saturated: gradient attacks stand still there, "
                    "which is no robustness")
    state = "wrong" if share >= HALF else "note" if flat else "ok"
    return Check(name=NAME, state=state, value=share, found=found, expected=EXPECTED, sentence=sentence)  # type: ignore[arg-type]
