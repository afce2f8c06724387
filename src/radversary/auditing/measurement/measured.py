"""Puts the checks of an audit together; what was probed is kept in the run folder, one target at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from radversary.attacks.base import Attack
from radversary.attacks.goal import UNTARGETED
from radversary.attacks.gradient.fgsm import FGSM
from radversary.auditing.cells import Cell, OutcomeSummary
from radversary.auditing.measurement.bench import Bench
from radversary.auditing.measurement.checks import MeasurementCheck, not_applicable
from radversary.auditing.measurement.probes import FORMAT, PASSES, PROBED, Planned, probed
from radversary.auditing.measurement.signs import signs_of, together
from radversary.auditing.result import Finding
from radversary.auditing.setup import AuditContext, condition_of
from radversary.auditing.threat_model import with_eot
from radversary.auditing.units import Views, targets
from radversary.classifiers.base import Classifier
from radversary.core.types import Access, AttackContract, AttackerKnowledge, AttackFamily
from radversary.data.splits import some_rows
from radversary.execution.progress import track
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
    found, own = followed(context), sha256_json([key, FORMAT, code_hash(probed), context.plan.bootstrap,
                                                 context.plan.probe_images])
    known = read_probes(out / FILE, own)
    checks = [item for label in context.defended_classifiers if label not in {target.label for target in found}
              for item in unprobed(label, why_not(context))]
    for target in track(found, "Probing the measurement"):
        if target.label not in known:
            known[target.label] = list(probes_of(context, target, rows, outcomes))
            write_json(out / FILE, {"key": own, "targets": {
                label: [item.model_dump(mode="json") for item in made] for label, made in known.items()}})
        checks += known[target.label]
    return checks


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
        if planned.attack.needs != Access.GRADIENTS:
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

    Args:
        context: What was run.
        target: What it was run on.
        outcomes: What attacks reached.
    """
    reached = {(what.attack, what.strength, what.knowledge, item.target): item.success.value
               for item in outcomes for what in [item.condition] if item.success is not None}
    best: dict[tuple[Any, ...], tuple[float, Planned]] = {}
    for label, attack, views in target.runs:
        for strength in context.attacks[label].strengths:
            run = attack.at(strength)
            share = max((reached.get((label, strength, knowledge, labels[0]), -1.0) for knowledge, labels in views))
            if comparable(run) and share >= 0:
                bound, planned = (run.budget.norm, run.budget.epsilon), condition_of(label, run, views[0][0])
                if bound not in best or best[bound][0] < share:
                    best[bound] = (share, Planned(planned.title, run))
    return min(best.values(), key=lambda item: abs(item[0] - EVEN))[1] if best else None


def comparable(attack: Attack) -> bool:
    """Return whether an attack can be run again and compared with others within its bound."""
    return (attack.wants == UNTARGETED and attack.contract == AttackContract.FIXED_BUDGET
            and attack.family == AttackFamily.GRADIENT and bool(attack.budget.epsilon)
            and attack.passes is not None and attack.passes <= PASSES)


def why_not(context: AuditContext) -> str:
    """Say why a defence was not probed."""
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
