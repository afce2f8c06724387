"""Standing of each defence: headline condition, ranking, worst condition of each attacker, missed diseases.

Computed once by the audit and stored; for a result of an earlier version when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pydantic import Field

from radversary.auditing.cell_table import KNOWLEDGE, NONE, CellTable
from radversary.auditing.cells import UNTARGETED, Cell, Condition
from radversary.auditing.detection import Detection
from radversary.auditing.schema import Record
from radversary.core.types import AttackerKnowledge, Colour, Task

SHARE = 2
"""A headline's attack was run on at least one ``SHARE``-th of the images that the most complete attack was run on."""
OPACITY = "opacity"
NORMAL_NAMES = frozenset({"normal", "no finding", "healthy", "negative", "no disease", "benign"})
"""Names of classes that mean no disease."""


class CalledNormal(Record):
    """How many images of one class with disease, or with one finding, were called free of it.

    Attributes:
        label: The class, or the finding.
        called: Its images that were called free of disease; where the task is ``multilabel``, free of the finding.
        images: All its images.
    """

    label: str
    called: int
    images: int


class Missed(Record):
    """How many images with disease were called free of disease, under one condition.

    Where the task is ``multilabel``, readings are counted: each finding of an image that is there.

    Attributes:
        called: Images with disease that were called free of it.
        images: All images with disease.
        classes: The same by class, or by finding.
    """

    called: int
    images: int
    classes: tuple[CalledNormal, ...]


class DefenceStanding(Record):
    """Standing of one defence.

    Attributes:
        worst: What an attacker knew to the key of the condition under which the defence is least often right, of the
            aimed ones with that knowledge and the standing's goal that were run against it.
        worst_of_all: The same of all of them; None where nothing was aimed at it.
        identity_equal: Whether the identity attack left every count and every image's correctness unchanged; None
            where it was not run.
        missed: Key of a condition to the diseased images that were called free of disease: on clean images, under the
            headline's condition and under ``worst_of_all``; empty where the task is ``multiclass`` and no class is
            known to mean no disease.
    """

    worst: dict[AttackerKnowledge, str] = Field(default={})
    worst_of_all: str | None = None
    identity_equal: bool | None = None
    missed: dict[str, Missed] = Field(default={})


class Standing(Record):
    """Standing of all defences of an audit.

    Attributes:
        headline: Key of the headline's condition; None where no attack was run.
        passed_over: Conditions that it was not chosen from, in words; empty where there are none.
        before: Images of the headline's condition that the undefended classifier predicts correctly when clean, and all
            of them; None where nothing was paired.
        ranking: The real defences with figures under the headline's condition, the best first.
        oracle: The oracle that is shown beside them, the ceiling of the headline's attack before others; None without.
        detector: The detector with the largest detection rate less false-alarm rate under the headline's condition.
        normal: The class that means no disease: by its name; where the task is ``binary``, the first; None where no
            name says so or the task is ``multilabel``.
        goal: The goal whose attacks are ranked; headline and worst conditions are of this goal.
        defences: Standing by label; ``none`` and oracles among them.
    """

    headline: str | None = None
    passed_over: str = ""
    before: tuple[int, int] | None = None
    ranking: tuple[str, ...] = ()
    oracle: str | None = None
    detector: str | None = None
    normal: str | None = None
    goal: str = UNTARGETED
    defences: dict[str, DefenceStanding] = Field(default={})


@dataclass(frozen=True)
class Choice:
    """Conditions that a headline is chosen from.

    Attributes:
        eligible: The conditions that may be chosen.
        passed_over: The others in words; empty where there are none.
    """

    eligible: tuple[Condition, ...]
    passed_over: str


def standing_of(cells: Sequence[Cell], detections: Sequence[Detection], *, classes: Sequence[str],
                oracles: Collection[str], ceilings: Collection[str], task: Task = Task.MULTICLASS) -> Standing:
    """Return the standing of each defence.

    Args:
        cells: The audit's figures.
        detections: How well detectors notice.
        classes: Names of the classes in the order of the logits.
        oracles: Labels of the defences that saw an audited attack in training: no competitors.
        ceilings: ``attack/defence`` pairs in which an oracle was trained on that very attack.
        task: What the model decides.
    """
    table = CellTable(tuple(cells))
    choice = choose(table)
    chosen, normal = headline(table, choice.eligible), free_of_disease(classes, task)
    undefended = table.cell(chosen, NONE)
    there = [name for name in table.defences if name in oracles and table.cell(chosen, name)]
    own = [name for name in there if chosen and f"{chosen.attack}/{name}" in ceilings]
    return Standing(
        headline=chosen.key if chosen else None, passed_over=choice.passed_over,
        before=right_before(undefended) if undefended else None, ranking=ranking(table, chosen, oracles),
        oracle=next(iter([*own, *there]), None), detector=best_detector(detections, chosen), normal=normal,
        goal=table.goal, defences={name: defence_standing(
            table, name, chosen, lambda cell: missed_in(cell, classes, normal, task)) for name in table.defences})


