"""What is checked of a measurement, from which figure on it is suspect, and what to do then.

Sources: Pintor et al. 2022, arXiv:2106.09947 (indicators of attack failure); Carlini et al. 2019, arXiv:1902.06705
(checklist); Croce and Hein 2020, arXiv:2003.01690 (flags of AutoAttack); Athalye et al. 2018, arXiv:1802.00420.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from radversary.auditing.schema import Record
from radversary.core.types import Estimate

ZERO_SHARE: Final = 0.01
"""Share of exactly zero gradients from which on they are suspect."""

OUTDONE_SHARE: Final = 1 / 3
"""Share of images on which chance outdid an attack from which on its gradients are suspect.

Five compete with the attack, four random changes and none, so that one that knows nothing is outdone on five images
of six. Against trained and untrained networks and behind JPEG, attacks that follow true gradients were outdone on none
at 1 to 32 grey levels; behind a random defence whose draws outweigh one grey level, on up to 28 %. Of few patients a
share is uncertain.
"""

POINTS: Final = 0.02
"""Share of images that more effort, one step or a search may turn beyond the attack that was run.

Croce and Hein 2020 call an attack reliable where further ones lower the accuracy by less than one to two points.
"""

LEAST: Final = 2
"""Images at least behind a verdict of a probe: of 24 images a single one is four points, and may be chance."""

KEPT: Final = 0.05
"""Share of readings that may withstand an attack of half the grey range, which can turn every film into even grey."""

SATURATED_SHARE: Final = 0.5
"""Share of images with a probability of 0 or 1 in single precision from which on answers are called saturated.

