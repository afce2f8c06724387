"""``radversary report``: draw a run folder's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radversary.cli.console import tell_lines, tell_result

FORMATS = ("html", "markdown", "csv")


def report(folder: Annotated[Path, typer.Argument(help="A run folder with result.json, or a guard's with "
                                                       "guard-evaluation.json.")],
           form: Annotated[str, typer.Option("--format", help="html writes the page; markdown prints the main tables; "
                                                              "csv the figures by class or finding.")] = "html",
           profile: Annotated[str, typer.Option(help="Of the page's score: a profile by name, or a YAML file.")] = (
               "mirs-1.0")) -> None:
    """Write the page of a run, or of a guard's evaluation, from its result again; nothing is computed anew."""
    from radversary.core.errors import DataError, UnknownNameError
    from radversary.guard_evaluation.result import RESULT, find_result

    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    if not (of_guard := find_result(folder)) and not (folder / "result.json").is_file():
        raise DataError(f"{folder} holds no result.json, which run, demo and audit write, and no {RESULT}, which "
                        "detector evaluate writes")

    from radversary.report.guard.page import write_guard_evaluation
    from radversary.report.html import write_report
    from radversary.scoring.profile import load_profile

    if form == "csv":
        tell_lines(_rows(folder, of_guard))
    elif form == "markdown":
        tell_lines(_tables(folder, of_guard))
    else:
        page = write_guard_evaluation(folder) if of_guard else write_report(folder, load_profile(profile))
        tell_result(f"report: {page.resolve()}")


def _rows(folder: Path, of_guard: Path | None) -> str:
    from radversary.core.errors import InputError
    from radversary.report.finding_texts import findings_csv
    from radversary.report.html import load_result

    if of_guard:
        raise InputError(f"{folder} holds the evaluation of a guard, which has no figures by class or finding; give a "
                         "run folder of an audit, or --format markdown")
    return findings_csv(load_result(folder)).rstrip("\n")


def _tables(folder: Path, of_guard: Path | None) -> str:
    from radversary.guard_evaluation.result import GuardEvaluationResult
    from radversary.report.guard.tables import guard_evaluation_markdown
    from radversary.report.html import load_result
    from radversary.report.markdown import accuracy_table, recall_table

    if of_guard:
        return guard_evaluation_markdown(GuardEvaluationResult.load(of_guard)).rstrip("\n")
    result = load_result(folder)
    return accuracy_table(result) + "\n" + recall_table(result)
