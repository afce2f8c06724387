"""An audit result looked at from the places a report needs: selections and comparisons, no new figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from radversary.audit.result import AuditResult, Cell, Condition, Detection

CLEAN = "clean"
IDENTITY = "identity"
NONE = "none"
ORACLE = "oracle"
NORMAL_NAMES = frozenset({"normal", "no finding", "healthy", "negative", "no disease", "benign"})


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
class Reading:
    """Views of one result.

    Attributes:
        result: What the audit found.
    """

    result: AuditResult

    @cached_property
    def _cells(self) -> dict[tuple[str, float, str], Cell]:
        return {(c.condition.attack, c.condition.strength, c.defence): c for c in self.result.cells}

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition once: clean, identity, then the attacks as they appear, each by rising strength."""
        order = {CLEAN: -2, IDENTITY: -1}
        seen: dict[str, Condition] = {}
        for cell in self.result.cells:
            order.setdefault(cell.condition.attack, len(order))
            seen.setdefault(cell.condition.key, cell.condition)
        return tuple(sorted(seen.values(), key=lambda c: (order[c.attack], c.strength)))

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
        """Labels of the real defences."""
        return tuple(name for name in self.defences if name != NONE)

    def cell(self, condition: Condition, defence: str) -> Cell | None:
        """Return the figures of one condition behind one defence, or None where it was not run."""
        return self._cells.get((condition.attack, condition.strength, defence))

    def clean(self, defence: str) -> Cell | None:
        """Return the figures of one defence on untouched images."""
        return self._cells.get((CLEAN, 0.0, defence))

    def of_attack(self, attack: str) -> tuple[Condition, ...]:
        """Return the conditions of one attack by rising strength."""
        return tuple(c for c in self.attacked if c.attack == attack)

    @cached_property
    def worst(self) -> Condition | None:
        """The condition under which the undefended classifier is least often right."""
        found = [(cell.performance.accuracy.value, c) for c in self.attacked if (cell := self.cell(c, NONE))]
        return min(found, key=lambda pair: pair[0])[1] if found else None

    @cached_property
    def best_defence(self) -> str | None:
        """The defence most often right under the worst condition; an oracle is a ceiling, no defence."""
        if self.worst is None:
            return None
        found = {name: cell.performance.accuracy.value for name in self.defended
                 if name != ORACLE and (cell := self.cell(self.worst, name))}
        return max(found, key=lambda name: found[name]) if found else None

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
        found = sorted(groups.values(), key=lambda g: (order[g[0].condition.attack], g[0].condition.strength))
        return tuple((group[0].condition, tuple(group)) for group in found)

    @cached_property
    def normal(self) -> int | None:
        """Index of the class that means no disease, by its name; None where no name says so."""
        names = [name.lower().replace("_", " ").strip() for name in self.result.classes]
        return next((index for index, name in enumerate(names) if name in NORMAL_NAMES), None)

    @cached_property
    def identity_checks(self) -> tuple[IdentityCheck, ...]:
        """The identity attack against clean images, one check a defence."""
        pairs = ((name, self.clean(name), self._cells.get((IDENTITY, 0.0, name))) for name in self.defences)
        return tuple(IdentityCheck(name, clean, same) for name, clean, same in pairs if clean and same)

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
