"""Tables of the defences' standing: one line a defence, and recall by class."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.auditing.cell_table import KNOWLEDGE, NONE
from radversary.auditing.cells import Cell, WorstCase
from radversary.auditing.result import Cost
from radversary.auditing.standing import CalledNormal
from radversary.core.types import AttackerKnowledge
from radversary.report.grid import overlaps_training, role
from radversary.report.result_view import ResultView


@dataclass(frozen=True)
class Worst:
    """The condition of one knowledge level with the lowest accuracy of a defence, of those that were run.

    Attributes:
        cell: Its figures.
        title: Attack and strength.
        training_overlap: Whether the defence was trained on this attack's own generator or surrogate.
        together: Accuracy over all attacks of this knowledge together, the worst case; None where only one was run, or
            the result does not say.
    """

    cell: Cell
    title: str
    training_overlap: bool
    together: WorstCase | None = None


@dataclass(frozen=True)
class DefenceLine:
    """One defence in a line.

    Attributes:
        defence: Its label.
        role: ``none``, ``defence`` or ``oracle``.
        clean: Its figures on untouched images, if any.
        strongest: Its figures under the headline's attack, if any.
        worst: Its worst on each knowledge level of :func:`listed_knowledge`; None where nothing was run.
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
        called_normal: Of each class with disease the images called free of disease; empty where no class is known to
            mean no disease.
        mark: ``ceiling`` for an oracle under the very attack it was trained on, ``oracle`` elsewhere, else empty.
    """

    defence: str
    role: str
    title: str
    cell: Cell
    called_normal: tuple[CalledNormal, ...]
    mark: str = ""


def listed_knowledge(view: ResultView) -> tuple[AttackerKnowledge, ...]:
    """Return the knowledge levels on which any aimed attack of the ranked goal was run."""
    ranked = [c for c in view.aimed if c.goal == view.standing.goal]
    return tuple(knowledge for knowledge in KNOWLEDGE if any(c.knowledge == knowledge for c in ranked))


def standings(view: ResultView) -> tuple[DefenceLine, ...]:
    """Return one line a defence: none first, oracles last."""
    order = [name for name in (NONE, *view.competitors, *view.oracles) if name in view.defences]
    return tuple(DefenceLine(
        defence=name, role=role(view, name), clean=view.clean(name),
        strongest=view.cell(view.worst, name) if view.worst else None,
        worst=tuple(worst_on(view, knowledge, name) for knowledge in listed_knowledge(view)),
        cost=view.result.costs.get(name), ceiling=view.ceilings_of(name) if name in view.oracles else ())
        for name in order)


def worst_on(view: ResultView, knowledge: AttackerKnowledge, defence: str) -> Worst | None:
    """Return the worst condition of a knowledge level for one defence; controls are not counted."""
    known = view.standing.defences.get(defence)
    condition = view.condition(known.worst.get(knowledge)) if known else None
    cell = view.cell(condition, defence) if condition else None
    if condition is None or cell is None:
        return None
    overlaps = overlaps_training(view.result, condition.attack, defence, condition.knowledge)
    return Worst(cell, condition.title, overlaps, together(view, knowledge, defence))


def together(view: ResultView, knowledge: AttackerKnowledge, defence: str) -> WorstCase | None:
    """Return a defence's worst-case accuracy over several attacks of one knowledge; None where not measured."""
    return next((case for case in view.result.worst_cases if case.conditions > 1
                 and (case.defence, case.knowledge, case.goal) == (defence, knowledge, view.standing.goal)), None)


def profiles(view: ResultView) -> tuple[Profile, ...]:
    """Return the recalls of no defence, the best defence and the first oracle.

    Each on clean images, under the headline's attack, and under the worst attack of all that were run against it. None
    where the model reads findings, which have tables of their own, and where no image has a label.
    """
    if view.by_finding or not view.labelled:
        return ()
    shown = [name for name in (NONE, view.best_defence, *view.oracles[:1]) if name in view.defences]
    return tuple(profile for name in shown if name for profile in _profiles_of(view, name))


def _profiles_of(view: ResultView, defence: str) -> list[Profile]:
    chosen: dict[str, tuple[str, Cell | None]] = {"": ("clean images", view.clean(defence))}
    if view.worst:
        chosen[view.worst.key] = (view.worst.title, view.cell(view.worst, defence))
    known = view.standing.defences.get(defence)
    if worst := view.condition(known.worst_of_all) if known else None:
        chosen.setdefault(worst.key, (f"{worst.title} ({worst.knowledge}), worst of all", view.cell(worst, defence)))
    return [Profile(defence, role(view, defence), title, cell, _called_normal(view, cell),
                    view.mark(cell.condition.attack, defence))
            for title, cell in chosen.values() if cell]


def _called_normal(view: ResultView, cell: Cell) -> tuple[CalledNormal, ...]:
    found = view.missed(cell)
    return found.classes if found else ()
