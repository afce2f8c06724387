"""``radversary figures``: the thesis' pictures from a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radversary.cli.console import say, tell_result


def figures(run: Annotated[Path, typer.Argument(help="A run folder with result.json.")],
            out: Annotated[Path | None, typer.Option(help="Folder for the pictures; default: RUN/figures/thesis.")] =
            None) -> None:
    """Draw the thesis' figures 3, 5, 10-13 and 15-33 from a run, with an index that says what is what."""
    from radversary.report.found import check_result

    check_result(run)

    from radversary.report.thesis.plates import write_thesis

    plates, index = write_thesis(run, out or run / "figures" / "thesis")
    for plate in plates:
        if plate.drawing is None:
            say(f"figure {plate.number}: {plate.absent}")
    tell_result(f"figures: {index.resolve()}")
