"""``radversary screen``: test films for manipulation, without their originals."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from radversary.cli.bundles import open_guard
from radversary.cli.console import say, show_whole, tell_lines
from radversary.cli.remote import ServerOption, screen_there
from radversary.cli.run import AllowCodeOption, DeviceOption
from radversary.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from radversary.screening.guard import Guard
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
    server: ServerOption = None,
    allow_code: AllowCodeOption = False,  # noqa: FBT002
) -> None:
    """Screen films for manipulation, without their originals: verdict, p-value, strongest cue, prediction.

    Of clean films a promised share at most is put under review (see the bundle's alpha). A film that cannot be judged
    (it cannot be read, or its group was never calibrated or is not known) is refused with the reason, and the rest goes
    on. Exit code 0 where every film passes, 1 where one is to be reviewed or was refused: neither is a pass. With
    --server a platform judges the films by the guard that --detector names there.
    """
    if server is not None:
        if heat_maps is not None or model is not None:
            raise InputError("--heat-maps and --model are for bundles that lie here, not for --server")
        tell_verdicts(((verdict, None) for verdict in screen_there(server, films, str(detector))), None, lines=lines)
    guard = open_guard(detector, device, model, allow_code=allow_code)

    from radversary.screening.bundle import check_model
    from radversary.study.placing import load_alone

    if model is not None:
        check_model(guard, load_alone(model, allow_code=allow_code))
    tell_verdicts(screened_here(guard, films, part, heat_maps), guard.alpha, lines=lines)


def screened_here(guard: Guard, films: Sequence[Path], part: str,
                  heat_maps: Path | None) -> Iterator[tuple[Verdict, Path | None]]:
    """Yield the verdict on each film, and where its heat map was written."""
    from radversary.screening.heat import HeatMaps
    from radversary.screening.screen import screen_places

    maps = None if heat_maps is None else HeatMaps(guard, heat_maps)
    for item in screen_places(guard, films, part=part):
        yield item.verdict, maps.draw(item) if maps is not None and item.verdict.verdict == "review" else None


def tell_verdicts(judged: Iterable[tuple[Verdict, Path | None]], alpha: float | None, *, lines: bool) -> NoReturn:
    """Print verdicts and end with the exit code.

    Args:
        judged: Verdicts, with where their heat maps were written.
        alpha: The promised rate of false alarms; None where a platform keeps it.
        lines: A line of JSON a film, as soon as it is known.

    Raises:
        Exit: Always.
    """
    from radversary.cli.detector_tables import verdict_table
    from radversary.screening.verdicts import as_json

    found: list[Verdict] = []
    for verdict, drawn in judged:
        found.append(verdict)
        if lines:
            tell_lines(json.dumps({**as_json(verdict), **({"heat_map": str(drawn)} if drawn else {})}))
        if drawn is not None:
            say(f"heat map of {verdict.image} in {verdict.place}: {drawn}")
    if not lines:
        show_whole(verdict_table(found))
    for verdict in found:
        if verdict.verdict == "refused":
            say(f"refused: {verdict.image} in {verdict.place}: {verdict.reason}")
    say(summary(Counter(item.verdict for item in found), alpha))
    raise typer.Exit(0 if all(item.verdict == "pass" for item in found) else 1)


def summary(counts: Counter[str], alpha: float | None) -> str:
    """Say how many films are to be reviewed and how many were refused, and the promised rate where it is known.

    Example:
        >>> summary(Counter(["pass", "review", "refused"]), 0.05)
        '1 of 3 films to review, 1 refused, at a promised false-alarm rate of 5.0%'
    """
    refused = f", {counts['refused']} refused" if counts["refused"] else ""
    promised = "" if alpha is None else f", at a promised false-alarm rate of {alpha:.1%}"
    return f"{counts['review']} of {counts.total()} films to review{refused}{promised}"
