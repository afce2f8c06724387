"""The scores of a run's systems, as docs/results/score holds them: ``python -m benchmarks.score_page RUN OUT.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from radversary.auditing.cell_table import defence_name
from radversary.auditing.result import AuditResult
from radversary.report.html import load_result
from radversary.report.measurement import measurement_line
from radversary.report.score import rank_markdown
from radversary.scoring.board import ranked
from radversary.scoring.profile import load_profile
from radversary.scoring.score import Score
from radversary.storage.files import write_text


def main(run: Path, out: Path) -> None:
    """Write the ranking of a run, and why each system stands where it does."""
    result, profile = load_result(run), load_profile()
    found = ranked({run.name: result}, profile)
    write_text(out, "\n".join([
        f"# Scores of {run.name}", "", "[The page](../score.md)", "", rank_markdown(found), "",
        *points(result, [item.score.system for item in found]), "",
        *(line for item in found for line in reasons(item.score, result)), measurement_line(result), ""]))


def points(result: AuditResult, systems: Sequence[str]) -> Iterator[str]:
    """Yield a table of accuracy by family, the mean over all attackers and strengths, which a score does not count."""
    figures = {(item.defence, str(item.family)): item.mean for item in result.family_cases}
    families = list(dict.fromkeys(family for _, family in figures))
    yield "Accuracy by family of attack, mean over attackers, knowledge and strengths (point estimates):"
    yield ""
    yield f"| system | {' | '.join(families)} |"
    yield "|---|" + "---|" * len(families)
    for system in systems:
        yield f"| {defence_name(system)} | " + " | ".join(
            str(figures[system, family]) if (system, family) in figures else "–" for family in families) + " |"


def reasons(score: Score, result: AuditResult) -> Iterator[str]:
    """Yield what speaks against a system, and its clean accuracy with interval and n."""
    cell = next(item for item in result.cells if item.condition.attack == "clean" and item.defence == score.system)
    clean = cell.performance.accuracy
    yield f"**{defence_name(score.system)}**: clean accuracy {clean}" + (
        f"; flagged {cell.alarms.flagged} of clean images" if cell.alarms else "") + "."
    yield ""
    yield from (f"- {cap.code}{'' if cap.most is None else f', at most {cap.most:g}'}: {cap.reason}."
                for cap in score.caps)
    yield ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
