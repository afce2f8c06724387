"""``radversary report``: draw a run folder's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radversary.cli.console import tell_result


def report(folder: Annotated[Path, typer.Argument(help="A run folder with result.json.")]) -> None:
    """Write report.html of a run folder from its result.json; nothing is computed anew."""
    from radversary.core.errors import DataError
    from radversary.report.html import write_report

    if not (folder / "result.json").is_file():
        raise DataError(f"{folder} holds no result.json; a run folder is made by run, demo or audit")
    tell_result(f"report: {write_report(folder).resolve()}")
