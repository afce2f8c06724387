"""Who the attackers of a run were: what they know, may do and want, and which of them were not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from radversary.auditing.cell_table import KNOWLEDGE
from radversary.auditing.cells import UNTARGETED, Condition
from radversary.auditing.techniques import AttackTechnique, TechniqueId
from radversary.auditing.wording import goal_words, level, measure_name
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Colour, Norm
from radversary.report.result_view import ResultView

WHO: Final = {
    AttackerKnowledge.OBLIVIOUS: "attacks the classifier without its defences, or asks no model at all",
    AttackerKnowledge.TRANSFER: "attacks a model of their own and lets the changed images carry over",
    AttackerKnowledge.GRAY_BOX: "knows the classifier behind a defence, not the steps before it",
    AttackerKnowledge.ADAPTIVE: "knows the classifier and every step before it, and attacks the whole"}
"""What each attacker knows, as :class:`radversary.core.types.AttackerKnowledge` defines it."""
FAMILIES: Final = {
    AttackFamily.STYLE: "style of another scanner or texture", AttackFamily.GRADIENT: "gradients of the model",
    AttackFamily.TRANSFER: "gradients made to carry over", AttackFamily.QUERY: "answers of the model alone",
    AttackFamily.UNIVERSAL: "one change for all images", AttackFamily.ACQUISITION: "exposure, display and positioning",
    AttackFamily.PATCH: "a small patch"}
"""What an aimed family uses."""
ACCESS: Final = {"none": "asks no model", "labels": "sees decisions", "scores": "sees scores",
                 "gradients": "sees gradients"}
NORMS: Final = {Norm.LINF: "L∞", Norm.L2: "L2"}


@dataclass(frozen=True)
class Attacker:
    """The attackers of one degree of knowledge.

    Attributes:
        knowledge: The degree.
        who: What that means.
        attacks: Labels of the attacks that were run so.
    """

    knowledge: AttackerKnowledge
    who: str
    attacks: tuple[str, ...]


@dataclass(frozen=True)
class Threat:
    """One attack as a threat.

    Attributes:
        attack: Its label.
        family: What it uses.
        access: What it sees of the model that it is made on; empty where the result does not say it.
        knowledge: The degrees of knowledge at which it was run.
        reach: What it may do, a phrase each.
        goal: What it wants.
        nist: Its classes in NIST AI 100-2; none where the result does not say it.
        atlas: Its techniques in MITRE ATLAS; likewise.
    """

    attack: str
    family: str
    access: str
    knowledge: tuple[AttackerKnowledge, ...]
    reach: tuple[str, ...]
    goal: str
    nist: tuple[TechniqueId, ...]
    atlas: tuple[TechniqueId, ...]


@dataclass(frozen=True)
class ThreatModel:
    """The threat model of a run.

    Attributes:
        attackers: By knowledge, the least knowing first.
        threats: The aimed attacks.
        controls: Labels of noise and natural corruptions, which nobody aims.
        gaps: What was not run, a sentence each.
        versions: Versions of the taxonomies, such as ``MITRE ATLAS 5.6.0``; none where the result does not say them.
    """

    attackers: tuple[Attacker, ...]
    threats: tuple[Threat, ...]
    controls: tuple[str, ...]
    gaps: tuple[str, ...]
    versions: tuple[str, ...]


def threat_model(view: ResultView) -> ThreatModel:
    """Return the threat model of a run: its attackers, attacks, controls and gaps.

    Args:
        view: The result.
    """
    labels = tuple(dict.fromkeys(condition.attack for condition in view.aimed))
    return ThreatModel(
        attackers=tuple(Attacker(knowledge, WHO[knowledge], found) for knowledge in KNOWLEDGE
                        if (found := tuple(label for label in labels if knowledge in view.knowledge_levels(label)))),
        threats=tuple(threat(view, label) for label in labels),
        controls=tuple(label for label in view.attacks if label not in labels),
        gaps=tuple(gaps(view)), versions=versions(view.result.techniques))


def threat(view: ResultView, label: str) -> Threat:
    """Return one attack as a threat.

    Args:
        view: The result.
        label: The attack.
    """
    conditions = [condition for condition in view.aimed if condition.attack == label]
    known = [item for item in view.result.techniques if item.attack == label]
    return Threat(attack=label, family=FAMILIES[conditions[0].family], knowledge=view.knowledge_levels(label),
                  access=ACCESS[known[0].access] if known else "", reach=tuple(reach(conditions)),
                  goal=goal_words(conditions[0].goal), nist=tuple(dict.fromkeys(item.nist for item in known)),
                  atlas=tuple(dict.fromkeys(item.atlas for item in known)))


def reach(conditions: Sequence[Condition]) -> Iterator[str]:
    """Yield what an attack may do, over all strengths at which it was run.

    Args:
        conditions: All conditions of one attack.

    Example:
        >>> from radversary.core.types import AttackContract
        >>> list(reach([Condition(attack="a", strength=k / 255, measure="epsilon", norm="linf", epsilon=k / 255,
        ...                       queries=500, contract=AttackContract.FIXED_BUDGET) for k in (1, 8)]))
        ['L∞ 1/255 to 8/255', '500 answers an image at most']
    """
    first, strengths = conditions[0], [condition.strength for condition in conditions]
    bounds = [condition.epsilon for condition in conditions if condition.epsilon is not None]
    norm = NORMS[first.norm] if first.norm else ""
    if first.contract == AttackContract.SMALLEST_CHANGE:
        yield f"the smallest change {f'by {norm} ' if norm else ''}that succeeds"
    elif norm and bounds:
        yield f"{norm} {between(bounds, 'epsilon' if first.norm == Norm.LINF else '')}"
    else:
        yield f"{measure_name(first.measure)} {between(strengths, first.measure)}, bounded by no norm"
    if queries := [condition.queries for condition in conditions if condition.queries is not None]:
        yield f"{max(queries)} answers an image at most"
    if first.colour == Colour.RGB:
        yield "colour"


def between(values: Sequence[float], measure: str) -> str:
    """Write the smallest and the largest of some strengths, or the only one."""
    ends = dict.fromkeys(level(value, measure) for value in (min(values), max(values)))
    return " to ".join(ends)


def gaps(view: ResultView) -> Iterator[str]:
    """Yield what was not run, a sentence each.

    Args:
        view: The result.
    """
    families = {condition.family for condition in view.aimed}
    if left := [f"{family} ({FAMILIES[family]})" for family in AttackFamily if family.aimed and family not in families]:
        yield f"No attack of these families was run: {', '.join(left)}."
    known = {condition.knowledge for condition in view.aimed}
    for knowledge in AttackerKnowledge:
        if knowledge not in known:
            yield f"No {knowledge} attacker was run, one who {WHO[knowledge]}."
    goals = {condition.goal for condition in view.aimed}
    if goals == {UNTARGETED}:
        yield "No attack wanted a particular wrong reading; all of them wanted any."
    if view.result.intended_use is None:
        yield "The maker has not stated the intended use, so nobody can say whether these attackers are likely."
    yield ("Attackers who poison training data, steal the model or learn of its training images are no part of an "
           "audit of images.")


def versions(techniques: Sequence[AttackTechnique]) -> tuple[str, ...]:
    """Return the versions of the taxonomies that some techniques are named in."""
    nist = (f"NIST {item.nist.version}" for item in techniques if item.nist.version)
    atlas = (f"MITRE ATLAS {item.atlas.version}" for item in techniques if item.atlas.version)
    return tuple(dict.fromkeys((*nist, *atlas)))
