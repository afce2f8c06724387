"""Small extra runs on a few test images that show whether attacks on a model can work at all.

Each returns a check; those that would only repeat what an earlier one found are not made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from radversary.attacks.base import Attack
from radversary.attacks.gradient.apgd import AutoPGD
from radversary.attacks.gradient.fgsm import FGSM
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.score.square import SquareAttack
from radversary.auditing.measurement.bench import Bench, nearest
from radversary.auditing.measurement.checks import (
    KEPT,
    POINTS,
    SATURATED_SHARE,
    UPHILL_SHARE,
    MeasurementCheck,
    Sign,
    Verdict,
    check,
    is_beyond,
    not_applicable,
)
from radversary.auditing.measurement.watching import gradients_watched
from radversary.auditing.threat_model import EXPECTATION
from radversary.classifiers.probe import REPEAT
from radversary.core.types import Norm, Task

FORMAT: Final = 3
"""Version of the probes; raised when their figures change, so that older ones are not used."""

GREY_LEVEL: Final = 1 / 255
ALONG: Final = (1 * GREY_LEVEL, 4 * GREY_LEVEL)
"""How far the probe goes along a gradient and against it: as far as a film notices, and past a coarse rounding."""

HUGE: Final = 0.5
"""The bound of the unlimited attack: at half the grey range, any film can be made even grey."""

SHORT, LONG = 5, 40
"""Steps of the unlimited attack, first on all images and then on those that withstand."""

STEPS: Final = 20
"""Half the steps, at least, of the attack that is set against the planned one."""

QUERIES: Final = 200
"""Answers that the search without gradients may ask for an image."""

OWN_ATTACKS: Final = (PGD, AutoPGD, FGSM, SquareAttack)
"""The attacks that probes are made of, beside that of the plan."""

PASSES: Final = 400
"""Answers and gradients an image, at most, of what is run again of a planned attack."""

NEAREST: Final = 3
"""Of what it leaves, one in so many of all images, those nearest to an error, are attacked at length."""

FEW: Final = 4
"""The images that are attacked at length where there are so many, at least."""

SURE: Final = 24 * math.log(2)
"""Log odds from which on a probability is 1 in single precision, whose mantissa has 24 bits."""

GRADIENTS = (Sign.NOT_UPHILL, Sign.UNREACHED)
"""What is asked of the gradients alone."""

COMPARED = (Sign.UNFINISHED, Sign.SILENT_SUCCESS, Sign.SINGLE_STEP, Sign.BLACK_BOX)
"""What is asked of an attack of the plan."""

PROBED = (Sign.UNSTABLE_ANSWERS, Sign.SATURATED, Sign.INNER_GRADIENTS, Sign.NO_GRADIENT, *GRADIENTS, *COMPARED)
"""All that is probed."""


@dataclass(frozen=True)
class Planned:
    """The attack of a plan that is run again.

    Attributes:
        title: Attack and strength, and what of it is run again, for people.
        attack: What is run again, at that strength, as on this target.
        whole: The attack as it was planned, where that is more; None where it is the same.
    """

    title: str
    attack: Attack
    whole: Attack | None = None


def probed(bench: Bench, defence: str, planned: Planned | None) -> Iterator[MeasurementCheck]:
    """Yield the checks of one target, one of each of :data:`PROBED`.

    Args:
        bench: Some images before the target.
        defence: Its label.
        planned: The attack of the plan that is compared; None where there is none that can be.
    """
    unstable = unstable_answers(bench, defence)
    yield unstable
    yield saturated(bench, defence)
    yield inner_gradients(bench, defence)
    slope = bench.slope()
    yield no_gradient(bench, defence, present=slope.gradient is not None)
    reason = ""
    if slope.gradient is None or 2 * int(slope.zero.sum()) > len(bench):
        reason = "There is no gradient to follow, so nothing more can be said of the attacks that follow it."
    elif unstable.verdict == Verdict.SUSPECT:
        reason = "The model answers equal calls otherwise, so two runs cannot be compared."
    if reason or slope.gradient is None:
        yield from (not_applicable(kind, defence, reason) for kind in (*GRADIENTS, *COMPARED))
        return
    yield not_uphill(bench, defence, slope.gradient)
    yield unreached(bench, defence)
    if planned is None:
        yield from (not_applicable(kind, defence, "No untargeted attack of the plan that follows gradients within a "
                                   f"bound can be run again at up to {PASSES} passes an image.") for kind in COMPARED)
        return
    if bench.random:
        # An attack sees single draws and its end is judged by the mean of some, so that images near the edge of a
        # decision come out differently by chance alone.
        yield from (not_applicable(kind, defence, "The defence draws at random, so two runs differ by chance as well.")
                    for kind in COMPARED)
        return
    yield from compared(bench, defence, planned)


def unstable_answers(bench: Bench, defence: str) -> MeasurementCheck:
    """Ask twice about the same images (Pintor et al. 2022: unstable predictions)."""
    with torch.no_grad():
        first, second = bench.core.logits(bench.batch.images), bench.core.logits(bench.batch.images)
    share, more = REPEAT
    other = (first - second).abs().amax(1) > share * float(first.abs().max()) + more
    count, note = int(other.sum()), ""
    if bench.random:
        note = " The defence says that it draws at random, and adaptive attacks average over its draws."
    return check(Sign.UNSTABLE_ANSWERS, defence, bench.share(other), suspect=bool(count) and not bench.random,
                 sentence=f"{count} of {len(bench)} images got another answer when they were asked about again.{note}")


def saturated(bench: Bench, defence: str) -> MeasurementCheck:
    """Count images whose probabilities are 0 and 1 in single precision."""
    logits = bench.logits(bench.batch.images).double()
    if bench.core.card.task == Task.MULTILABEL:
        sure = logits.abs().amin(1) > SURE
    else:
        top = logits.topk(2, 1).values
        sure = top[:, 0] - top[:, 1] > SURE
    count = int(sure.sum())
    return check(Sign.SATURATED, defence, bench.share(sure), suspect=is_beyond(count, len(bench), SATURATED_SHARE),
                 sentence=f"Of {count} of {len(bench)} images the probabilities are exactly 0 and 1: a cross-entropy "
                          "has no gradient there.")


def inner_gradients(bench: Bench, defence: str) -> MeasurementCheck:
    """Watch whether the model computes gradients while it answers."""
    with torch.no_grad(), gradients_watched() as seen:
        bench.core.logits(bench.batch.images[:1])
    does = "computes gradients" if seen else "computes no gradient"
    return check(Sign.INNER_GRADIENTS, defence, float(bool(seen)), suspect=bool(seen), sentence=(
        f"The model {does} while it answers."))


def no_gradient(bench: Bench, defence: str, *, present: bool) -> MeasurementCheck:
    """Say whether the attacker's view lets gradients through (Pintor et al. 2022: unavailable gradients)."""
    said = "lets gradients through" if present else "lets no gradient through: it detaches or rounds its images"
    return check(Sign.NO_GRADIENT, defence, bench.share([not present] * len(bench)), suspect=not present, sentence=(
        f"The model, as the attacker sees it, {said}."))


