"""Puts the checks of an audit together; what was probed is kept in the run folder, one target at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from radversary.attacks.base import Attack
from radversary.attacks.controls.equal_noise import evades
from radversary.attacks.goal import UNTARGETED
from radversary.attacks.gradient.fgsm import FGSM
from radversary.auditing.cells import Cell, OutcomeSummary
from radversary.auditing.guarded import Guarded
from radversary.auditing.measurement.affordable import affordable, part_of
from radversary.auditing.measurement.bench import Bench
from radversary.auditing.measurement.checks import MeasurementCheck, not_applicable
from radversary.auditing.measurement.probes import FORMAT, OWN_ATTACKS, PASSES, PROBED, Planned, probed
from radversary.auditing.measurement.signs import signs_of, together
from radversary.auditing.plan import AuditPlan
from radversary.auditing.result import Finding
from radversary.auditing.setup import AuditContext, condition_of
from radversary.auditing.threat_model import with_eot
from radversary.auditing.units import Views, targets
from radversary.classifiers.base import Classifier
from radversary.core.types import Access, AttackContract, AttackerKnowledge, AttackFamily, Estimate
from radversary.data.splits import some_rows
from radversary.execution.progress import working
from radversary.storage.checksums import sha256_json
from radversary.storage.hashes import code_hash
from radversary.storage.json_files import read_json, write_json

FILE: Final = "measurement.json"
"""File of the run folder in which probed targets are kept."""

EVEN: Final = 0.5
"""Success of an attack at which it shows most whether a better one would find more."""


@dataclass(frozen=True, eq=False)
class Target:
    """A model that attacks of an audit follow gradients of.

    Attributes:
        label: The first defence that it stands behind.
        core: The model.
        runs: What is run on it: attack at full settings, its label and the knowledge levels with their defences.
    """

    label: str
    core: Classifier
    runs: tuple[tuple[str, Attack, Views], ...]


def measurement_of(context: AuditContext, rows: np.ndarray, cells: Sequence[Cell], outcomes: Sequence[OutcomeSummary],
                   findings: Sequence[Finding], out: Path, *, key: str) -> tuple[MeasurementCheck, ...]:
    """Return the checks of an audit's measurement, probing what no figure shows.

    Args:
        context: What was run.
        rows: The test rows.
        cells: Its figures.
        outcomes: What its attacks reached and cost.
        findings: Its findings.
        out: The run folder; what was probed for the same key is taken from there.
        key: Of :func:`radversary.auditing.run.audit_key`.
    """
    steps = frozenset(label for label, planned in context.attacks.items() if isinstance(planned.attack, FGSM))
    signs = signs_of(cells, outcomes, findings, suspicions=context.suspicions,
                     defences=list(context.defended_classifiers), single_steps=steps)
    probes = probes_once(context, rows, outcomes, out, key=key)
    return together(signs, probes)


def probes_once(context: AuditContext, rows: np.ndarray, outcomes: Sequence[OutcomeSummary], out: Path, *,
                key: str) -> list[MeasurementCheck]:
    """Probe each target, or take what was probed for the same audit."""
    found, own = followed(context), probe_key(context.plan, key)
    known = read_probes(out / FILE, own)
    checks = [item for label in context.defended_classifiers if label not in {target.label for target in found}
              for item in unprobed(label, why_not(context, label))]
    todo = [target for target in found if target.label not in known]
    with working("Probing the measurement", total=len(todo) * len(PROBED)) as advance:
        for target in todo:
            known[target.label] = []
            for item in probes_of(context, target, rows, outcomes):
                known[target.label].append(item)
                advance()
            write_json(out / FILE, {"key": own, "targets": {
                label: [item.model_dump(mode="json") for item in made] for label, made in known.items()}})
    return checks + [item for target in found for item in known[target.label]]


def probe_key(plan: AuditPlan, key: str) -> str:
    """Return what probes are kept under: the audit's key, and their number and code, with that of their own attacks."""
    return sha256_json([key, FORMAT, code_hash(probed, telling, *OWN_ATTACKS), plan.bootstrap, plan.probe_images])


def probes_of(context: AuditContext, target: Target, rows: np.ndarray,
              outcomes: Sequence[OutcomeSummary]) -> Iterator[MeasurementCheck]:
    """Yield the checks of one target."""
    plan = context.plan
    if not plan.probe_images:
        yield from unprobed(target.label, "The plan's probe_images is 0.")
        return
    chosen = some_rows(rows, context.images, limit=plan.probe_images, seed=plan.seed)
    bench = Bench.of(target.core, context.images, chosen, seed=plan.seed, draws=plan.bootstrap)
    yield from probed(bench, target.label, telling(context, target, outcomes))