There the cross-entropy and its gradient are zero. Well trained networks are that sure of some images.
"""

UPHILL_SHARE: Final = 0.25
"""Share of images on which a gradient that points anywhere is noticed: such a one fails on half of them, a true one on
hardly any."""


class Sign(StrEnum):
    """What may be wrong with a measurement, in the order in which one causes the next."""

    DOUBTFUL_LOGITS = "answers look like probabilities"
    UNSTABLE_ANSWERS = "answers change from call to call"
    SATURATED = "probabilities are saturated"
    INNER_GRADIENTS = "model optimises while it answers"
    NO_GRADIENT = "no gradient"
    ZERO_GRADIENTS = "zero gradients"
    MISLEADING_GRADIENTS = "misleading gradients"
    NOT_UPHILL = "gradients disagree with the answers"
    UNREACHED = "a huge change does not fool the model"
    UNFINISHED = "a longer attack finds more"
    SILENT_SUCCESS = "a success is thrown away"
    SINGLE_STEP = "one step beats many"
    BLACK_BOX = "less knowledge beats more"
    NOT_MONOTONE = "a larger change harms less"
    HELPFUL_ATTACK = "attack raises accuracy"
    WEAK_ATTACKER = "adaptive attacker too weak"


class Verdict(StrEnum):
    """What a check says."""

    SUSPECT = "suspect"
    FINE = "fine"
    NOT_APPLICABLE = "not applicable"


class Unit(StrEnum):
    """What a figure is a share of, or counts."""

    IMAGES = "images"
    GRADIENTS = "gradients"
    POINTS = "points of accuracy"
    YES = "yes or no"


@dataclass(frozen=True)
class Rule:
    """What is asked, and what follows.

    Attributes:
        question: In words of those who use the model; the answer that lets one rest is yes.
        figure: What is counted.
        unit: What the figure is of.
        threshold: The figure from which on, or above which, it is suspect.
        advice: What to do where it is suspect.
        source: Who says so.
    """

    question: str
    figure: str
    unit: Unit
    threshold: float
    advice: str
    source: str


class MeasurementCheck(Record):
    """One check of the measurement behind one defence.

    Attributes:
        kind: What may be wrong.
        defence: The defence whose measurement is checked; the first, where several share the model that is attacked.
        figure: What was counted; None where the check does not apply.
        unit: What the figure is of.
        threshold: The figure from which on it is suspect.
        verdict: What follows.
        sentence: All of it for people.
        advice: What to do; empty where nothing is.
    """

    kind: Sign
    defence: str
    figure: Estimate | float | None = None
    unit: Unit
    threshold: float
    verdict: Verdict
    sentence: str
    advice: str = ""

    @property
    def value(self) -> float | None:
        """The figure without its interval."""
        return self.figure.value if isinstance(self.figure, Estimate) else self.figure


PINTOR, CARLINI = "Pintor et al. 2022, arXiv:2106.09947", "Carlini et al. 2019, arXiv:1902.06705"
CROCE, ATHALYE = "Croce and Hein 2020, arXiv:2003.01690", "Athalye et al. 2018, arXiv:1802.00420"
APPROXIMATE: Final = ("Attack a differentiable stand-in for the part that gives no usable gradient (BPDA), and run "
                      "attacks that need no gradient; until then do not read its accuracy as robustness.")

RULES: Final[Mapping[Sign, Rule]] = MappingProxyType({
    Sign.DOUBTFUL_LOGITS: Rule(
        "Are the model's answers the scores that they are taken for?", "answers that look like probabilities",
        Unit.YES, 1.0, "State output: probabilities in the model's card, or remove its last sigmoid or softmax.",
        CROCE),
    Sign.UNSTABLE_ANSWERS: Rule(
        "Does the model answer the same image the same way twice?",
        "images that are answered otherwise the second time",
        Unit.IMAGES, 0.0, "Declare the defence as random, so that attacks average over its draws, or switch the chance "
        "off; then measure again.", PINTOR),
    Sign.SATURATED: Rule(
        "Are the model's probabilities short of absolute certainty?", "images whose probabilities are exactly 0 and 1",
        Unit.IMAGES, SATURATED_SHARE, "Divide the scores by a constant (temperature) for attacks that follow "
        "probabilities; those here follow differences of scores. Do not trust its probabilities as they are.", CARLINI),
    Sign.INNER_GRADIENTS: Rule(
        "Does the model answer in one pass, without optimising?", "answers during which gradients are computed",
        Unit.YES, 1.0, "Attack through the whole optimisation, or with a method written for this defence; ordinary "
        "attacks see only part of it.", CROCE),
    Sign.NO_GRADIENT: Rule(
        "Does the attacker's view of the model let gradients through?", "images without a gradient", Unit.IMAGES, 0.0,
        APPROXIMATE, PINTOR),
    Sign.ZERO_GRADIENTS: Rule(
        "Did the attacks have gradients to follow?", "gradients that were exactly zero", Unit.GRADIENTS, ZERO_SHARE,
        APPROXIMATE, CARLINI),
    Sign.MISLEADING_GRADIENTS: Rule(
        "Did following gradients do better than chance?", "images on which random changes came nearer to an error",
        Unit.IMAGES, OUTDONE_SHARE, APPROXIMATE, ATHALYE),
    Sign.NOT_UPHILL: Rule(
        "Does the model's answer change the way its gradient says?",
        "images whose answer does not move along the gradient", Unit.IMAGES, UPHILL_SHARE, APPROXIMATE, ATHALYE),
    Sign.UNREACHED: Rule(
        "Does a change of half the grey range turn nearly every reading?", "readings that withstand it", Unit.IMAGES,
        KEPT, "No model can read a film that became even grey: the attack is broken. Find out why before you trust "
        "accuracies at smaller bounds.", CARLINI),
    Sign.UNFINISHED: Rule(
        "Did the attack run long enough?", "images that twice the steps and further starts turn in addition",
        Unit.IMAGES, POINTS, "Give the attack more steps and restarts until its figure stays the same.", PINTOR),
    Sign.SILENT_SUCCESS: Rule(
        "Does the attack hand over the best image that it found?",
        "images that were misread on the way and are not at the end", Unit.IMAGES, POINTS,
        "Run an attack that keeps its best point, such as apgd, or count every point on the way.", PINTOR),
    Sign.SINGLE_STEP: Rule(
        "Do many small steps do at least as well as a single one?", "images that one step turns and many do not",
        Unit.IMAGES, POINTS, "Check the step size of the attack and whether gradients far from the image are usable.",
        CARLINI),
    Sign.BLACK_BOX: Rule(
        "Does knowing the model help at least as much as not knowing it?",
        "images that an attack without gradients turns and one with gradients does not", Unit.IMAGES, POINTS,
        "Take the lower figure, and look for masked gradients before you trust either.", CARLINI),
    Sign.NOT_MONOTONE: Rule(
        "Does a larger permitted change harm at least as much as a smaller one?",
        "rise of accuracy with the bound", Unit.POINTS, 0.0,
        "Whatever is found within a small bound lies within a larger one too: give the attack more steps there.",
        CARLINI),
    Sign.HELPFUL_ATTACK: Rule(
        "Do attacks harm, and not help?", "gain of accuracy by an attack", Unit.POINTS, 0.0,
        "Look for gradients of the wrong sign, and for labels that the model does not read as they are written.",
        CARLINI),
    Sign.WEAK_ATTACKER: Rule(
        "Does the attacker who knows the whole defence do most harm?", "accuracy that the knowing attacker leaves more",
        Unit.POINTS, 0.0, "Take the lower figure, and improve the adaptive attack: its stand-in for the defence is too "
        "coarse, or it averages too few draws.", CARLINI),
})
"""What is asked of each."""


def check(kind: Sign, defence: str, figure: Estimate | float, sentence: str, *, suspect: bool) -> MeasurementCheck:
    """Return a check that was made.

    Args:
        kind: What may be wrong.
        defence: The defence's label.
        figure: What was counted.
        sentence: All of it for people.
        suspect: Whether the figure is beyond the threshold, and enough of it.
    """
    rule = RULES[kind]
    return MeasurementCheck(kind=kind, defence=defence, figure=figure, unit=rule.unit, threshold=rule.threshold,
                            verdict=Verdict.SUSPECT if suspect else Verdict.FINE, sentence=sentence,
                            advice=rule.advice if suspect else "")


def not_applicable(kind: Sign, defence: str, reason: str) -> MeasurementCheck:
    """Return a check that could not be made.

    Args:
        kind: What may be wrong.
        defence: The defence's label.
        reason: Why not, a sentence.

    Example:
        >>> not_applicable(Sign.NO_GRADIENT, "none", "It gives no gradient.").verdict.value
        'not applicable'
    """
    rule = RULES[kind]
    return MeasurementCheck(kind=kind, defence=defence, unit=rule.unit, threshold=rule.threshold,
                            verdict=Verdict.NOT_APPLICABLE, sentence=reason)


def is_beyond(count: int, images: int, threshold: float) -> bool:
    """Return whether so many images are a verdict: above the threshold, and :data:`LEAST` at least.

    Example:
        >>> is_beyond(1, 24, 0.02), is_beyond(2, 24, 0.02), is_beyond(2, 200, 0.02)
        (False, True, False)
    """
    return count >= LEAST and count > threshold * images
