"""``radversary gate``: rules on a run, and exit code 1 where one is broken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radversary.cli.console import tell_lines

if TYPE_CHECKING:
    from radversary.scoring.rules import Rules


def gate(run: Annotated[Path, typer.Argument(help="A run's folder with result.json.")],
         baseline: Annotated[Path | None, typer.Option(help="The run of the model before, on the same test images, for "
                                                            "--max-drop.")] = None,
         rules: Annotated[Path | None, typer.Option(help="A YAML file of rules: system, profile, min_score, max_drop, "
                                                         "min; options add to it.")] = None,
         min_score: Annotated[float | None, typer.Option(help="The least score, 0 to 100.")] = None,
         max_drop: Annotated[float | None, typer.Option(help="Points by which no figure may be worse than the "
                                                             "baseline's, beyond its paired interval.")] = None,
         floors: Annotated[list[str] | None, typer.Option("--min", help="MEASURE@ATTACK=STRENGTH:LEAST, such as "
                                                          "accuracy@style=0.5:0.7; repeatable.")] = None,
         system: Annotated[str | None, typer.Option(help="The deployed system by its defence's label; none, the model "
                                                         "alone, is the default.")] = None,
         junit: Annotated[Path | None, typer.Option(help="Write the verdicts as JUnit XML.")] = None) -> None:
    """Check a run against rules, one line each; exit code 1 where one is broken.

    Worse than the baseline is what lies beyond the allowance with its whole paired 95 % interval. On GitHub Actions
    each broken rule is an annotation.
    """
    from radversary.evidence.changed import refuse_changed_results
    from radversary.report.found import check_results

    asked = rules_of(rules, min_score=min_score, max_drop=max_drop, min=floors, system=system)
    given = [run, *([baseline] if baseline else [])]
    check_results(given)
    refuse_changed_results(given)

    from radversary.report.gate import annotation
    from radversary.report.gate import junit as as_junit
    from radversary.report.html import load_result
    from radversary.scoring.gate import judged
    from radversary.scoring.profile import load_profile
    from radversary.storage.files import write_text

    verdicts = judged(asked, load_result(run), load_profile(asked.profile),
                      load_result(baseline) if baseline else None)
    if junit is not None:
        write_text(junit, as_junit(verdicts, run.resolve().name))
    tell_lines("\n".join(item.line for item in verdicts))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        tell_lines("\n".join(map(annotation, verdicts)))
    if not all(item.kept for item in verdicts):
        raise typer.Exit(1)


def rules_of(file: Path | None, **options: Any) -> Rules:  # noqa: ANN401
    """Return the rules of a file with those of options added; an option stands above the file's.

    Raises:
        PlanError: The file cannot be read or is wrong, or an option is.
        UnknownNameError: A key that no rules have, or no such measure.
    """
    from radversary.scoring.rules import Rules
    from radversary.storage.plans import parse_plan, read_plan

    given = read_plan(Rules, file).model_dump() if file else {}
    further = {name: value for name, value in options.items() if value is not None}
    if "min" in further:
        further["min"] = [*given.get("min", ()), *further["min"]]
    return parse_plan(Rules, {**given, **further}, source="the rules")
