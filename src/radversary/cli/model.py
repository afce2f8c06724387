"""``radversary model``: draft the card of a model, and tell what is wrong with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import Table, say, show, tell_lines
from radversary.cli.data import LabelsOption, OptionOption, RootOption, source_of
from radversary.cli.run import DeviceOption

if TYPE_CHECKING:
    from radversary.study.model_check.report import ModelReport

COLOURS = {"ok": "green", "wrong": "bold red", "note": "yellow", "measured": "", "not looked at": "dim"}
"""Style of each state of a check."""

app = typer.Typer(no_args_is_help=True, help="Draft the card of a model; tell what is wrong with one.")


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="As --model of audit: a folder, a file with its card beside it, "
                                              "NAME.http.json, or your own code.")],
    data: Annotated[str | None, typer.Option(help="As for audit: auto recognises what lies at --root. Without it, what "
                                                  "needs films is not looked at.")] = None,
    root: RootOption = None,
    labels: LabelsOption = None,
    option: OptionOption = None,
    device: DeviceOption = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell what is wrong with a model before an attack is blamed for it.

    At most 200 films are looked at, of patients drawn at random. Exit code 1 where something is wrong.
    """
    from radversary.classifiers.places import check_place
    from radversary.data.places import check_source

    source = None
    check_place(model)
    if data is not None or root is not None or labels is not None or option:
        source = source_of(data or "auto", root, labels, option)
        check_source(source["name"], source["options"])

    from radversary.execution.devices import select_device
    from radversary.study.model_check.films import check_on_source
    from radversary.study.model_check.run import check_model
    from radversary.study.placing import load_model

    classifier = load_model(model, device=select_device(device))
    report = check_model(classifier) if source is None else check_on_source(classifier, source)
    if json:
        tell_lines(report.model_dump_json(indent=1))
    else:
        show_report(report)
    raise typer.Exit(1 if report.wrong else 0)


def show_report(report: ModelReport) -> None:
    """Print a report as a table, and what is wrong or to be noted below it, a line each."""
    from rich.text import Text

    on = f" on {report.images} films of {report.patients} patients" if report.images else ", without films"
    table = Table(title=f"{report.model} ({report.task}: {', '.join(report.classes)}){on}")
    for head in ("check", "", "found", "expected"):
        table.add_column(head, overflow="fold")
    for found in report.checks:
        why = found.sentence if found.state == "not looked at" else found.found
        table.add_row(found.name, Text(found.state, style=COLOURS[found.state]), why, found.expected)
    show(table)
    for found in report.checks:
        if found.state in ("wrong", "note"):
            say(f"{found.state}: {found.name}: {found.sentence}")
    for note in report.notes:
        say(f"note: {note}")
