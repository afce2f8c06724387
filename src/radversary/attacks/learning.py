"""Attacks that learn from images of other patients, or from the victim alone, before they are applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from radversary.attacks.batch import Batch
from radversary.attacks.metering import Ledger, Meter, metered
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.execution.devices import image_device

if TYPE_CHECKING:  # base runs attacks and so imports this file
    from radversary.attacks.base import Attack

WITHOUT_IMAGES = "uap-data-free"
"""Name of the attack that learns one change for all images from the victim alone."""


def taught(attack: Attack, classifier: Classifier, examples: Batch | None, strengths: Sequence[float], *, seed: int,
           step: str) -> tuple[Attack, Meter]:
    """Return an attack that holds what it needs at some strengths, and what learning it took.

    What is learnt depends on the victim, the examples, the seed and the step, and on no image that is attacked.

    Args:
        attack: The attack; one that holds all it needs is returned as it is.
        classifier: The victim that it learns on.
        examples: Images of other patients; None where there are none.
        strengths: At which it will be run.
        seed: The plan's seed.
        step: The attack's label in the plan.

    Returns:
        The attack, and the answers and gradients that learning took, for all strengths together.

    Raises:
        PlanError: It learns from images, and none are given or its goal makes sense for none.

    Example:
        >>> from radversary.attacks.gradient.fgsm import FGSM
        >>> taught(FGSM(), Classifier(), None, [0.1], seed=42, step="attack")[1].queries
        0
    """
    if attack.knows(strengths):
        return attack, Meter()
    if attack.learns and (examples is None or not len(examples.images)):
        raise PlanError(f"attack {step!r} ({type(attack).__name__}) learns from images of other patients than those it "
                        f"attacks: give examples, or use {WITHOUT_IMAGES}, which needs none")
    ledger = Ledger()
    place = None if examples is None else examples.to(image_device(classifier.device))
    victim = metered(classifier, ledger, None if place is None else place.bits)
    return attack.learnt(victim, place, strengths, seed=seed, step=step), ledger.settle(0.0)
