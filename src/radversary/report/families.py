"""Which defence helps against which family of attacks, as a table for the page and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.auditing.cell_table import NONE, defence_name
from radversary.auditing.cells import FamilyCase
from radversary.auditing.result import AuditResult
from radversary.core.types import AttackFamily
from radversary.report.cells import markdown_row
from radversary.report.formats import interval
from radversary.report.grid import FOOTNOTE, MARK
from radversary.report.result_view import ResultView


@dataclass(frozen=True)
class FamilyCell:
    """What one defence keeps of one family.

    Attributes:
        case: The figures.
        change: ``up`` where its interval lies above that of no defence, ``down`` where below; else empty.
        trained: Whether the defence was trained on the generator of one of the attacks, or on the model it is made on.
        ceiling: Whether it was trained on one of the attacks itself.
    """

    case: FamilyCase
    change: str
    trained: bool
    ceiling: bool


@dataclass(frozen=True)
class FamilyRow:
    """One family.

    Attributes:
        family: The family.
        attacks: Labels of the attacks that are counted.
        cells: One a defence, in the table's order; None where the family was not run against it.
    """

    family: AttackFamily
    attacks: tuple[str, ...]
    cells: tuple[FamilyCell | None, ...]


@dataclass(frozen=True)
class FamilyTable:
    """What each defence keeps of each family.

    Attributes:
        defences: Labels, none first.
        rows: The families.
    """

    defences: tuple[str, ...]
    rows: tuple[FamilyRow, ...]

    @property
    def trained(self) -> bool:
        """Whether any defence was trained on what it is measured on."""
        return any(cell and cell.trained for row in self.rows for cell in row.cells)


def family_table(view: ResultView) -> FamilyTable | None:
    """Return the table of a result; None where it has none.

    Args:
        view: What the audit found.
    """
    found = {(case.family, case.defence): case for case in view.result.family_cases}
    if not found:
        return None
    defences = tuple(name for name in (NONE, *view.defended) if any(key[1] == name for key in found))
    families = dict.fromkeys(family for family, _ in found)
    return FamilyTable(defences, tuple(_row(view, family, defences, found) for family in families))


def _row(view: ResultView, family: AttackFamily, defences: tuple[str, ...],
         found: dict[tuple[AttackFamily, str], FamilyCase]) -> FamilyRow:
    own = [found.get((family, name)) for name in defences]
    attacks = dict.fromkeys(label for case in own if case for label in case.attacks)
    return FamilyRow(family, tuple(attacks), tuple(
        FamilyCell(case, _change(case, found.get((family, NONE))), _trained(view, case), any(
            view.is_ceiling(label, case.defence) for label in case.attacks)) if case else None for case in own))


def _change(case: FamilyCase, undefended: FamilyCase | None) -> str:
    if undefended is None or case.defence == NONE:
        return ""
    return "up" if case.mean.low > undefended.mean.high else "down" if case.mean.high < undefended.mean.low else ""


def _trained(view: ResultView, case: FamilyCase) -> bool:
    return any(pair.rpartition("/")[2] == case.defence and pair.rpartition("/")[0].partition("@")[0] == label
               for pair in view.result.training_overlap for label in case.attacks)


def family_texts(result: AuditResult) -> list[list[str]]:
    """Return the table as text, its head first; nothing where the result has none.

    Args:
        result: What an audit found.
    """
    table = family_table(ResultView(result))
    if table is None:
        return []
    lines = [["family", "n", *map(defence_name, table.defences)]]
    for row in table.rows:
        least = min(cell.case.mean.n for cell in row.cells if cell)
        lines.append([row.family, str(least), *map(_text, row.cells)])
    return lines


def families_markdown(result: AuditResult) -> str:
    """Return the table as Markdown; empty where the result has none.

    Args:
        result: What an audit found.
    """
    if not (lines := family_texts(result)):
        return ""
    head, *body = map(markdown_row, lines)
    said = ("Right readings, % [95 % interval], by family of attacks: mean over its attacks and strengths / under all "
            "of them; a reading counts as right where it withstands each attacker that was run, whatever they know.")
    marked = any(MARK in line for line in body)
    return "\n".join([said, "", head, "|---|---:|" + "---|" * (len(lines[0]) - 2), *body,
                      *(["", FOOTNOTE] if marked else [])]) + "\n"


def _text(cell: FamilyCell | None) -> str:
    if cell is None:
        return "–"
    mean, worst = cell.case.mean, cell.case.worst
    return (f"{100 * mean.value:.1f} {interval(mean)} / {100 * worst.value:.1f}{MARK if cell.trained else ''}"
            f"{' (ceiling)' if cell.ceiling else ''}")
