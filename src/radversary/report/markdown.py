"""A result's main table as Markdown."""

from __future__ import annotations

from radversary.auditing.cell_table import NONE
from radversary.auditing.cells import Cell, Condition
from radversary.auditing.result import AuditResult
from radversary.auditing.wording import level
from radversary.core.types import AttackerKnowledge, Estimate, Task
from radversary.report.cells import markdown_row
from radversary.report.finding_texts import findings_markdown
from radversary.report.formats import (
    duration,
    figure,
    milliseconds,
    p_value,
    signed,
    signed_interval,
)
from radversary.report.grid import MARK, goal_text
from radversary.report.measurement import measurement_line
from radversary.report.result_view import ResultView
from radversary.report.standing import DefenceLine, Worst, listed_knowledge, standings


def accuracy_table(result: AuditResult) -> str:
    """Return accuracy and macro recall as a Markdown table, conditions down, defences across.

    Args:
        result: What an audit found.

    Returns:
        The table, with a caption that gives n and the hash of the held-out test set.
    """
    view, first = ResultView(result), result.cells[0].performance.accuracy
    heads = ["no defence" if label == NONE else marked(view, label) for label in view.defences]
    figures = f"{view.words.title} / macro recall" if view.labelled else view.words.title
    patients = f" of {result.data.patients.get('test', '?')} patients" if result.data.patients_known else ""
    lines = [f"{figures}, % [95 % interval over {view.words.over}], n = {first.n} {counted(view)}{patients} "
             f"(test set `{result.data.sha256[:12]}`). "
             f"{view.words.note}".rstrip(), "",
             markdown_row([*heading(result), *heads]), rule(result) + "---|" * len(heads)]
    for condition in view.conditions:
        row = [both(view, cell, first.n) if (cell := view.cell(condition, label)) else "–" for label in view.defences]
        lines.append(markdown_row([*opening(result, condition), *row]))
    return "\n".join(lines) + "\n"


def has_knowledge(result: AuditResult) -> bool:
    """Tell whether any attack was run on a knowledge level above the first, so that tables need to say which."""
    return any(cell.condition.knowledge != AttackerKnowledge.OBLIVIOUS for cell in result.cells)


def heading(result: AuditResult) -> list[str]:
    """Return the first heads of a table."""
    return ["attack", *(["knowledge level"] if has_knowledge(result) else []), "strength"]


def rule(result: AuditResult) -> str:
    """Return the rule under :func:`heading`."""
    return "|---|---|---|" if has_knowledge(result) else "|---|---|"


def opening(result: AuditResult, condition: Condition) -> list[str]:
    """Return the first cells of a row."""
    knowledge = [str(condition.knowledge)] if has_knowledge(result) else []
    name = condition.attack + goal_text([condition.goal], condition.attack)
    return [name, *knowledge, level(condition.strength, condition.measure)]


def marked(view: ResultView, defence: str) -> str:
    """Return a defence's name, an oracle marked as one: in a table of many attacks it is no ceiling."""
    return f"{defence} (oracle)" if defence in view.oracles else defence


def both(view: ResultView, cell: Cell, count: int) -> str:
    """Write a cell's accuracy and macro recall, with n where that is not ``count``; stability alone without labels."""
    performance = cell.performance
    mean = view.mean(cell, "recall")
    recall = f" / {figure(mean) if mean else '–'}" if view.labelled else ""
    return f"{figure(performance.accuracy)}{recall}{number(performance.accuracy, count)}"


def counted(view: ResultView) -> str:
    """Return what n counts, in words."""
    if view.result.task != Task.MULTILABEL:
        return "held-out test images"
    return f"readings of {len(view.result.classes)} findings of held-out test images"


def number(estimate: Estimate, count: int) -> str:
    """Write how many images are behind a figure, where they are not as many as ``count``."""
    return f" (n={estimate.n})" if estimate.n != count else ""


