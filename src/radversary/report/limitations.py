"""What a run cannot tell, each sentence from a field of its result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from radversary.auditing.cell_table import NONE, defence_name
from radversary.auditing.measurement.checks import Verdict
from radversary.core.types import AttackerKnowledge
from radversary.report.regulatory.facts import FACTS
from radversary.report.result_view import ResultView

NAMED: Final = 6
"""Attacks, defences or detectors that a sentence names; of more it says how many."""


@dataclass(frozen=True)
class Limitation:
    """One limitation.

    Attributes:
        topic: What it is about: ``data``, ``attacks``, ``measurement``, ``defences``, ``detection`` or ``proof``.
        sentence: What it is.
    """

    topic: str
    sentence: str


def limitations(view: ResultView) -> dict[str, list[str]]:
    """Return the limitations of a run by topic; a topic without any is absent.

    Args:
        view: The result.
    """
    found: dict[str, list[str]] = {}
    for part in (of_data, of_attacks, of_measurement, of_defences, of_detection):
        for item in part(view):
            found.setdefault(item.topic, []).append(item.sentence)
    proof = ("Robustness was measured against the attacks that were run, not proved: no radius is certified, and a "
             "stronger attack may do worse.")
    return {**found, "proof": [proof]}


def of_data(view: ResultView) -> Iterator[Limitation]:
    """Yield what the data leave open; the warnings of the data check are among it, word for word."""
    data = view.result.data
    if data.synthetic:
        yield Limitation("data", "The images are phantoms, drawn by a program: no figure says anything of patients.")
    if not view.labelled:
        yield Limitation("data", "No image had a label, so figures say how stable readings are, not how right.")
    if set(data.images or data.patients) >= {"train", "test"}:
        yield Limitation("data", "Test images come from the same source as the training images: nothing is known of "
                                 "images from elsewhere.")
    if view.clean(NONE) and not FACTS["characteristics"].holds(view):
        yield Limitation("data", "Nothing is known of the patients or the machines, so no subgroup can be looked at.")
    for warning in data.warnings:
        yield Limitation("data", warning)


def of_attacks(view: ResultView) -> Iterator[Limitation]:
    """Yield what the attacks leave open."""
    result = view.result
    if result.battery is None and view.aimed:
        yield Limitation("attacks", "The attacks are the plan's own, of no standard battery: other runs need not have "
                                    "had the same.")
    if not view.aimed:
        yield Limitation("attacks", "No aimed attack was run.")
    if parts := list(dict.fromkeys(f"{c.attack} ({view.count(c)})" for c in view.aimed if view.is_subset(c))):
        clean = view.clean(NONE)
        of = f"{clean.performance.accuracy.n} {view.words.counted}" if clean else "all"
        yield Limitation("attacks", f"Run on some of the {of} only: {named(parts)}.")
    if alone := sorted({c.attack for c in view.aimed if any(view.cell(c, d) is None for d in view.defences)}):
        yield Limitation("attacks", f"Not run against every defence: {named(alone)}.")
    if left := max((case.left_out for case in result.worst_cases), default=0):
        yield Limitation("attacks", f"Conditions on too few images, which worst cases leave out: {left}.")


def of_measurement(view: ResultView) -> Iterator[Limitation]:
    """Yield what is doubtful of the measurement itself."""
    result = view.result
    for finding in result.findings:
        yield Limitation("measurement", finding.sentence)
    suspect = [check for check in result.measurement if check.verdict == Verdict.SUSPECT]
    if suspect:
        names = list(dict.fromkeys(f"{check.kind} ({defence_name(check.defence)})" for check in suspect))
        yield Limitation("measurement", f"Checks of the measurement that are suspect: {named(names)}.")
    if not result.measurement and view.aimed:
        yield Limitation("measurement", "Whether the attacks on these models can work at all was not checked.")
    if any(not check.equal for check in view.identity_checks):
        yield Limitation("measurement", "The attack that changes nothing changed figures: saving and loading alone "
                                        "alter readings.")


def of_defences(view: ResultView) -> Iterator[Limitation]:
    """Yield what the defences leave open."""
    adaptive = {cell.defence for cell in view.result.cells if cell.condition.knowledge == AttackerKnowledge.ADAPTIVE
                and (cell.condition.evades or cell.defence not in view.guards)}
    if without := [name for name in view.competitors if name not in adaptive]:
        yield Limitation("defences", f"No attacker who knows the defence was run against: {named(without)}. What they "
                                     "gain is of attackers who do not know them.")
    if overlap := view.result.training_overlap:
        pairs = [pair.replace("/", " behind ") for pair in overlap]
        yield Limitation("defences", f"Trained with the attack's own generator or model: {named(pairs)}.")
    if view.oracles:
        yield Limitation("defences", f"Trained on an audited attack, and so no defences: {named(view.oracles)}.")


def of_detection(view: ResultView) -> Iterator[Limitation]:
    """Yield what detection leaves open; where a guard was audited, which needs no original, nothing."""
    found = view.result.detections
    if view.guards:
        return
    if not found:
        yield Limitation("detection", "Whether attacks can be detected was not assessed.")
    elif all(item.needs_original for item in found):
        yield Limitation("detection", "Every detector here compares an image with its original, which nobody has where "
                                      "an attacked image arrives.")


def named(names: list[str] | tuple[str, ...]) -> str:
    """Return names as a sentence holds them.

    Example:
        >>> named(["a", "b"]), named(list("abcdefgh"))
        ('a, b', 'a, b, c, d, e, f and 2 more')
    """
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
