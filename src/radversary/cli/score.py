"""``radversary score``: one number for each deployed system of a run, with its reasons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import Table, say, show_whole, tell_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from radversary.scoring.profile import Profile
    from radversary.scoring.score import Score

FORMATS = ("table", "json")


def score(run: Annotated[Path, typer.Argument(help="A run's folder with result.json.")],
          profile: Annotated[str, typer.Option(help="A profile by name, or a YAML file of one's own.")] = "mirs-1.0",
          system: Annotated[str | None, typer.Option(help="Only this defence, by its label in the plan; none is the "
                                                          "model alone.")] = None,
          form: Annotated[str, typer.Option("--format", help="table or json.")] = "table") -> None:
    """Print the security score of each deployed system: number, letter, every cap with its reason, what would raise it.

    A letter needs an audit with --battery standard or full and 200 test images of each class.
    """
    from radversary.core.errors import UnknownNameError
    from radversary.evidence.changed import refuse_changed_result
    from radversary.report.found import check_results
    from radversary.scoring.profile import load_profile

    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    chosen = load_profile(profile)
    check_results([run])
    refuse_changed_result(run)

    from radversary.report.html import load_result
    from radversary.report.score import scores_json
    from radversary.scoring.score import scores_of

    found = scores_of(load_result(run), chosen)
    if system is not None:
        if system not in (known := [item.system for item in found]):
            raise UnknownNameError("defence", system, known)
        found = tuple(item for item in found if item.system == system)
    if form == "json":
        tell_lines(scores_json(found, chosen))
        return
    show_whole(scores_table(found))
    for item in found:
        tell_lines(reasons(item, chosen))
    say(f"profile {chosen.title} ({chosen.digest}); no score proves robustness, and none is a regulatory clearance")


def scores_table(found: Sequence[Score]) -> Table:
    """Return one line a system: number, letter, evidence and sub-scores."""
    from radversary.auditing.cell_table import defence_name
    from radversary.report.score import LETTERLESS

    table = Table(title="Security score, 0 to 100; sub-scores are lower bounds above chance")
    for place, head in enumerate(("system", "score", "letter", *(part.key for part in found[0].parts), "caps")):
        table.add_column(head, justify="right" if place > 0 else "left", overflow="fold")
    for item in found:
        table.add_row(defence_name(item.system), f"{item.value:.1f}", f"{item.letter or LETTERLESS} (E{item.level})",
                      *(f"{part.value:.1f}" for part in item.parts),
                      "+".join(dict.fromkeys(cap.code for cap in item.caps)) or "–")
    return table


def reasons(item: Score, profile: Profile) -> str:
    """Return a system's vector, its caps with their reasons, and the changes that would raise its score most."""
    from radversary.auditing.cell_table import defence_name
    from radversary.scoring.advice import changes

    lines = [f"{defence_name(item.system)}: {item.vector}"]
    lines += [f"  {cap.code}{'' if cap.most is None else f', at most {cap.most:g}'}: {cap.reason}" for cap in item.caps]
    lines += [f"  +{change.gain:.1f} at most: {change.what}" if change.gain or not change.potential else
              f"  +0.0 under this cap, +{change.potential:.1f} without: {change.what}"
              for change in changes(item, profile)]
    if item.unjudged:
        lines.append(f"  not judged, for lack of such classes: {', '.join(item.unjudged)}")
    return "\n".join(lines)