def recall_table(result: AuditResult) -> str:
    """Return each class's recall as a Markdown table, one row a condition and defence.

    Where findings are read or no image has a label, the tables of :func:`findings_markdown` instead.
    """
    view, names = ResultView(result), list(result.classes)
    if view.by_finding or not view.labelled:
        return findings_markdown(result)
    lines = [markdown_row([*heading(result), "defence", *(f"recall {name}" for name in names)]),
             rule(result) + "---|" + "---|" * len(names)]
    for cell in result.cells:
        row = [f"{figure(figures.recall)} (n={figures.support})" for figures in cell.performance.classes]
        lines.append(markdown_row([*opening(result, cell.condition), cell.defence, *row]))
    return "\n".join(lines) + "\n"


def standing_table(result: AuditResult) -> str:
    """Return one line a defence as a Markdown table: clean cost, worst of each knowledge, recall, McNemar, costs."""
    view = ResultView(result)
    names, *lines = standing_texts(view)
    tests = "macro recall and McNemar" if view.labelled else "McNemar"
    under = f"; {tests} under {view.worst.title}" if view.worst else ""
    left = f", which is not chosen from {view.standing.passed_over}" if under and view.standing.passed_over else ""
    table = [f"{view.words.title}, % [95 % interval over {view.words.over}]; worst of the listed attacks{under}{left}. "
             f"{view.words.note}".rstrip(), "",
             markdown_row(names), "|---|" + "---:|" * (len(names) - 1)]
    rows = [markdown_row(text.replace("\n", ", ") for text in line) for line in lines]
    warnings = [f"\nWarning: {item.sentence}" for item in result.findings]
    if said := measurement_line(result):
        warnings.append(f"\n{said[0].upper()}{said[1:]}.")
    return "\n".join(table + rows + warnings) + "\n"


def standing_texts(view: ResultView) -> list[list[str]]:
    """Return the standing of each defence as text: heads, then a line a defence, oracles last."""
    clean = view.clean(NONE)
    count = clean.performance.accuracy.n if clean else 0
    worst = [f"worst {knowledge}" for knowledge in listed_knowledge(view)]
    recall = ["macro recall"] if view.labelled else []
    heads = ["defence", f"clean (n={count})", "clean cost, points", *worst, *recall, "McNemar", "an image",
             "training"]
    return [heads, *(standing_line(view, standing, count) for standing in standings(view))]


def standing_line(view: ResultView, standing: DefenceLine, count: int) -> list[str]:
    """Return the texts of one defence; a figure over another count of images than ``count`` carries its own."""
    cost, strongest, clean = standing.cost, standing.strongest, standing.clean
    pair, test = clean and clean.against_none, strongest and strongest.against_none
    mean = view.mean(strongest, "recall") if strongest else None
    recall = [figure(mean) + number(mean, count) if mean else "–"]
    name = "no defence" if standing.role == "none" else standing.defence
    return [f"{name} (oracle)" if standing.role == "oracle" else name,
            figure(clean.performance.accuracy) if clean else "–",
            f"{signed(pair.difference.value)} {signed_interval(pair.difference)}" if pair else "–",
            *(worst_text(worst, count) for worst in standing.worst),
            *(recall if view.labelled else ()),
            p_value(test.p_value) if test else "–",
            milliseconds(cost.milliseconds) if cost else "–",
            duration(cost.training) if cost and cost.training is not None else "–"]


def worst_text(worst: Worst | None, count: int) -> str:
    """Write the worst of a knowledge level, what it was, and its n where that is not ``count``."""
    if worst is None:
        return "–"
    accuracy = worst.cell.performance.accuracy
    everything = worst.together
    beside = f"\nall {everything.conditions} together: {figure(everything.accuracy)}" if everything else ""
    return f"{figure(accuracy)}{MARK if worst.training_overlap else ''}\n{worst.title}{number(accuracy, count)}{beside}"