def choose(table: CellTable) -> Choice:
    """Leave out conditions that would mislead as a headline.

    Attacks with different goals are run on different images and end well for the attacker in different ways, so those
    of one goal are compared, untargeted ones where there are any. A radiograph has no colour, so attacks in colour
    count only if no other was run. The least of many accuracies over a few images is mostly chance, so each has at
    least half as many images as the one with most.
    """
    aimed = table.ranked
    grey = [c for c in aimed if c.colour == Colour.GREY] or list(aimed)
    most = max((table.count(c) or 0 for c in grey), default=0)
    eligible = tuple(c for c in grey if SHARE * (table.count(c) or 0) >= most)
    words = ["attacks with another goal"] if len(aimed) < len(table.aimed) else []
    words += ["attacks in colour, which a radiograph does not have,"] if len(grey) < len(aimed) else []
    words += [f"attacks on fewer than {-(-most // SHARE)} images"] if len(eligible) < len(grey) else []
    return Choice(eligible, " and ".join(words).rstrip(","))


def headline(table: CellTable, eligible: Sequence[Condition]) -> Condition | None:
    """Return the eligible condition with the lowest accuracy of the undefended classifier.

    Oblivious attackers with an opacity are preferred, then oblivious ones, then any: a gradient attack on the
    undefended classifier would otherwise always be chosen.
    """
    oblivious = [c for c in eligible if c.knowledge == AttackerKnowledge.OBLIVIOUS]
    pools = ([c for c in oblivious if c.measure == OPACITY], oblivious, eligible, table.ranked, table.attacked)
    return next((found for pool in pools if (found := table.least(pool, NONE))), None)


def ranking(table: CellTable, condition: Condition | None, oracles: Collection[str]) -> tuple[str, ...]:
    """Return the real defences with figures under a condition, the one that is most often right first."""
    found = {name: cell.performance.accuracy.value for name in table.defences
             if name != NONE and name not in oracles and (cell := table.cell(condition, name))}
    return tuple(sorted(found, key=lambda name: -found[name]))


def best_detector(detections: Sequence[Detection], condition: Condition | None) -> str | None:
    """Return the detector with the largest detection rate less false-alarm rate; None where none was run."""
    found = [item for item in detections if condition and item.condition.key == condition.key]
    best = max(found, key=lambda item: item.alarms.value - item.false_alarms.value, default=None)
    return best.detector if best else None


def defence_standing(table: CellTable, defence: str, chosen: Condition | None,
                     count_missed: Callable[[Cell], Missed | None]) -> DefenceStanding:
    """Return the standing of one defence; ``chosen`` is the headline's condition."""
    worst = {knowledge: found.key for knowledge in KNOWLEDGE
             if (found := table.least([c for c in table.ranked if c.knowledge == knowledge], defence))}
    of_all, clean, identity = table.least(table.ranked, defence), table.clean(defence), table.identity(defence)
    cells = [cell for cell in (clean, table.cell(chosen, defence), table.cell(of_all, defence)) if cell]
    return DefenceStanding(
        worst=worst, worst_of_all=of_all.key if of_all else None,
        identity_equal=changed_nothing(clean, identity) if clean and identity else None,
        missed={cell.condition.key: counted for cell in cells if (counted := count_missed(cell))})


def missed_in(cell: Cell, classes: Sequence[str], normal: str | None, task: Task) -> Missed | None:
    """Count the diseases that were missed; None where the task is ``multiclass`` and no class means no disease."""
    if task == Task.MULTILABEL:
        return missed_findings(cell)
    return missed(cell, classes, normal) if normal else None


def changed_nothing(clean: Cell, identity: Cell) -> bool:
    """Return whether all counts are equal and no image changed between right and wrong."""
    test = identity.against_clean
    same = clean.performance.confusion == identity.performance.confusion
    return same and (test is None or test.lost == test.won == 0)


def missed_findings(cell: Cell) -> Missed:
    """Count, where the task is ``multilabel``, the images with each finding that were read as without it."""
    found = tuple(CalledNormal(label=item.name, images=item.support,
                               called=item.support - round(item.recall.value * item.support) if item.support else 0)
                  for item in cell.performance.classes)
    return Missed(called=sum(item.called for item in found), images=sum(item.images for item in found), classes=found)


def missed(cell: Cell, classes: Sequence[str], normal: str) -> Missed:
    """Count the images of each class with disease that were called ``normal``."""
    rows = zip(classes, cell.performance.confusion, strict=True)
    place = list(classes).index(normal)
    found = tuple(CalledNormal(label=name, called=row[place], images=sum(row)) for name, row in rows if name != normal)
    return Missed(called=sum(item.called for item in found), images=sum(item.images for item in found), classes=found)


def free_of_disease(classes: Sequence[str], task: Task) -> str | None:
    """Return the class that means no disease: the first of a binary task; none of a multilabel one."""
    if task == Task.BINARY:
        return classes[0]
    return normal_class(classes) if task == Task.MULTICLASS else None


def normal_class(classes: Sequence[str]) -> str | None:
    """Return the class that means no disease; None where no name says so.

    Example:
        >>> normal_class(["Pneumonia", "No_Finding"])
        'No_Finding'
    """
    return next((name for name in classes if name.lower().replace("_", " ").strip() in NORMAL_NAMES), None)


def right_before(cell: Cell) -> tuple[int, int] | None:
    """Count the images of a cell that the same defence predicts correctly when clean.

    The audit pairs each attacked image with its clean one, so the count follows from the images lost and won.

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