def not_uphill(bench: Bench, defence: str, gradient: Tensor) -> MeasurementCheck:
    """Go along the sign of the gradient and against it, and see whether the answer moves as the gradient says."""
    signs, images = gradient.mean(1, keepdim=True).sign(), bench.batch.images
    agreed = torch.stack([(bench.margin((images + far * signs).clamp(0, 1))
                           - bench.margin((images - far * signs).clamp(0, 1))).sign() for far in ALONG]).sum(0)
    lost = agreed <= 0
    count = int(lost.sum())
    return check(Sign.NOT_UPHILL, defence, bench.share(lost), suspect=is_beyond(count, len(bench), UPHILL_SHARE),
                 sentence=f"On {count} of {len(bench)} images a change of 1 and of 4 grey levels along the gradient "
                          "brings the reading no nearer to an error than one against it.")


def unreached(bench: Bench, defence: str) -> MeasurementCheck:
    """Attack at half the grey range, where every reading can be turned (Carlini et al. 2019, section 4.2)."""
    left = bench.everything()
    for steps in (SHORT, LONG):
        left = bench.left(PGD(epsilon=HUGE, steps=steps, eot=samples(bench)), f"probe/huge/{steps}", left)
    count = int(left.sum())
    return check(Sign.UNREACHED, defence, bench.share(left), suspect=is_beyond(count, len(bench), KEPT), sentence=(
        f"{count} of {len(bench)} readings withstand a change of up to half the grey range."))


