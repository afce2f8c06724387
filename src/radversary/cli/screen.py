"""``radversary screen``: is a film manipulated? No original needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import say, show_whole, tell_lines
from radversary.cli.detector import report_left_out

if TYPE_CHECKING:
    from radversary.screening.guard import Verdict


def screen(
    films: Annotated[list[Path], typer.Argument(help="Images, folders, CSV tables (column file), or run folders.")],
    detector: Annotated[Path, typer.Option(help="Bundle of `radversary detector fit` and `calibrate`.")] = Path(
        "detector"),
    model: Annotated[Path | None, typer.Option(help="The model you believe the bundle was made for; another is "
                                                    "refused.")] = None,
    lines: Annotated[bool, typer.Option("--json", help="One line of JSON a film instead of a table.")] = False,  # noqa: FBT002
    heat_maps: Annotated[Path | None, typer.Option(help="Write a heat map of each film under review here.")] = None,
    part: Annotated[str, typer.Option(help="Which part of a run's images.")] = "test",
) -> None:
    """Screen films for manipulation, without their originals: verdict, p-value, strongest cue, prediction.

    Of clean films a promised share at most is put under review (see the bundle's alpha). Files that cannot be read are
    reported and the rest goes on. Exit code 0 where every film passes, 1 where one is to be reviewed.
    """
    from radversary.cli.detector_tables import verdict_table
    from radversary.screening.bundle import check_model, load_guard
    from radversary.screening.heat import draw_heat_maps
    from radversary.screening.screen import as_json, screen_place

    guard = load_guard(detector)
    if model is not None:
        check_model(guard, model)
    left_out: list[str] = []
    found: list[Verdict] = []
    for place in films:
        for verdict in screen_place(guard, place, left_out=left_out, part=part):
            found.append(verdict)
            if lines:  # each as soon as it is known
                tell_lines(json.dumps(as_json(verdict)))
    if not lines:
        show_whole(verdict_table(found))
    report_left_out(left_out)
    doubtful = {item.image for item in found if item.verdict == "review"}
    if heat_maps is not None:
        for path in draw_heat_maps(guard, films, doubtful, heat_maps, part=part):
            say(f"heat map: {path}")
    say(f"{len(doubtful)} of {len(found)} films to review, at a promised false-alarm rate of {guard.alpha:.1%}")
    raise typer.Exit(1 if doubtful else 0)
