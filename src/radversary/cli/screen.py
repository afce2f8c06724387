"""``radversary screen``: test films for manipulation, without their originals."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.bundles import open_guard
from radversary.cli.console import say, show_whole, tell_lines
from radversary.cli.run import AllowCodeOption, DeviceOption

if TYPE_CHECKING:
    from radversary.screening.verdicts import Verdict


def screen(
    films: Annotated[list[Path], typer.Argument(help="Images, folders, CSV tables (column file), or run folders.")],
    detector: Annotated[Path, typer.Option(help="Bundle of `radversary detector fit` and `calibrate`.")] = Path(
        "detector"),
    model: Annotated[str | None, typer.Option(help="The model you believe the bundle was made for, as for `detector "
                                                   "fit`; another is refused.")] = None,
    lines: Annotated[bool, typer.Option("--json", help="One line of JSON a film instead of a table.")] = False,  # noqa: FBT002
    heat_maps: Annotated[Path | None, typer.Option(help="Write a heat map of each film under review here.")] = None,
    part: Annotated[str, typer.Option(help="Which part of a run's images.")] = "test",
    device: DeviceOption = "auto",
    allow_code: AllowCodeOption = False,  # noqa: FBT002
) -> None:
    """Screen films for manipulation, without their originals: verdict, p-value, strongest cue, prediction.

    Of clean films a promised share at most is put under review (see the bundle's alpha). A film that cannot be judged
    (it cannot be read, or its group was never calibrated or is not known) is refused with the reason, and the rest goes
    on. Exit code 0 where every film passes, 1 where one is to be reviewed or was refused: neither is a pass.
    """
    guard = open_guard(detector, device, model, allow_code=allow_code)

    from radversary.cli.detector_tables import verdict_table
    from radversary.screening.bundle import check_model
    from radversary.screening.heat import HeatMaps
    from radversary.screening.screen import screen_places
    from radversary.screening.verdicts import as_json
    from radversary.study.placing import load_alone

    if model is not None:
        check_model(guard, load_alone(model, allow_code=allow_code))
    maps = None if heat_maps is None else HeatMaps(guard, heat_maps)
    found: list[Verdict] = []
    for item in screen_places(guard, films, part=part):
        found.append(item.verdict)
        drawn = maps.draw(item) if maps is not None and item.verdict.verdict == "review" else None
        if lines:  # each as soon as it is known
            tell_lines(json.dumps({**as_json(item.verdict), **({"heat_map": str(drawn)} if drawn else {})}))
        if drawn is not None:
            say(f"heat map of {item.verdict.image} in {item.verdict.place}: {drawn}")
    if not lines:
        show_whole(verdict_table(found))
    for verdict in found:
        if verdict.verdict == "refused":
            say(f"refused: {verdict.image} in {verdict.place}: {verdict.reason}")
    say(summary(Counter(item.verdict for item in found), guard.alpha))
    raise typer.Exit(0 if all(item.verdict == "pass" for item in found) else 1)


def summary(counts: Counter[str], alpha: float) -> str:
    """Say how many films are to be reviewed and how many were refused.

    Example:
        >>> summary(Counter(["pass", "review", "refused"]), 0.05)
        '1 of 3 films to review, 1 refused, at a promised false-alarm rate of 5.0%'
    """
    refused = f", {counts['refused']} refused" if counts["refused"] else ""
    return (f"{counts['review']} of {counts.total()} films to review{refused}, at a promised false-alarm rate of "
            f"{alpha:.1%}")
