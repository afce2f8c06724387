"""Look-ups in an audit's result for the report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from radversary.auditing.cell_table import KNOWLEDGE, NONE, CellTable
from radversary.auditing.cells import Cell, Condition
from radversary.auditing.detection import Detection
from radversary.auditing.result import AuditResult
from radversary.auditing.standing import Missed, Standing
from radversary.core.types import AttackerKnowledge, Estimate, Task
from radversary.metrics.finding_records import FindingsMean
from radversary.report.words import OWN_READINGS, Words, words_of

CEILING = "ceiling"
"""The mark of an oracle under the attack that it was trained on."""


@dataclass(frozen=True)
class IdentityCheck:
    """Check that the identity attack changed no prediction.

    Attributes:
        defence: The defence that it was run against.
        clean: The cell of clean images.
        identity: The cell of the identity attack.
        equal: Whether all counts are equal and no image changed between right and wrong.
    """

    defence: str
    clean: Cell
    identity: Cell
    equal: bool


@dataclass(frozen=True)
class ResultView:
    """Views of one result.

    Attributes:
        result: What the audit found.
    """

    result: AuditResult

    @cached_property
    def table(self) -> CellTable:
        """The figures by condition and defence."""
        return CellTable(self.result.cells)

    @property
    def standing(self) -> Standing:
        """The stored standing of the defences: headline's condition, ranking, and the like."""
        return self.result.standing

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition once: clean, identity, then the attacks as they appear, by knowledge and rising strength."""
        return self.table.conditions

    @property
    def attacked(self) -> tuple[Condition, ...]:
        """The conditions that change the images."""
        return self.table.attacked

    @cached_property
    def _by_key(self) -> dict[str, Condition]:
        return {condition.key: condition for condition in self.conditions}

    def condition(self, key: str | None) -> Condition | None:
        """Return the condition of a key, None where there is none."""
        return self._by_key.get(key) if key else None

    @cached_property
    def attacks(self) -> tuple[str, ...]:
        """Labels of the attacks, without clean and identity."""
        return tuple(dict.fromkeys(c.attack for c in self.attacked))

    @property
    def defences(self) -> tuple[str, ...]:
        """Labels of the defences with figures; no defence first."""
        return self.table.defences

    @property
    def defended(self) -> tuple[str, ...]:
        """Labels of all defences, then oracles."""
        return (*self.competitors, *self.oracles)

    @cached_property
    def oracles(self) -> tuple[str, ...]:
        """Labels of the defences trained on an audited attack: no competitors under any attack."""
        return tuple(name for name in self.defences if name in self.result.oracles)

    def is_ceiling(self, attack: str, defence: str) -> bool:
        """Tell whether a defence is an oracle that was trained on this very attack."""
        return f"{attack}/{defence}" in self.result.ceilings

    def mark(self, attack: str, defence: str) -> str:
        """Return the mark beside a defence's name: ``ceiling`` under its own attack, else ``oracle`` or nothing."""
        if defence not in self.oracles:
            return ""
        return CEILING if self.is_ceiling(attack, defence) else "oracle"

    def ceilings_of(self, defence: str) -> tuple[str, ...]:
        """Return the attacks that an oracle was trained on."""
        return tuple(attack for attack in self.attacks if self.is_ceiling(attack, defence))

    @property
    def competitors(self) -> tuple[str, ...]:
        """Labels of the real defences."""
        return tuple(name for name in self.defences if name != NONE and name not in self.oracles)

    @property
    def labelled(self) -> bool:
        """Whether any image had a label; otherwise figures say how stable readings are."""
        return self.result.labels != OWN_READINGS

    @property
    def by_finding(self) -> bool:
        """Whether the model reads findings from a threshold on, rather than one class of several."""
        return self.result.task != Task.MULTICLASS

    @cached_property
    def words(self) -> Words:
        """What the figures are called."""
        return words_of(self.result)

    @property
    def reading_names(self) -> tuple[str, ...]:
        """Names of the rows and columns of confusion matrices."""
        return ("absent", "present") if self.result.task == Task.MULTILABEL else self.result.classes

    @cached_property
    def other_goals(self) -> tuple[Condition, ...]:
        """The conditions of aimed attacks that are not ranked with the others, since they have another goal."""
        return tuple(c for c in self.aimed if c.goal != self.standing.goal)

    def mean(self, cell: Cell, key: str) -> Estimate | None:
        """Return a mean over the classes; where the task is ``multilabel``, over the findings that have the figure.

        Args:
            cell: The figures.
            key: ``precision``, ``recall``, ``f1`` or ``auroc``.
        """
        if self.result.task == Task.MULTILABEL and cell.findings:
            found: FindingsMean | None = getattr(cell.findings.macro, "sensitivity" if key == "recall" else key)
            return found.mean if found else None
        estimate: Estimate | None = getattr(cell.performance, key)
        return estimate

    def reached(self, condition: Condition, defence: str) -> Estimate | None:
        """Return how often an attack reached its goal where the clean reading of a defence did not meet it."""
        cell = self.cell(condition, defence)
        return cell.reached if cell else None

    def cell(self, condition: Condition, defence: str) -> Cell | None:
        """Return the figures of one condition behind one defence, or None where it was not run."""
        return self.table.cell(condition, defence)

    def clean(self, defence: str) -> Cell | None:
        """Return the figures of one defence on untouched images."""
        return self.table.clean(defence)

    def of_attack(self, attack: str, knowledge: AttackerKnowledge = AttackerKnowledge.OBLIVIOUS) -> tuple[Condition,
                                                                                                          ...]:
        """Return the conditions of one attack on one knowledge level by rising strength."""
        return tuple(c for c in self.attacked if (c.attack, c.knowledge) == (attack, knowledge))

    def knowledge_levels(self, attack: str) -> tuple[AttackerKnowledge, ...]:
        """Return the knowledge levels on which an attack was run, the least knowing first."""
        return tuple(knowledge for knowledge in KNOWLEDGE if self.of_attack(attack, knowledge))

    def first(self, attack: str) -> Condition:
        """Return the first condition of an attack, for the facts that all of them share."""
        return next(c for c in self.attacked if c.attack == attack)

    @property
    def aimed(self) -> tuple[Condition, ...]:
        """The conditions of aimed attacks; identity and noise are controls."""
        return self.table.aimed

    def count(self, condition: Condition) -> int | None:
        """Return how many images a condition was run on; None where it has no figures."""
        return self.table.count(condition)

    def is_subset(self, condition: Condition) -> bool:
        """Return whether a condition was run on fewer images than the clean ones."""
        clean = self.clean(NONE)
        return clean is not None and self.count(condition) != clean.performance.accuracy.n

    @property
    def worst(self) -> Condition | None:
        """The headline's condition."""
        return self.condition(self.standing.headline)

    @property
    def best_defence(self) -> str | None:
        """The defence most often right under the worst condition; an oracle is a ceiling, no defence."""
        return next(iter(self.standing.ranking), None)

    def leading(self, count: int) -> tuple[str, ...]:
        """Return the best defences in the order of the tables, and the first oracle: at most ``count`` in all."""
        oracle = (self.standing.oracle,) if self.standing.oracle else ()
        best = self.standing.ranking[: max(count - len(oracle), 0)]
        return tuple(name for name in self.competitors if name in best) + oracle

    @property
    def best_detection(self) -> Detection | None:
        """The detector with the largest detection rate less false-alarm rate under the worst condition."""
        return next((item for item in self.result.detections if item.detector == self.standing.detector
                     and item.condition.key == self.standing.headline), None)

    def missed(self, cell: Cell) -> Missed | None:
        """Return the missed diseases, None where they were not counted or no class means no disease.

        It is counted on clean images, under the headline's condition and under the worst of each defence.
        """
        if not self.labelled:
            return None
        known = self.standing.defences.get(cell.defence)
        return known.missed.get(cell.condition.key) if known else None

    @cached_property
    def detections(self) -> tuple[tuple[Condition, tuple[Detection, ...]], ...]:
        """Detections by condition, attacks as they appear, each by rising strength."""
        groups: dict[str, list[Detection]] = {}
        for detection in self.result.detections:
            groups.setdefault(detection.condition.key, []).append(detection)
        order = {attack: place for place, attack in enumerate(
            dict.fromkeys((*self.attacks, *(d.condition.attack for d in self.result.detections))))}
        found = sorted(groups.values(), key=lambda g: (order[g[0].condition.attack],
                                                       KNOWLEDGE.index(g[0].condition.knowledge),
                                                       g[0].condition.strength))
        return tuple((group[0].condition, tuple(group)) for group in found)

    @property
    def normal(self) -> int | None:
        """Index of the class that means no disease; None where no name says so, or nobody knows who has a disease."""
        name, classes = self.standing.normal, self.result.classes
        return classes.index(name) if name in classes and self.labelled else None

    @property
    def missed_title(self) -> str:
        """What :meth:`missed` counts; empty where it counts nothing."""
        if self.normal is not None:
            return f"Diseased called {self.result.classes[self.normal]}"
        return "Findings missed" if self.result.task == Task.MULTILABEL and self.labelled else ""

    @cached_property
    def identity_checks(self) -> tuple[IdentityCheck, ...]:
        """The identity attack against clean images, one check a defence."""
        found = ((name, self.clean(name), self.table.identity(name), known.identity_equal)
                 for name in self.defences if (known := self.standing.defences.get(name)))
        return tuple(IdentityCheck(name, clean, cell, equal) for name, clean, cell, equal in found
                     if clean and cell and equal is not None)

    @cached_property
    def guards(self) -> dict[str, str]:
        """Label of each defence that has a guard to its guard in a line."""
        return {name: item.guard for name, item in self.result.defences.items() if item.guard}

    @cached_property
    def descriptions(self) -> dict[str, str]:
        """Provenance of every condition that has one: key to description."""
        return {c.key: c.description for c in self.conditions if c.description}

    @cached_property
    def floors(self) -> list[tuple[str, float]]:
        """Balanced accuracy of classifiers that do not see the finding, best first, without :attr:`chance`."""
        known = [(k, v) for k, v in self.result.data.floors.items() if k != "chance" and math.isfinite(v)]
        return sorted(known, key=lambda pair: -pair[1])

    @property
    def chance(self) -> float | None:
        """Balanced accuracy of guessing, as the audit states it; None where no image has a label."""
        return self.result.data.floors.get("chance") if self.labelled else None
