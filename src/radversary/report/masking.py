"""A sign that an attacker who should know best does not: a figure that rises with what the attacker knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from radversary.audit.result import Cell, Condition
from radversary.audit.rungs import Rung
from radversary.report.formats import interval, percent
from radversary.report.reading import NONE, RUNGS, Reading
from radversary.report.standing import title_of

SOURCE = "Carlini et al. 2019, arXiv:1902.06705"


@dataclass(frozen=True)
class TooWeak:
    """A defence that an adaptive attacker hurts less than one who knows less, by more than the intervals.

    Attributes:
        defence: Its label.
        adaptive: Its figures under the adaptive attacker.
        lower: Its figures under the same attack at the same strength by an attacker who knows less.
        others: Further conditions of which the same is true.
    """

    defence: str
    adaptive: Cell
    lower: Cell
    others: int = 0

    @property
    def sentence(self) -> str:
        """What the report says of it."""
        name = "no defence" if self.defence == NONE else self.defence
        more = f", and likewise in {self.others} more comparisons" if self.others > 1 else (
            ", and likewise in one more comparison" if self.others else "")
        return (f"The adaptive attacker is too weak against {name}: under {title_of(self.adaptive.condition)}, it "
                f"leaves {accuracy(self.adaptive)} right, the {self.lower.condition.rung} attacker, who knows less, "
                f"only {accuracy(self.lower)}{more}. That is a sign of masked gradients ({SOURCE}): a better attacker "
                f"may leave {name} less than its adaptive figures.")


def too_weak(reading: Reading, attack: str | None = None) -> tuple[TooWeak, ...]:
    """Return each defence whose adaptive attacker is too weak, with the widest gap.

    Whoever knows the whole defence can do all that the others can, so an adaptive attack that leaves more images right
    than one from a lower rung was not strong enough (Carlini et al. 2019, arXiv:1902.06705). Both accuracies must lie
    outside each other's interval; a paired test of two rungs is not in a result.

    Args:
        reading: The result.
        attack: Only this attack's label.
    """
    found = []
    for defence in reading.defences:
        pairs = [pair for condition in reading.aimed if attack in (None, condition.attack)
                 for pair in gaps(reading, condition, defence)]
        if pairs:
            adaptive, lower = max(pairs, key=lambda pair: gap(*pair))
            found.append(TooWeak(defence, adaptive, lower, len(pairs) - 1))
    return tuple(found)


def gaps(reading: Reading, condition: Condition, defence: str) -> Iterator[tuple[Cell, Cell]]:
    """Yield an adaptive cell with each cell of a lower rung under which the defence is clearly right less often."""
    adaptive = reading.cell(condition, defence) if condition.rung == Rung.ADAPTIVE else None
    for rung in RUNGS[: RUNGS.index(Rung.ADAPTIVE)] if adaptive else ():
        lower = reading.cell(condition.model_copy(update={"rung": rung}), defence)
        if adaptive and lower and is_clear(adaptive, lower):
            yield adaptive, lower


def is_clear(more: Cell, less: Cell) -> bool:
    """Tell whether one accuracy is above another, each outside the other's interval."""
    high, low = more.performance.accuracy, less.performance.accuracy
    return high.low > low.value and high.value > low.high


def gap(more: Cell, less: Cell) -> float:
    """Return by how much one accuracy is above another."""
    return more.performance.accuracy.value - less.performance.accuracy.value


def accuracy(cell: Cell) -> str:
    """Write an accuracy with its interval and n."""
    estimate = cell.performance.accuracy
    return f"{percent(estimate.value)} {interval(estimate)} (n = {estimate.n})"