def followed(context: AuditContext) -> list[Target]:
    """List the models that attacks follow gradients of, each once, surrogates aside."""
    found: dict[int, Target] = {}
    for label, planned in context.attacks.items():
        if planned.attack.needs != Access.GRADIENTS or evades(planned.attack):  # a guard's answers are its model's
            continue
        for aim, views in targets(context, label, planned):
            own = tuple(view for view in views if view[0] != AttackerKnowledge.TRANSFER)
            if own:
                known = found.get(id(aim.core), Target(own[0][1][0], aim.core, ()))
                run = (label, with_eot(planned.attack, aim), own)
                found[id(aim.core)] = Target(known.label, known.core, (*known.runs, run))
    return list(found.values())


def telling(context: AuditContext, target: Target, outcomes: Sequence[OutcomeSummary]) -> Planned | None:
    """Return the attack of the plan that tells most: of the best at each bound, that with success nearest to a half.

    The best at a bound is looked for among all, whatever they cost: where it is too dear a part of it is run again
    (:func:`rerun`), or nothing, and no weaker one stands for it.

    Args:
        context: What was run.
        target: What it was run on.
        outcomes: What attacks reached.
    """
    bounds: dict[tuple[Any, ...], list[tuple[Estimate, Planned]]] = {}
    for success, planned in figures_of(context, target, outcomes):
        budget = planned.attack.budget
        bounds.setdefault((budget.norm, budget.epsilon, planned.attack.channels), []).append((success, planned))
    found = [(abs(success.value - EVEN), run) for figures in bounds.values() for success, planned in unbeaten(figures)
             if (run := rerun(planned)) is not None]
    return min(found, key=lambda item: item[0])[1] if found else None


def figures_of(context: AuditContext, target: Target,
               outcomes: Sequence[OutcomeSummary]) -> Iterator[tuple[Estimate, Planned]]:
    """Yield what untargeted attacks within a bound reached on a target, at each strength what they reached at most."""
    reached = {(what.attack, what.strength, what.knowledge, item.target): item.success
               for item in outcomes for what in [item.condition] if item.success is not None}
    for label, attack, views in target.runs:
        for run in map(attack.at, context.attacks[label].strengths):
            own = [reached[key] for knowledge, labels in views
                   if (key := (label, run.current, knowledge, labels[0])) in reached]
            if own and run.wants == UNTARGETED and run.budget.epsilon:
                title = condition_of(label, run, views[0][0]).title
                yield max(own, key=lambda success: success.value), Planned(title, run)


def unbeaten(figures: Sequence[tuple[Estimate, Planned]]) -> list[tuple[Estimate, Planned]]:
    """Return the attacks that none of the same bound beats.

    Of one that was run on fewer images than another, the lower end of the interval counts, so that it does not win by
    the choice of its images.

    Args:
        figures: Success and attack, all of one bound.
    """
    images = max(success.n for success, _ in figures)
    shares = [success.value if success.n == images else success.low for success, _ in figures]
    return [item for item, share in zip(figures, shares, strict=True) if share == max(shares)]


def rerun(planned: Planned) -> Planned | None:
    """Return what is run again of an attack: itself; a part of it where it is too dear; or nothing.

    Example:
        >>> from radversary.attacks.ensemble import AutoAttack
        >>> rerun(Planned("auto-attack, ε 2/255", AutoAttack(epsilon=2 / 255))).title
        'the first of auto-attack, ε 2/255 (AutoPGD)'
    """
    whole = planned.attack
    part = affordable(whole, PASSES) if comparable(whole) else None
    if part is None or part == whole:
        return planned if part is not None else None
    return Planned(part_of(planned.title, part, whole), part, whole=whole)


def comparable(attack: Attack) -> bool:
    """Return whether an attack can be compared with others within its bound."""
    return (attack.wants == UNTARGETED and attack.contract == AttackContract.FIXED_BUDGET
            and attack.family == AttackFamily.GRADIENT and bool(attack.budget.epsilon))


def why_not(context: AuditContext, label: str) -> str:
    """Say why a defence was not probed."""
    if isinstance(context.defended_classifiers[label], Guarded):
        return "A guard changes no answer: what is found of its model, the undefended one, holds for it."
    if context.defended_classifiers["none"].access < Access.GRADIENTS:
        return "The model gives no gradients, so nothing that follows from them can be wrong."
    return "No attack of the plan follows gradients of this defence, or they are those of another one."


def unprobed(label: str, reason: str) -> list[MeasurementCheck]:
    """Return the checks of a defence that was not probed."""
    return [not_applicable(kind, label, reason) for kind in PROBED]


def read_probes(path: Path, key: str) -> dict[str, list[MeasurementCheck]]:
    """Return the targets that were probed for a key; none where the file is absent, damaged or of another."""
    try:
        known: Mapping[str, Any] = read_json(path)
        if known["key"] == key:
            return {label: [MeasurementCheck.model_validate(item) for item in made]
                    for label, made in known["targets"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {}
