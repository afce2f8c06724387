"""``radversary data``: prepare, check, and draw images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radversary.cli.console import say, show, tell_result

if TYPE_CHECKING:
    from radversary.data.checks import DataReport

LISTED = 20
"""Files left out that are printed; all of them are in left_out.csv."""

FILES = ("zip", "medmnist")
"""Sources whose --root is a file."""

TABLES = ("csv", "dicom")
"""Sources whose --labels is their table."""

PATIENTS_AND_FILMS = "no patient and no film is in two parts"

app = typer.Typer(no_args_is_help=True, help="Prepare and check images, or draw phantoms.")

SourceArgument = Annotated[str, typer.Argument(help="auto (recognises what lies at --root), folder (one sub-folder a "
                                                    "class), csv (a table with image paths), imagefolder (metadata.csv "
                                                    "or .jsonl), dicom (headers joined to a table), nih (ChestX-ray14 "
                                                    "as NIH ships it), medmnist (.npz), zip or phantoms.")]
RootOption = Annotated[Path | None, typer.Option(help="Folder of the images; with auto, a table, .zip or .npz too.")]
LabelsOption = Annotated[Path | None, typer.Option(help="The table that names the films; none where there are no "
                                                        "labels.")]
OptionOption = Annotated[list[str] | None, typer.Option("--option", help="Further option of the source as name=value, "
                                                        "such as policy=any; repeatable.")]


def source_of(source: str, root: Path | None, labels: Path | None, options: list[str] | None) -> dict[str, Any]:
    """Return name and options of the data source that a command line names.

    What ``auto`` takes the data for is among the notes on the data.
    """
    if source != "auto":
        return {"name": source, "options": source_options(source, root, labels, options)}
    further = source_options(source, None, None, options)
    return {"name": source, "options": {**source_options(source, root, labels, None),
                                        **({"options": further} if further else {})}}


def source_options(source: str, root: Path | None, labels: Path | None, options: list[str] | None) -> dict[str, Any]:
    """Gather a data source's options from the command line; values are read as YAML."""
    from radversary.core.errors import PlanError
    from radversary.core.text import quoted
    from radversary.storage.plain_yaml import parse_yaml

    gathered: dict[str, Any] = {}
    if root is not None:
        gathered["path" if source in FILES else "root"] = str(root)
    if labels is not None:
        gathered["path" if source in TABLES and str(labels) != "none" else "labels"] = str(labels)
    for text in options or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise PlanError(f"--option must be name=value, got {quoted(text)}")
        try:
            gathered[name] = parse_yaml(value)
        except ValueError as error:
            raise PlanError(f"--option {quoted(text)} has a value that is not valid YAML: {error}") from error
    return gathered


@app.command()
def prepare(
    out: Annotated[Path, typer.Option(help="Folder for the prepared images.")],
    source: SourceArgument = "auto",
    root: RootOption = None,
    labels: LabelsOption = None,
    option: OptionOption = None,
    size: Annotated[int, typer.Option(min=32, max=4096, help="Side in pixels.")] = 224,
    channels: Annotated[int, typer.Option(min=1, max=3, help="1 (grey) or 3.")] = 1,
    resize: Annotated[str, typer.Option(help="How a film becomes square: stretch, pad or centre-crop.")] = "stretch",
    interpolation: Annotated[str, typer.Option(help="bilinear, bicubic, nearest or area.")] = "bilinear",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the split.")] = 42,
) -> None:
    """Read images, divide the patients 60/20/20, check for leaks and confounds."""
    from radversary.data.places import check_source
    from radversary.storage.plans import Part, parse_plan
    from radversary.study.plan import DataPlan

    part = Part(**source_of(source, root, labels, option))
    plan = parse_plan(DataPlan, {"source": part, "size": size, "channels": channels, "resize": resize,
                                 "interpolation": interpolation}, source="the command line")
    check_source(part.name, part.options)

    from radversary.study.prepare import prepare as prepare_data

    images, report = prepare_data(plan, out, seed=seed)
    print_report(report)
    for reason in images.left_out[:LISTED]:
        say(f"left out: {reason}")
    if (more := len(images.left_out) - LISTED) > 0:
        say(f"left out: {more} more; {out / 'prepared' / 'left_out.csv'} names all")
    tell_result(f"{len(images)} images prepared in {out / 'prepared'}, {len(images.left_out)} left out")


@app.command()
def check(folder: Annotated[Path, typer.Argument(help="A folder of prepared images (data prepare, or a run folder).")],
          ) -> None:
    """Check for patients and films in two parts, and for facts beside the finding that predict the class."""
    from radversary.core.errors import DataError

    places = [folder, folder / "prepared", folder / "data" / "prepared"]
    found = next((place for place in places if (place / "prepared.json").is_file()), None)
    if found is None:
        raise DataError(f"{folder} holds no prepared images; make them with: radversary data prepare")

    from radversary.data.checks import check_data
    from radversary.data.prepared import PreparedImages

    report = check_data(PreparedImages.load(found))
    print_report(report)
    if report.errors:
        said = report.errors[0]
        raise DataError(f"the data leaks: {said}" if report.shared_patients or report.duplicates else said)
    tell_proof(report)


@app.command()
def phantoms(
    out: Annotated[Path, typer.Option(help="Folder for the images.")] = Path("phantoms"),
    count: Annotated[int, typer.Option(min=3, max=10**6, help="Number of images.")] = 300,
    size: Annotated[int, typer.Option(min=32, max=4096, help="Side in pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the collection.")] = 42,
) -> None:
    """Draw synthetic chest radiographs with masks of the pathology."""
    from radversary.data.phantoms import Phantoms, write_phantoms

    write_phantoms(Phantoms(count=count, size=size, seed=seed), out)
    tell_result(f"{count} phantoms in {out}")


def tell_proof(report: DataReport) -> None:
    """Print what a check without errors proved and what it could not check."""
    proved = [PATIENTS_AND_FILMS] if len(report.proved) > 1 else report.proved
    for sentence in proved:
        tell_result(sentence)
    for sentence in report.unproved:
        tell_result(f"not checked: {sentence}")


def print_report(report: Any) -> None:  # noqa: ANN401
    """Print what the data check found."""
    from radversary.cli.tables import counts_table

    for kind, counts in report.counts.items():
        show(counts_table(f"Images by {kind}", counts))
    show(counts_table("Patients", {"": report.patients}))
    for name, estimate in report.estimates.items():
        tell_result(f"a classifier that sees only {name}: balanced accuracy {estimate} (chance {report.chance:.1%})")
    for pair in report.duplicates:
        say(f"same film: {pair.first} ({pair.parts[0]}) and {pair.second} ({pair.parts[1]}), turned by {pair.turn:g}°")
    for film in report.contradictions:
        say(f"same film: {film.first} ({film.classes[0]}) and {film.second} ({film.classes[1]})")
    for line in (*report.errors, *report.warnings):
        say(f"note: {line}")
