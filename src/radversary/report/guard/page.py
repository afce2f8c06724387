"""The page of an evaluated guard: one self-contained file, no script, no network, nothing computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from radversary.auditing.wording import level, measure_name
from radversary.core.errors import InputError
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.guard_evaluation.families.result import FAMILIES, FamiliesResult
from radversary.guard_evaluation.result import RESULT, GuardEvaluationResult, find_result
from radversary.guard_evaluation.rows import GuardEvaluationRow, GuardGalleryImage
from radversary.report.gallery import Picture, Verdict, data_uri
from radversary.report.guard.figures import by_attack, draw_guard_evaluation, title_of
from radversary.report.guard.tables import guard_evaluation_markdown
from radversary.report.html import environment, tables_of
from radversary.storage.files import write_page
from radversary.storage.tables import refuse_changed

KNOWLEDGE: Mapping[AttackerKnowledge, str] = MappingProxyType({
    AttackerKnowledge.OBLIVIOUS: "does not know the detectors", AttackerKnowledge.ADAPTIVE: "knows the detectors"})
"""What an attacker knows of a guard, in words."""

FIGURES: Mapping[str, Callable[[GuardEvaluationRow], Estimate]] = MappingProxyType({
    "Area under the curve": lambda row: row.auroc, "TPR at 1 % FPR": lambda row: row.tpr_at_fpr_1,
    "TPR at 5 % FPR": lambda row: row.tpr_at_fpr_5,
    "Changed the prediction and raised no alarm": lambda row: row.undetected_success_rate,
    "Changed the prediction and raised no alarm, not re-encoded": lambda row: row.undetected_success_rate_direct})
"""Tables of attack by strength: title to figure."""


@dataclass(frozen=True)
class Line:
    """One attack in a table of strengths.

    Attributes:
        title: Its name.
        aware: Whether it knows the detectors.
        entries: One figure a strength; None where it was not run at that one.
    """

    title: str
    aware: bool
    entries: tuple[Estimate | None, ...]


@dataclass(frozen=True)
class Table:
    """One figure of all attacks that count their strength alike.

    Attributes:
        title: Which figure.
        is_area: Whether it is written as an area rather than in per cent.
        strengths: As they are written, rising.
        lines: One an attack, those that know the detectors among those that do not.
        harm: Whether higher is worse.
    """

    title: str
    is_area: bool
    strengths: tuple[str, ...]
    lines: tuple[Line, ...]
    harm: bool


@dataclass(frozen=True)
class Mistake:
    """One image of the gallery, ready to draw.

    Attributes:
        image: What was kept.
        pictures: Original, what the guard saw and, where there is one, the heat map.
    """

    image: GuardGalleryImage
    pictures: tuple[Picture, ...]


def render_guard_evaluation(result: GuardEvaluationResult, folder: Path) -> str:
    """Draw the evaluation of a guard as one HTML page.

    Args:
        result: What was found.
        folder: The folder; the pictures of ``result.gallery`` are relative to it, and ``families.json`` is shown
            where it lies there.

    Returns:
        The page, which needs no other file.
    """
    return environment().get_template("guard-evaluation.html").render(
        result=result, figures=draw_guard_evaluation(result), tables=tables(result.rows), knowledge_levels=KNOWLEDGE,
        title_of=title_of,
        worst=worst(result.rows), passes=passes, mistakes=[mistake(image, folder) for image in result.gallery],
        attacks=by_attack(result.rows), by_strength=worst_by_strength(result.rows), families=families_in(folder))


def families_in(folder: Path) -> FamiliesResult | None:
    """Return the result of leaving families out, None where a folder has none.

    Raises:
        DataError: It cannot be read.
    """
    return FamiliesResult.load(folder / FAMILIES) if (folder / FAMILIES).is_file() else None


def write_guard_evaluation(folder: Path) -> Path:
    """Write ``guard-evaluation.html`` and the tables of ``guard-evaluation.md`` from the folder of an evaluation.

    Args:
        folder: A folder with ``guard-evaluation.json``.

    Returns:
        The page's path.

    Raises:
        InputError: The folder has no such result.
        DataError: It cannot be read, or the table that it was made from was changed since.
        StorageError: Writing failed.
    """
    if (path := find_result(folder)) is None:
        raise InputError(f"{folder} has no {RESULT}; evaluate a guard there first")
    result = GuardEvaluationResult.load(path)
    refuse_changed(folder, tables_of(result.provenance), remedy="evaluate the guard again into a new folder")
    write_page(folder / "guard-evaluation.md", guard_evaluation_markdown(result))
    return write_page(folder / "guard-evaluation.html", render_guard_evaluation(result, folder))


def worst(rows: Sequence[GuardEvaluationRow]) -> dict[AttackerKnowledge, GuardEvaluationRow]:
    """Return the worst attack for each attacker.

    By area under the curve; for those who know the detectors and tune themselves to the threshold by the share that
    changes the prediction and raises no alarm.
    """
    found = {knowledge: [row for row in rows if row.condition.knowledge == knowledge] for knowledge in KNOWLEDGE}
    return {knowledge: min(own, key=_aware if knowledge == AttackerKnowledge.ADAPTIVE else _oblivious) for knowledge,
            own in found.items() if own}


def _oblivious(row: GuardEvaluationRow) -> tuple[float, float]:
    return row.auroc.value, row.tpr_at_fpr_1.value


def _aware(row: GuardEvaluationRow) -> tuple[float, float]:
    return -passes(row).value, row.auroc.value


def passes(row: GuardEvaluationRow) -> Estimate:
    """Return the share that changes the prediction and raises no alarm: the larger of re-encoded and as it was made."""
    return max(row.undetected_success_rate, row.undetected_success_rate_direct, key=lambda estimate: estimate.value)


def worst_by_strength(rows: Sequence[GuardEvaluationRow]) -> list[tuple[str,
                                                                        dict[AttackerKnowledge, GuardEvaluationRow]]]:
    """Return :func:`worst` at each strength, strengths of one measure rising."""
    places = sorted({(row.condition.measure, row.condition.strength) for row in rows})
    return [(f"{measure_name(measure)} {level(strength, measure)}",
             worst([row for row in rows if (row.condition.measure, row.condition.strength) == (measure, strength)]))
            for measure, strength in places]


def tables(rows: Sequence[GuardEvaluationRow]) -> dict[str, list[Table]]:
    """Arrange figures as attack by strength: what the strengths count to one table a figure."""
    made: dict[str, list[Table]] = {}
    for measure in dict.fromkeys(row.condition.measure for row in rows):
        own = [row for row in rows if row.condition.measure == measure]
        strengths = sorted({row.condition.strength for row in own})
        for title, figure in FIGURES.items():
            lines = tuple(_line(attack, strengths, figure) for attack in by_attack(own))
            table = Table(title, title == "Area under the curve", tuple(level(item, measure) for item in strengths),
                          lines, title.startswith("Changed"))
            made.setdefault(measure_name(measure), []).append(table)
    return made


def _line(rows: Sequence[GuardEvaluationRow], strengths: Sequence[float],
          figure: Callable[[GuardEvaluationRow], Estimate]) -> Line:
    found = {row.condition.strength: figure(row) for row in rows}
    condition = rows[0].condition
    return Line(condition.attack, condition.knowledge == AttackerKnowledge.ADAPTIVE,
                tuple(found.get(item) for item in strengths))


def mistake(image: GuardGalleryImage, folder: Path) -> Mistake:
    """Prepare one image of the gallery."""
    then = Verdict("", image.said, image.said == image.label)
    now = Verdict("", image.said_now, image.said_now == image.label)
    pictures = [Picture("Original", data_uri(folder, image.original), (then,)),
                Picture("Attacked, no alarm" if image.missed else "Clean, alarm", data_uri(folder, image.shown),
                        (now,))]
    if image.heat is not None:
        pictures.append(Picture("Where it is suspicious", data_uri(folder, image.heat),
                                note="one scale for all: clean films stay almost uncoloured"))
    return Mistake(image, tuple(pictures))
