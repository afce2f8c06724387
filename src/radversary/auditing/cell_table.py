"""The figures of an audit by condition and defence, in the order of the tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from radversary.auditing.cells import UNTARGETED, Cell, Condition
from radversary.core.types import AttackerKnowledge

CLEAN = "clean"
IDENTITY = "identity"
NONE = "none"
VICTIM = "victim"
"""Name of the undefended model in plans and results."""
KNOWLEDGE = tuple(AttackerKnowledge)


def defence_name(label: str) -> str:
    """Return what people call a defence.

    Example:
        >>> defence_name("none"), defence_name("jpeg-75")
        ('no defence', 'jpeg-75')
    """
    return "no defence" if label == NONE else label


@dataclass(frozen=True)
class CellTable:
    """Lookup of figures by condition and defence.

    Attributes:
        cells: The figures in any order.
    """

    cells: tuple[Cell, ...]

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], Cell]:
        return {(cell.condition.key, cell.defence): cell for cell in self.cells}

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition once: clean, identity, then the attacks as they appear, by knowledge and rising strength."""
        order = {CLEAN: -2, IDENTITY: -1}
        seen: dict[str, Condition] = {}
        for cell in self.cells:
            order.setdefault(cell.condition.attack, len(order))
            seen.setdefault(cell.condition.key, cell.condition)
        return tuple(sorted(seen.values(), key=lambda c: (order[c.attack], KNOWLEDGE.index(c.knowledge), c.strength)))

    @cached_property
    def attacked(self) -> tuple[Condition, ...]:
        """The conditions that change the images."""
        return tuple(c for c in self.conditions if c.attack not in (CLEAN, IDENTITY))

    @cached_property
    def aimed(self) -> tuple[Condition, ...]:
        """The conditions of aimed attacks; identity and noise are controls."""
        return tuple(c for c in self.attacked if c.family.aimed)

    @cached_property
    def goal(self) -> str:
        """The goal whose attacks are ranked: untargeted where any is, else that of most images, the first of equals."""
        counts: dict[str, int] = {}
        for condition in self.aimed:
            counts[condition.goal] = max(counts.get(condition.goal, 0), self.count(condition) or 0)
        return UNTARGETED if UNTARGETED in counts else max(counts, key=counts.__getitem__, default=UNTARGETED)

    @cached_property
    def ranked(self) -> tuple[Condition, ...]:
        """The conditions of aimed attacks with :attr:`goal`; those with another change other images for another end."""
        return tuple(c for c in self.aimed if c.goal == self.goal)

    @cached_property
    def defences(self) -> tuple[str, ...]:
        """Labels of the defences with figures; no defence first."""
        return tuple(sorted(dict.fromkeys(cell.defence for cell in self.cells), key=lambda name: name != NONE))

    def cell(self, condition: Condition | None, defence: str) -> Cell | None:
        """Return the figures of one condition behind one defence, or None where it was not run."""
        return self._by_place.get((condition.key, defence)) if condition else None

    def clean(self, defence: str) -> Cell | None:
        """Return the figures of one defence on untouched images."""
        return self.cell(Condition(attack=CLEAN, strength=0.0), defence)

    def identity(self, defence: str) -> Cell | None:
        """Return the figures of one defence under the attack that changes nothing."""
        return self.cell(Condition(attack=IDENTITY, strength=0.0), defence)

    def count(self, condition: Condition) -> int | None:
        """Return how many images a condition was run on; None where it has no figures."""
        cells = (cell for name in self.defences if (cell := self.cell(condition, name)))
        return next((cell.performance.accuracy.n for cell in cells), None)

    def least(self, conditions: Iterable[Condition], defence: str) -> Condition | None:
        """Return that of some conditions under which a defence is least often right."""
        found = [(cell.performance.accuracy.value, c) for c in conditions if (cell := self.cell(c, defence))]
        return min(found, key=lambda pair: pair[0])[1] if found else None
