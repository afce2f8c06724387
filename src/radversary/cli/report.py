"""``radversary report``: draw a run folder's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radversary.cli.console import tell_lines, tell_result


def report(folder: Annotated[Path, typer.Argument(help="A run folder with result.json.")],
           form: Annotated[str, typer.Option("--format", help="html writes report.html; markdown prints the main "
                                                              "tables.")] = "html") -> None:
    """Write report.html of a run folder from its result.json; nothing is computed anew."""
    from radversary.core.errors import DataError, UnknownNameError
    from radversary.report.html import load_result, write_report
    from radversary.report.markdown import accuracy_table, recall_table

    if form not in ("html", "markdown"):
        raise UnknownNameError("format", form, ("html", "markdown"))
    if not (folder / "result.json").is_file():
        raise DataError(f"{folder} holds no result.json; a run folder is made by run, demo or audit")
    if form == "markdown":
        result = load_result(folder)
        tell_lines(accuracy_table(result) + "\n" + recall_table(result))
        return
    tell_result(f"report: {write_report(folder).resolve()}")