def compared(bench: Bench, defence: str, planned: Planned) -> Iterator[MeasurementCheck]:
    """Yield what is found beyond an attack of the plan, by more of it, by less, and without gradients.

    What takes long is tried on those that it left nearest to an error, which are the likeliest to be turned.
    """
    watched = bench.watched(planned.attack)
    margin = bench.after(planned.attack, "probe/planned", bench.everything(), watched)
    left, near = margin <= 0, nearest(margin, max(FEW, math.ceil(len(bench) / NEAREST)))
    yield unfinished(bench, defence, planned, near)
    yield beyond(bench, defence, Sign.SILENT_SUCCESS, left & watched.misread.cpu(),
                 f"were misread on the way of {planned.title} and are read as before at its end")
    yield single_step(bench, defence, planned, left)
    yield black_box(bench, defence, planned, near)


def unfinished(bench: Bench, defence: str, planned: Planned, left: Tensor) -> MeasurementCheck:
    """Attack what is left with twice the steps from other starts, and with an attack that sets its own step size.

    Where that was left by a part of the plan's attack alone, what is found counts only if the whole leaves it too.
    """
    still, tried = left, longer(planned.attack)
    if not tried:
        return not_applicable(Sign.UNFINISHED, defence, f"{planned.title} has no steps that could be doubled.")
    for place, stronger in enumerate(tried):
        still = bench.left(stronger, f"probe/longer/{place}", still)
    found = left & ~still
    if planned.whole is not None and is_beyond(int(found.sum()), len(bench), POINTS):
        found = bench.left(planned.whole, "probe/whole", found)
    starts = "a further start" if len(tried) == 1 else f"{len(tried)} further starts"
    return beyond(bench, defence, Sign.UNFINISHED, found, f"withstand {planned.title}, and not more steps and {starts}")


def single_step(bench: Bench, defence: str, planned: Planned, left: Tensor) -> MeasurementCheck:
    """Attack what many steps left with a single one."""
    bound = planned.attack.budget
    if isinstance(planned.attack, FGSM) or bound.norm != Norm.LINF or bound.epsilon is None:
        return not_applicable(Sign.SINGLE_STEP, defence, f"{planned.title} takes a single step, or bounds no pixel by "
                              "itself.")
    step = FGSM(epsilon=bound.epsilon, colour=planned.attack.channels.value)
    return beyond(bench, defence, Sign.SINGLE_STEP, left & ~bench.left(step, "probe/step", left),
                  f"withstand {planned.title}, and not a single step of the same size")


def black_box(bench: Bench, defence: str, planned: Planned, left: Tensor) -> MeasurementCheck:
    """Search what is left without gradients, within the same bound."""
    bound = planned.attack.budget
    within: dict[str, Any] = {"norm": bound.norm, "epsilon": bound.epsilon, "colour": planned.attack.channels.value}
    search = SquareAttack(**within, queries=QUERIES)
    return beyond(bench, defence, Sign.BLACK_BOX, left & ~bench.left(search, "probe/search", left),
                  f"withstand {planned.title}, and not a search of {QUERIES} queries without gradients, within the "
                  "same bound")


def beyond(bench: Bench, defence: str, kind: Sign, found: Tensor, what: str) -> MeasurementCheck:
    """Return the check of images that the planned attack should have turned."""
    count = int(found.sum())
    return check(kind, defence, bench.share(found), sentence=f"{count} of {len(bench)} images {what}.",
                 suspect=is_beyond(count, len(bench), POINTS))


def longer(attack: Attack) -> list[Attack]:
    """Return what takes more steps than an attack: itself with twice as many, and Auto-PGD with steps of its own size.

    Of an attack that is such an Auto-PGD itself, only the first.

    Example:
        >>> [(type(item).__name__, item.steps) for item in longer(PGD(steps=30))]
        [('PGD', 60), ('AutoPGD', 60)]
        >>> [(type(item).__name__, item.steps) for item in longer(AutoPGD(steps=30))]
        [('AutoPGD', 60)]
    """
    steps = getattr(attack, "steps", 0)
    changes: dict[str, Any] = {"steps": 2 * steps}
    doubled: list[Attack] = [replace(attack, **changes)] if steps else []
    bound = attack.budget
    if bound.norm is None or bound.epsilon is None or type(attack) is AutoPGD:
        return doubled
    return [*doubled, AutoPGD(norm=bound.norm.value, epsilon=bound.epsilon, steps=2 * max(steps, STEPS),
                              colour=attack.channels.value, eot=getattr(attack, "eot", 1))]


def samples(bench: Bench) -> int:
    """Return how many answers an attack on the target averages."""
    return EXPECTATION if bench.random else 1
