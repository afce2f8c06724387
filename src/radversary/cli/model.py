"""``radversary model``: draft the card of a model, and tell what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radversary.cli.console import Table, say, show_whole, tell_lines, tell_result
from radversary.cli.data import LabelsOption, OptionOption, RootOption, source_of
from radversary.cli.run import AllowCodeOption, DeviceOption

if TYPE_CHECKING:
    from radversary.classifiers.draft import Draft
    from radversary.study.model_check.report import ModelReport

COLOURS = {"ok": "green", "wrong": "bold red", "note": "yellow", "measured": "", "not looked at": "dim"}
"""Style of each state of a check."""

CONFIRM = "radversary model check"

Given = str | None

app = typer.Typer(no_args_is_help=True, help="Draft the card of a model; tell what is wrong with one.")


def told(text: str) -> Any:  # noqa: ANN401
    """Return an option that gives one field of a card."""
    return typer.Option(help=text)


@app.command()
def describe(
    model: Annotated[str, typer.Argument(help="A model's file or folder, its address, or NAME.http.json with one.")],
    classes: Annotated[Given, told("Classes in the order of the outputs, such as Normal,Pneumonia.")] = None,
    task: Annotated[Given, told("multiclass, binary or multilabel.")] = None,
    size: Annotated[Given, told("Side of the images that it reads in pixels, or height,width.")] = None,
    input_range: Annotated[Given, told("What it is given for black and white, such as 0,255; or imagenet.")] = None,
    mean: Annotated[Given, told("Subtracted afterwards: 1 or 3 figures.")] = None,
    std: Annotated[Given, told("Divides afterwards: 1 or 3 figures.")] = None,
    output: Annotated[Given, told("What it returns: logits or probabilities.")] = None,
    outputs: Annotated[Given, told("Names of all outputs, where some are not read (multilabel).")] = None,
    threshold: Annotated[Given, told("Probability from which on a finding is there; one, or one each.")] = None,
    channels: Annotated[Given, told("1: colour is projected to grey; 3: colour is read.")] = None,
    crop: Annotated[Given, told("Side of the centre that the network is given, or height,width.")] = None,
    resize: Annotated[Given, told("How films of another shape fit: stretch, pad or centre-crop.")] = None,
    interpolation: Annotated[Given, told("bilinear, bicubic, nearest or area.")] = None,
    architecture: Annotated[Given, told("A name that `radversary list architectures` shows.")] = None,
    name: Annotated[Given, told("What people call it.")] = None,
    licence: Annotated[Given, told("Licence of the weights.")] = None,
    source: Annotated[Given, told("Where the weights come from.")] = None,
    trained_on: Annotated[Given, told("The data that it was trained on.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; what is not known is refused.")] = False,  # noqa: FBT002
    force: Annotated[bool, typer.Option("--force", help="Write over a card that is there.")] = False,  # noqa: FBT002
) -> None:
    """Draft the card of a model: read what its file says, ask what cannot be known, write it where it is looked for."""
    from radversary.classifiers.draft import refuse_written
    from radversary.classifiers.draft_answers import answer
    from radversary.classifiers.places import check_undescribed

    given = {"classes": classes, "task": task, "size": size, "input_range": input_range, "mean": mean, "std": std,
             "output": output, "outputs": outputs, "thresholds": threshold, "channels": channels, "crop": crop,
             "resize": resize, "interpolation": interpolation, "architecture": architecture, "name": name,
             "licence": licence, "source": source, "trained_on": trained_on}
    answers = {field: answer(field, text) for field, text in given.items() if text is not None}
    refuse_written(check_undescribed(model), force=force)

    from radversary.classifiers.describe import describe as draft_of
    from radversary.classifiers.draft import write_card

    draft = draft_of(model, answers)
    if not yes:
        draft = asked(draft, answers)
    draft.card()
    show_draft(draft)
    tell_result(f"card: {write_card(draft, force=force).resolve()}")


def asked(draft: Draft, answers: Mapping[str, Any]) -> Draft:
    """Ask for what is not known until nothing is left, then for what was taken for granted, and return the whole draft.

    Where there is nobody to answer, the draft is returned as it is.
    """
    from radversary.classifiers.describe import describe as draft_of

    given = dict(answers)
    for remark in draft.remarks:
        say(f"note: {remark}")
    if draft.count:
        say(f"the network has {draft.count} output{'s' if draft.count > 1 else ''}")
    try:
        while draft.missing:
            field, question = next(iter(draft.missing.items()))
            given[field] = reply(field, question)
            draft = draft_of(draft.reference, given)
        for field, question in draft.wished.items():
            if (said := reply(field, question, "as it is")) != "as it is":
                given[field] = said
    except typer.Abort as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise
        return draft
    return draft_of(draft.reference, given)


def reply(field: str, question: str, default: Given = None) -> Any:  # noqa: ANN401
    """Return what a person answers, asking again while it is nothing that the field may be."""
    from radversary.classifiers.draft_answers import answer
    from radversary.core.errors import ModelError

    while True:
        text = typer.prompt(question, default=default, err=True)
        if text == default:
            return default
        try:
            return answer(field, text)
        except ModelError as error:
            say(str(error))


def show_draft(draft: Draft) -> None:
    """Print a card as a table, each field with where it came from, and what is to be confirmed."""
    words = {"read": "read from the file", "probed": "seen in its answers", "answered": "answered",
             "assumed": "assumed", "unknown": "not known"}
    table = Table(title=f"{draft.reference} ({draft.kind})")
    for head in ("field", "value", "where from"):
        table.add_column(head, overflow="fold")
    for field in draft.fields:
        table.add_row(field.name, field.text, words[field.origin] + (f": {field.why}" if field.why else ""))
    show_whole(table)
    for remark in draft.remarks:
        say(f"note: {remark}")
    if draft.assumptions:
        say(f"note: assumed and to be confirmed with `{CONFIRM} {draft.reference} --root FILMS`: "
            f"{', '.join(draft.assumptions)}")


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="As --model of audit: a folder, a file with its card beside it, "
                                              "NAME.http.json, or, with --allow-code, your own "
                                              "code.")],
    data: Annotated[str | None, typer.Option(help="As for audit: auto recognises what lies at --root. Without it, what "
                                                  "needs films is not looked at.")] = None,
    root: RootOption = None,
    labels: LabelsOption = None,
    option: OptionOption = None,
    device: DeviceOption = "auto",
    allow_code: AllowCodeOption = False,  # noqa: FBT002
    json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell what is wrong with a model before an attack is blamed for it.

    At most 200 films are looked at, of patients drawn at random. Exit code 1 where something is wrong.
    """
    from radversary.classifiers.places import check_place
    from radversary.data.places import check_source

    source = None
    check_place(model, allow_code=allow_code)
    if data is not None or root is not None or labels is not None or option:
        source = source_of(data or "auto", root, labels, option)
        check_source(source["name"], source["options"])

    from radversary.execution.devices import select_device
    from radversary.study.model_check.films import check_on_source
    from radversary.study.model_check.run import check_model
    from radversary.study.placing import load_model

    classifier = load_model(model, device=select_device(device), allow_code=allow_code)
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
    show_whole(table)
    for found in report.checks:
        if found.state in ("wrong", "note"):
            say(f"{found.state}: {found.name}: {found.sentence}")
    for note in report.notes:
        say(f"note: {note}")
