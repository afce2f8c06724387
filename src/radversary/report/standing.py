"""Where each defence stands: its worst figure on each rung, its costs, and what it confuses."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.audit.result import Cell, Cost
from radversary.audit.threat_model import Rung
from radversary.report.grid import is_familiar, role
from radversary.report.result_view import NONE, RUNGS, Reading


@dataclass(frozen=True)
class Worst:
    """The condition of one rung that a defence withstands least, of those that were run.

    Attributes:
        cell: Its figures.
        title: Attack and strength.
        familiar: Whether the defence was trained on this attack's own generator or surrogate.
    """

    cell: Cell
    title: str
    familiar: bool


@dataclass(frozen=True)
class Standing:
    """One defence in a line.

    Attributes:
        defence: Its label.
        role: ``none``, ``defence`` or ``oracle``.
        clean: Its figures on untouched images, if any.
        strongest: Its figures under the headline's attack, if any.
        worst: Its worst on each rung of :func:`listed_rungs`; None where nothing was run.
        cost: What it costs, if measured.
        ceiling: The attacks that it was trained on, if it is an oracle.
    """

    defence: str
    role: str
    clean: Cell | None
    strongest: Cell | None
    worst: tuple[Worst | None, ...]
    cost: Cost | None
    ceiling: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """Recalls of one defence under one condition.

    Attributes:
        defence: Its label.
        role: ``none``, ``defence`` or ``oracle``.
        title: What was done to the images.
        cell: The figures.
        called_normal: Each class with disease, its images called free of disease, and all its images.
        mark: ``ceiling`` for an oracle under the very attack it was trained on, ``oracle`` elsewhere, else empty.
    """

    defence: str
    role: str
    title: str
    cell: Cell
    called_normal: tuple[tuple[str, int, int], ...]
    mark: str = ""


def listed_rungs(reading: Reading) -> tuple[Rung, ...]:
    """Return the rungs on which any aimed attack was run."""
    return tuple(rung for rung in RUNGS if any(c.rung == rung for c in reading.aimed))


def standings(reading: Reading) -> tuple[Standing, ...]:
    """Return one line a defence: none first, oracles last."""
    order = [name for name in (NONE, *reading.competitors, *reading.oracles) if name in reading.defences]
    return tuple(Standing(
        defence=name, role=role(reading, name), clean=reading.clean(name),
        strongest=reading.cell(reading.worst, name) if reading.worst else None,
        worst=tuple(worst_on(reading, rung, name) for rung in listed_rungs(reading)),
        cost=reading.result.costs.get(name), ceiling=reading.ceilings_of(name) if name in reading.oracles else ())
        for name in order)


def worst_on(reading: Reading, rung: Rung, defence: str) -> Worst | None:
    """Return the worst of a rung for one defence; floors, which nobody aims, do not count."""
    condition = reading.least([c for c in reading.aimed if c.rung == rung], defence)
    cell = reading.cell(condition, defence) if condition else None
    if condition is None or cell is None:
        return None
    return Worst(cell, condition.title, is_familiar(reading.result, condition.attack, defence, condition.rung))


def profiles(reading: Reading) -> tuple[Profile, ...]:
    """Return the recalls of no defence, the best defence and the first oracle.

    Each on clean images, under the headline's attack, and under the worst attack of all that were run against it.
    """
    shown = [name for name in (NONE, reading.best_defence, *reading.oracles[:1]) if name in reading.defences]
    return tuple(profile for name in shown if name for profile in _profiles_of(reading, name))


def _profiles_of(reading: Reading, defence: str) -> list[Profile]:
    chosen: dict[str, tuple[str, Cell | None]] = {"": ("clean images", reading.clean(defence))}
    if reading.worst:
        chosen[reading.worst.key] = (reading.worst.title, reading.cell(reading.worst, defence))
    if worst := reading.least(reading.aimed, defence):
        chosen.setdefault(worst.key, (f"{worst.title} ({worst.rung}), worst of all", reading.cell(worst, defence)))
    return [Profile(defence, role(reading, defence), title, cell, called_normal(reading, cell),
                    reading.mark(cell.condition.attack, defence))
            for title, cell in chosen.values() if cell]


def called_normal(reading: Reading, cell: Cell) -> tuple[tuple[str, int, int], ...]:
    """Return each class with disease, its images called free of disease, and all its images.

    Empty where no class is known to mean no disease.
    """
    healthy = reading.normal
    if healthy is None:
        return ()
    return tuple((name, row[healthy], sum(row)) for index, (name, row)
                 in enumerate(zip(reading.result.classes, cell.performance.confusion, strict=True)) if index != healthy)
