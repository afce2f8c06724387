"""``radversary report``: draw a run folder's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radversary.cli.console import tell_lines, tell_result

FORMATS = ("html", "pdf", "markdown", "csv")


def report(folder: Annotated[Path, typer.Argument(help="A run folder with result.json, or a guard's with "
                                                       "guard-evaluation.json.")],
           form: Annotated[str, typer.Option("--format", help="html writes the page; pdf a document with the result "
                                                              "attached; markdown prints the main tables; csv the "
                                                              "figures by class or finding.")] = "html",
           profile: Annotated[str, typer.Option(help="Of the page's score: a profile by name, or a YAML file.")] = (
               "mirs-1.0"),
           regulatory_map: Annotated[Path | None, typer.Option(help="A regulatory map of one's own (YAML), in place of "
                                                                    "the shipped one.")] = None) -> None:
    """Write the page of a run, or of a guard's evaluation, from its result again; nothing is computed anew."""
    from radversary.core.errors import DataError, UnknownNameError
    from radversary.guard_evaluation.result import RESULT, find_result

    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    if not (of_guard := find_result(folder)) and not (folder / "result.json").is_file():
        raise DataError(f"{folder} holds no result.json, which run, demo and audit write, and no {RESULT}, which "
                        "detector evaluate writes")

    refuse_what_does_not_fit(folder, form, regulatory_map, guard=of_guard is not None)
    if form == "csv":
        tell_lines(_rows(folder, of_guard))
    elif form == "markdown":
        tell_lines(_tables(folder, of_guard))
    else:
        tell_result(f"report: {_written(folder, form, regulatory_map, profile, guard=of_guard is not None).resolve()}")


def refuse_what_does_not_fit(folder: Path, form: str, regulatory_map: Path | None, *, guard: bool) -> None:
    """Refuse a PDF of a guard's evaluation, and a regulatory map for what shows none.

    Raises:
        InputError: They do not fit.
    """
    from radversary.core.errors import InputError

    if guard and form == "pdf":
        raise InputError(f"{folder} holds the evaluation of a guard, of which there is no PDF; leave out --format pdf")
    if regulatory_map is not None and (guard or form not in ("html", "pdf")):
        raise InputError("--regulatory-map is for the html and pdf of an audit; leave it out")


def _written(folder: Path, form: str, regulatory_map: Path | None, profile: str, *, guard: bool) -> Path:
    """Write the page or document, and return its path."""
    from radversary.report.guard.page import write_guard_evaluation
    from radversary.report.html import write_report
    from radversary.report.regulatory.mapping import load_map
    from radversary.scoring.profile import load_profile

    if guard:
        return write_guard_evaluation(folder)
    regulations, chosen = None if regulatory_map is None else load_map(regulatory_map), load_profile(profile)
    if form == "html":
        return write_report(folder, chosen, regulations=regulations)
    from radversary.report.pdf import write_pdf

    return write_pdf(folder, chosen, regulations=regulations)


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
