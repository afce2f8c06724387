"""Checks of a measurement as an audit makes them, of three defences: what is suspect, fine and not asked."""

from __future__ import annotations

from radversary.auditing.measurement.checks import RULES, MeasurementCheck, Sign, Unit, check, not_applicable
from radversary.core.types import Estimate

NO_GRADIENT_REASON = "There is no gradient to follow, so nothing more can be said of the attacks that follow it."
SUSPECT = {
    ("jpeg-75", Sign.ZERO_GRADIENTS): (0.42, "42 of 100 gradients of pgd were exactly zero."),
    ("none", Sign.UNFINISHED): (Estimate(5 / 24, 0.08, 0.37, 24),
                                "5 of 24 images withstand pgd, ε 4/255, and not more steps and 2 further starts."),
}


DEFENCES = ("none", "jpeg-75", "adversarial training")


def measurement(defences: tuple[str, ...] = DEFENCES) -> tuple[MeasurementCheck, ...]:
    return tuple(made(kind, defence) for kind in Sign for defence in defences)


def made(kind: Sign, defence: str) -> MeasurementCheck:
    if (defence, kind) in SUSPECT:
        return check(kind, defence, *SUSPECT[defence, kind], suspect=True)
    if defence == "jpeg-75" and kind in (Sign.NOT_UPHILL, Sign.UNREACHED, Sign.UNFINISHED, Sign.BLACK_BOX):
        return not_applicable(kind, defence, NO_GRADIENT_REASON)
    count = 1 if RULES[kind].threshold else 0
    figures = {Unit.IMAGES: Estimate(count / 24, 0.0, 0.14, 24), Unit.POINTS: -0.02}
    return check(kind, defence, figures.get(RULES[kind].unit, 0.0), "Nothing was found.", suspect=False)
