"""What the figures of an audit themselves say of its measurement; nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from radversary.auditing.cell_table import defence_name
from radversary.auditing.cells import UNTARGETED, Cell, Condition, OutcomeSummary
from radversary.auditing.findings import follows_pixels, grouped, is_clear, weak_attackers
from radversary.auditing.measurement.checks import MeasurementCheck, Sign, Verdict, check, not_applicable
from radversary.auditing.result import Finding, FindingKind
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Estimate

KINDS: Final[Mapping[Sign, FindingKind]] = {
    Sign.DOUBTFUL_LOGITS: FindingKind.DOUBTFUL_LOGITS, Sign.ZERO_GRADIENTS: FindingKind.ZERO_GRADIENTS,
    Sign.MISLEADING_GRADIENTS: FindingKind.MISLEADING_GRADIENTS, Sign.HELPFUL_ATTACK: FindingKind.HELPFUL_ATTACK,
    Sign.WEAK_ATTACKER: FindingKind.WEAK_ATTACKER}
"""Checks whose figures are those of findings."""

BLIND: Final = frozenset({AttackFamily.QUERY, AttackFamily.TRANSFER, AttackFamily.UNIVERSAL})
"""Families of attacks that do without gradients of the victim."""

BLINDED: Final = (Sign.ZERO_GRADIENTS, Sign.MISLEADING_GRADIENTS, Sign.NOT_MONOTONE, Sign.HELPFUL_ATTACK,
                  Sign.WEAK_ATTACKER)
"""What follows where attacks have no gradient: they leave images as they are, or change them at random."""

MOST: Final = 0.5
"""Share of gradients that are missing from which on the attack had none to follow."""


def signs_of(cells: Sequence[Cell], outcomes: Sequence[OutcomeSummary], findings: Sequence[Finding], *,
             suspicions: Mapping[str, str], defences: Sequence[str],
             single_steps: frozenset[str] = frozenset()) -> tuple[MeasurementCheck, ...]:
    """Return what follows from the figures of an audit, one check a kind and defence.

    Args:
        cells: Its figures.
        outcomes: What its attacks reached and cost.
        findings: Its findings, which say the same of the same figures.
        suspicions: Defence label to why the answers of its model may be no logits.
        defences: Labels of the defences.
        single_steps: Labels of the attacks that take one step.
    """
    found: list[MeasurementCheck] = []
    for defence in defences:
        own = [cell for cell in cells if cell.defence == defence]
        reached = [item for item in outcomes if item.target == defence
                   and item.condition.knowledge != AttackerKnowledge.TRANSFER]
        said = {item.kind: item for item in sorted(findings, key=lambda item: item.value) if item.defence == defence}
        found += [doubtful(defence, suspicions), zero(defence, reached, said), misleading(defence, reached, said),
                  helpful(defence, own, said), weak(defence, own, said), not_monotone(defence, own),
                  step_cells(defence, own, single_steps), blind_cells(defence, own)]
    return tuple(found)


def doubtful(defence: str, suspicions: Mapping[str, str]) -> MeasurementCheck:
    """Say whether the answers of a model look like probabilities."""
    return check(Sign.DOUBTFUL_LOGITS, defence, float(defence in suspicions), suspect=defence in suspicions,
                 sentence=suspicions.get(defence, "The model's answers to generated images look like scores."))


def zero(defence: str, outcomes: Sequence[OutcomeSummary], said: Mapping[FindingKind, Finding]) -> MeasurementCheck:
    """Return the largest share of zero gradients of an attack."""
    followed = [item for item in outcomes if follows_pixels(item)]
    if not followed:
        return not_applicable(Sign.ZERO_GRADIENTS, defence, "No attack followed gradients of this defence.")
    worst = max(followed, key=lambda item: item.zero_gradients)
    return told(Sign.ZERO_GRADIENTS, defence, worst.zero_gradients, said,
                f"At most a share of {worst.zero_gradients:.2g} of the gradients of an attack was exactly zero.")


def misleading(defence: str, outcomes: Sequence[OutcomeSummary],
               said: Mapping[FindingKind, Finding]) -> MeasurementCheck:
    """Return the largest share of images on which chance outdid an attack."""
    shares = [item.outdone for item in outcomes if item.outdone is not None and item.outdone.n]
    if not shares:
        return not_applicable(Sign.MISLEADING_GRADIENTS, defence, "No attack followed gradients of this defence within "
                              "a bound, on images that it reads rightly.")
    own = [item for item in outcomes if item.outdone is not None
           and (finding := said.get(FindingKind.MISLEADING_GRADIENTS)) and item.condition == finding.condition]
    worst = own[0].outdone if own and own[0].outdone else max(shares, key=lambda share: share.value)
    return told(Sign.MISLEADING_GRADIENTS, defence, worst, said,
                "Random changes of the same size, or none, came nearer to an error than the attack on hardly any image "
                "that it failed on.")


def helpful(defence: str, cells: Sequence[Cell], said: Mapping[FindingKind, Finding]) -> MeasurementCheck:
    """Return the largest gain of accuracy by an attack."""
    changes = [cell.against_clean.difference for cell in cells
               if cell.against_clean is not None and cell.condition.family.aimed and cell.condition.goal == UNTARGETED]
    if not changes:
        return not_applicable(Sign.HELPFUL_ATTACK, defence, "No attack wanted any wrong reading behind this defence.")
    worst = max(changes, key=lambda change: (change.low > 0, change.value))
    return told(Sign.HELPFUL_ATTACK, defence, worst, said, "No attack raised the accuracy beyond its interval.")


def weak(defence: str, cells: Sequence[Cell], said: Mapping[FindingKind, Finding]) -> MeasurementCheck:
    """Return by how much the attacker who knows all leaves more right than one who knows less."""
    ranked = aimed(cells)
    known = {cell.condition.key: cell for cell in ranked}
    gaps = [value_of(cell) - value_of(other) for cell in ranked
            if cell.condition.knowledge == AttackerKnowledge.ADAPTIVE for knowledge in AttackerKnowledge
            if knowledge != AttackerKnowledge.ADAPTIVE
            and (other := known.get(cell.condition.model_copy(update={"knowledge": knowledge}).key))]
    if not gaps:
        return not_applicable(Sign.WEAK_ATTACKER, defence, "No attack was run both by one who knows the defence and by "
                              "one who does not.")
    clear = next(iter(weak_attackers(cells)), None)
    return told(Sign.WEAK_ATTACKER, defence, clear.value if clear else max(gaps), said,
                "Who knows the whole defence leaves no more right, beyond the intervals, than who knows less.")


def not_monotone(defence: str, cells: Sequence[Cell]) -> MeasurementCheck:
    """Return the largest rise of accuracy from a smaller bound to a larger one of the same attack.

    Of attacks that were aimed at what stands here: a larger change that was made for another model may well carry over
    less.
    """
    bounded = [cell for cell in aimed(cells) if cell.condition.contract == AttackContract.FIXED_BUDGET
               and cell.condition.epsilon and knows(cell, defence)]
    pairs = [(large, small) for own in grouped(bounded, lambda cell: (cell.condition.attack, cell.condition.knowledge))
             for large in own for small in own if bound(large) > bound(small)]
    return gap(Sign.NOT_MONOTONE, defence, pairs, "No attack was run at two bounds.",
               "Accuracy falls, or stays within its intervals, as the bound grows.",
               lambda large, small: f"{large.title} leaves more right than {small.title}")


def step_cells(defence: str, cells: Sequence[Cell], single_steps: frozenset[str]) -> MeasurementCheck:
    """Return by how much one step does better than many within the same bound, where both were run."""
    ranked = [cell for cell in aimed(cells) if cell.condition.family == AttackFamily.GRADIENT]
    pairs = [(many, one) for one in ranked if one.condition.attack in single_steps for many in ranked
             if many.condition.attack not in single_steps and alike(many, one)
             and many.condition.knowledge == one.condition.knowledge]
    best = strongest(pairs)
    return gap(Sign.SINGLE_STEP, defence, best, "No attack of one step and one of many were run within the same bound.",
               "Many steps leave no more right, beyond the intervals, than one.",
               lambda many, one: f"{many.title} leaves more right than {one.title}")


def blind_cells(defence: str, cells: Sequence[Cell]) -> MeasurementCheck:
    """Return by how much an attack without gradients of the defence does better than all that have them."""
    ranked = aimed(cells)
    white = [cell for cell in ranked if cell.condition.family == AttackFamily.GRADIENT and knows(cell, defence)]
    blind = [cell for cell in ranked if cell.condition.family in BLIND
             or cell.condition.knowledge == AttackerKnowledge.TRANSFER]
    best = strongest([(seeing, other) for other in blind for seeing in white if alike(seeing, other)])
    return gap(Sign.BLACK_BOX, defence, best, "No attack without gradients and one with them were run within the same "
               "bound.", "Attacks that follow gradients leave no more right, beyond the intervals, than others.",
               lambda seeing, other: f"{seeing.title}, which follows gradients, leaves more right than {other.title}")


def strongest(pairs: Iterable[tuple[Cell, Cell]]) -> list[tuple[Cell, Cell]]:
    """Return pairs in which the first is the one that leaves least right of all that stand against the second."""
    return [min(own, key=lambda pair: value_of(pair[0])) for own in grouped(pairs, lambda pair: pair[1].condition.key)]


def gap(kind: Sign, defence: str, pairs: Sequence[tuple[Cell, Cell]], none: str, fine: str,
        said: Callable[[Condition, Condition], str]) -> MeasurementCheck:
    """Return the check of pairs of which the first should leave no more right than the second.

    Args:
        kind: What may be wrong.
        defence: The defence's label.
        pairs: The stronger and the weaker.
        none: Why there are no pairs.
        fine: What is said where none stands out.
        said: What is said of one that does.
    """
    if not pairs:
        return not_applicable(kind, defence, none)
    clear = [pair for pair in pairs if is_clear(*pair)]
    worst = max(clear or pairs, key=lambda pair: value_of(pair[0]) - value_of(pair[1]))
    more, less = (cell.performance.accuracy for cell in worst)
    text = (f"{said(worst[0].condition, worst[1].condition)} against {defence_name(defence)}: {more}, not {less}."
            if clear else fine)
    return check(kind, defence, more.value - less.value, text, suspect=bool(clear))


def told(kind: Sign, defence: str, figure: Estimate | float, said: Mapping[FindingKind, Finding],
         fine: str) -> MeasurementCheck:
    """Return the check that a finding of the audit decides."""
    finding = said.get(KINDS[kind])
    return check(kind, defence, figure, finding.sentence if finding else fine, suspect=finding is not None)


def together(signs: Sequence[MeasurementCheck], probes: Sequence[MeasurementCheck]) -> tuple[MeasurementCheck, ...]:
    """Return all checks in the order of their kinds, one a kind and defence: of figures where they have it.

    Where attacks had no gradient to follow, that is said once: what follows from it is not suspect again.

    Args:
        signs: Of :func:`signs_of`.
        probes: Of :func:`radversary.auditing.measurement.probes.probed`, for each target.
    """
    kept = {(item.kind, item.defence): item for item in probes}
    for item in signs:
        if (item.kind, item.defence) not in kept or item.verdict != Verdict.NOT_APPLICABLE:
            kept[item.kind, item.defence] = item
    blind = [(item.kind, item.defence) for item in kept.values() if item.verdict == Verdict.SUSPECT
             and item.kind in (Sign.NO_GRADIENT, Sign.ZERO_GRADIENTS) and (item.value or 0.0) >= MOST]
    for cause, defence in blind:
        for kind in BLINDED:
            if list(Sign).index(kind) > list(Sign).index(cause):
                kept[kind, defence] = not_applicable(kind, defence, "The attacks had no gradient to follow, which is "
                                                     "said by itself.")
    order = list(dict.fromkeys(item.defence for item in (*signs, *probes)))
    return tuple(sorted(kept.values(), key=lambda item: (list(Sign).index(item.kind), order.index(item.defence))))


def aimed(cells: Iterable[Cell]) -> list[Cell]:
    """Return the cells of attacks that want any wrong reading and nothing else, such as passing a guard unnoticed."""
    return [cell for cell in cells if cell.condition.family.aimed and cell.condition.goal == UNTARGETED
            and not cell.condition.evades]


def alike(one: Cell, other: Cell) -> bool:
    """Return whether two attacks kept the same bound on the same number of images, in the same channels."""
    mine, theirs = one.condition, other.condition
    return (mine.norm is not None and bound(one) > 0 and one.performance.accuracy.n == other.performance.accuracy.n
            and (mine.norm, mine.epsilon, mine.colour) == (theirs.norm, theirs.epsilon, theirs.colour))


def knows(cell: Cell, defence: str) -> bool:
    """Return whether an attacker knew what it attacked: all of the defence, or the model that stands alone."""
    known = cell.condition.knowledge
    return known == AttackerKnowledge.ADAPTIVE or (defence == "none" and known != AttackerKnowledge.TRANSFER)


def bound(cell: Cell) -> float:
    """Return the bound of a cell's attack, 0 where it has none."""
    return cell.condition.epsilon or 0.0


def value_of(cell: Cell) -> float:
    """Return a cell's accuracy."""
    return cell.performance.accuracy.value
