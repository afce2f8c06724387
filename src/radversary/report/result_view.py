"""An audit result looked at from the places a report needs: selections and comparisons, no new figures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from radversary.audit.cells import Cell, Condition
from radversary.audit.detection import Detection
from radversary.audit.result import AuditResult
from radversary.core.types import AttackerKnowledge
from radversary.report.choosing import Choice, choose

CLEAN = "clean"
IDENTITY = "identity"
NONE = "none"
CEILING = "ceiling"
"""What an oracle is under the very attack that it was trained on."""
OPACITY = "opacity"
KNOWLEDGE = tuple(AttackerKnowledge)
NORMAL_NAMES = frozenset({"normal", "no finding", "healthy", "negative", "no disease", "benign"})


def right_before(cell: Cell) -> tuple[int, int] | None:
    """Count, among the very images of a cell, those that the same defence reads rightly when they are clean.

    The audit pairs each attacked image with its clean one, so the count follows from what was lost and won.

    Args:
        cell: Figures of one attack and defence.

    Returns:
        Images right when clean, and all of them; None where nothing was paired.
    """
    if cell.against_clean is None:
        return None
    rows = cell.performance.confusion
    right = sum(row[index] for index, row in enumerate(rows))
    return right + cell.against_clean.lost - cell.against_clean.won, sum(map(sum, rows))


@dataclass(frozen=True)
class IdentityCheck:
    """Whether the attack that changes nothing changed nothing.

    Attributes:
        defence: The defence it ran behind.
        clean: The cell of clean images.
        identity: The cell of the identity attack.
    """

    defence: str
    clean: Cell
    identity: Cell

    @property
    def equal(self) -> bool:
        """Whether every count agrees and no single image changed sides."""
        same = self.clean.performance.confusion == self.identity.performance.confusion
        test = self.identity.against_clean
        return same and (test is None or test.lost == test.won == 0)


@dataclass(frozen=True)
class ResultView:
    """Views of one result.

    Attributes:
        result: What the audit found.
    """

    result: AuditResult

    @cached_property
    def _cells(self) -> dict[tuple[str, str], Cell]:
        return {(c.condition.key, c.defence): c for c in self.result.cells}

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition once: clean, identity, then the attacks as they appear, by knowledge and rising strength."""
        order = {CLEAN: -2, IDENTITY: -1}
        seen: dict[str, Condition] = {}
        for cell in self.result.cells:
            order.setdefault(cell.condition.attack, len(order))
            seen.setdefault(cell.condition.key, cell.condition)
        return tuple(sorted(seen.values(), key=lambda c: (order[c.attack], KNOWLEDGE.index(c.knowledge), c.strength)))

    @cached_property
    def attacked(self) -> tuple[Condition, ...]:
        """The conditions that change the images."""
        return tuple(c for c in self.conditions if c.attack not in (CLEAN, IDENTITY))

    @cached_property
    def attacks(self) -> tuple[str, ...]:
        """Labels of the attacks, without clean and identity."""
        return tuple(dict.fromkeys(c.attack for c in self.attacked))

    @cached_property
    def defences(self) -> tuple[str, ...]:
        """Labels of the defences with figures; no defence first."""
        found = dict.fromkeys(cell.defence for cell in self.result.cells)
        return tuple(sorted(found, key=lambda name: name != NONE))

    @property
    def defended(self) -> tuple[str, ...]:
        """Labels of all that stands before or inside the classifier: defences, then oracles."""
        return (*self.competitors, *self.oracles)

    @cached_property
    def oracles(self) -> tuple[str, ...]:
        """Labels of the defences that saw an audited attack in training: no competitors under any attack."""
        return tuple(name for name in self.defences if name in self.result.oracles)

    def is_ceiling(self, attack: str, defence: str) -> bool:
        """Tell whether a defence is an oracle that was trained on this very attack."""
        return f"{attack}/{defence}" in self.result.ceilings

    def mark(self, attack: str, defence: str) -> str:
        """Return what is said beside a defence's name: ``ceiling`` under its own attack, else ``oracle`` or nothing."""
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

    def cell(self, condition: Condition, defence: str) -> Cell | None:
        """Return the figures of one condition behind one defence, or None where it was not run."""
        return self._cells.get((condition.key, defence))

    def clean(self, defence: str) -> Cell | None:
        """Return the figures of one defence on untouched images."""
        return self._cells.get((Condition(attack=CLEAN, strength=0.0).key, defence))

    def of_attack(self, attack: str, knowledge: AttackerKnowledge = AttackerKnowledge.OBLIVIOUS) -> tuple[Condition,
                                                                                                          ...]:
        """Return the conditions of one attack on one knowledge level by rising strength."""
        return tuple(c for c in self.attacked if (c.attack, c.knowledge) == (attack, knowledge))

    def knowledge_levels(self, attack: str) -> tuple[AttackerKnowledge, ...]:
        """Return the knowledge levels on which an attack was run, the least knowing first."""
        return tuple(knowledge for knowledge in KNOWLEDGE if self.of_attack(attack, knowledge))

    def first(self, attack: str) -> Condition:
        """Return the first condition of an attack: what all of them share stands in it."""
        return next(c for c in self.attacked if c.attack == attack)

    @cached_property
    def aimed(self) -> tuple[Condition, ...]:
        """The conditions of attacks that someone aims; identity and noise are floors."""
        return tuple(c for c in self.attacked if c.family.aimed)

    def count(self, condition: Condition) -> int | None:
        """Return how many images a condition was run on; None where it has no figures."""
        cells = (cell for name in self.defences if (cell := self.cell(condition, name)))
        return next((cell.performance.accuracy.n for cell in cells), None)

    def is_subset(self, condition: Condition) -> bool:
        """Tell whether a condition was run on other images than all that were read clean."""
        clean = self.clean(NONE)
        return clean is not None and self.count(condition) != clean.performance.accuracy.n

    @cached_property
    def choice(self) -> Choice:
        """What the headline is chosen from: in grey, on enough images."""
        return choose(self.aimed, self.count)

    @cached_property
    def worst(self) -> Condition | None:
        """The condition of the headline: of those below, the one that the undefended classifier withstands least.

        Of those that :attr:`choice` admits: oblivious attackers by opacity where there are any, which is what the words
        of a report speak of; else oblivious ones; else any. A gradient attack on the undefended classifier would
        otherwise always stand there.
        """
        eligible = self.choice.eligible
        oblivious = [c for c in eligible if c.knowledge == AttackerKnowledge.OBLIVIOUS]
        pools = ([c for c in oblivious if c.measure == OPACITY], oblivious, eligible, self.aimed, self.attacked)
        return next((found for pool in pools if (found := self.least(pool, NONE))), None)

    def least(self, conditions: Iterable[Condition], defence: str) -> Condition | None:
        """Return that of some conditions under which a defence is least often right."""
        found = [(cell.performance.accuracy.value, c) for c in conditions if (cell := self.cell(c, defence))]
        return min(found, key=lambda pair: pair[0])[1] if found else None

    @cached_property
    def ranked(self) -> tuple[str, ...]:
        """The real defences with figures under the headline's condition, the best first."""
        found = {name: cell.performance.accuracy.value for name in self.competitors
                 if self.worst and (cell := self.cell(self.worst, name))}
        return tuple(sorted(found, key=lambda name: -found[name]))

    @property
    def best_defence(self) -> str | None:
        """The defence most often right under the worst condition; an oracle is a ceiling, no defence."""
        return self.ranked[0] if self.ranked else None

    def leading(self, count: int) -> tuple[str, ...]:
        """Return the best defences in the order of the tables, and the first oracle: at most ``count`` in all."""
        there = [name for name in self.oracles if self.worst and self.cell(self.worst, name)]
        # The ceiling of the headline's attack before an oracle of another.
        oracle = sorted(there, key=lambda name: not (self.worst and self.is_ceiling(self.worst.attack, name)))[:1]
        best = self.ranked[: max(count - len(oracle), 0)]
        return tuple(name for name in self.competitors if name in best) + tuple(oracle)

    @cached_property
    def best_detection(self) -> Detection | None:
        """The detector that tells the worst condition best from clean images (alarms less false alarms)."""
        found = [d for d in self.result.detections if self.worst and d.condition.key == self.worst.key]
        return max(found, key=lambda d: d.alarms.value - d.false_alarms.value, default=None)

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

    @cached_property
    def normal(self) -> int | None:
        """Index of the class that means no disease, by its name; None where no name says so."""
        names = [name.lower().replace("_", " ").strip() for name in self.result.classes]
        return next((index for index, name in enumerate(names) if name in NORMAL_NAMES), None)

    @cached_property
    def identity_checks(self) -> tuple[IdentityCheck, ...]:
        """The identity attack against clean images, one check a defence."""
        same = Condition(attack=IDENTITY, strength=0.0).key
        pairs = ((name, self.clean(name), self._cells.get((same, name))) for name in self.defences)
        return tuple(IdentityCheck(name, clean, cell) for name, clean, cell in pairs if clean and cell)

    @cached_property
    def descriptions(self) -> dict[str, str]:
        """Provenance of every condition that has one: key to description."""
        return {c.key: c.description for c in self.conditions if c.description}

    @cached_property
    def floors(self) -> list[tuple[str, float]]:
        """What classifiers reach that see no finding, the best first, chance left to :attr:`chance`."""
        known = [(k, v) for k, v in self.result.data.floors.items() if k != "chance" and math.isfinite(v)]
        return sorted(known, key=lambda pair: -pair[1])

    @property
    def chance(self) -> float | None:
        """Balanced accuracy of guessing, as the audit states it."""
        return self.result.data.floors.get("chance")
