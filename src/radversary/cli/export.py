"""``radversary export``: a run in the formats of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from radversary.cli.console import say, tell_result

if TYPE_CHECKING:
    from radversary.report.exports.facts import Run

FORMATS: Final = ("chai", "huggingface", "mlflow", "sbom")
OPTIONS: Final = {"card": ("chai", "huggingface"), "template": ("chai", "huggingface"),
                  "out": ("chai", "huggingface", "sbom"), "tracking-uri": ("mlflow",), "experiment": ("mlflow",),
                  "with-identifiers": ("mlflow",), "profile": ("chai", "huggingface", "mlflow")}
"""Option to the formats that know it."""
CARD: Final = "maker-card.yaml"
NO: Final = False


def export(run: Annotated[Path, typer.Argument(help="A run's folder with result.json.")],
           form: Annotated[str, typer.Option("--format", help="chai: Applied Model Card (XML); huggingface: README.md "
                                             "with model-index; sbom: CycloneDX 1.6 (JSON, extra [sbom]); mlflow: log "
                                             "to a tracking store (extra [mlflow]).")],
           out: Annotated[Path | None, typer.Option(help="A file, or a folder that gets model-card.chai.xml, "
                                                         "README.md or sbom.cdx.json; the default is the run's "
                                                         "own folder.")] = None,
           card: Annotated[Path | None, typer.Option(help="A YAML file of what only the model's maker knows, for "
                                                          "chai and huggingface.")] = None,
           template: Annotated[bool, typer.Option("--template", help="Write an empty --card and leave.")] = False,  # noqa: FBT002
           tracking_uri: Annotated[str | None, typer.Option(help="MLflow's store; MLFLOW_TRACKING_URI, or mlflow.db in "
                                                                 "the run's folder, is the default.")] = None,
           experiment: Annotated[str | None, typer.Option(help="MLflow's experiment; the default is "
                                                               "radversary.")] = None,
           with_identifiers: Annotated[bool, typer.Option("--with-identifiers", help="Send MLflow the run's files as "
                                                          "they lie: ids of images, names of sites, paths, pictures."
                                                          )] = NO,
           profile: Annotated[str | None, typer.Option(help="Of the scores: a profile by name, or a YAML file of one's "
                                                            "own; the default is mirs-1.0.")] = None,
           ) -> None:
    """Write a run as a model card, a software bill of materials or an MLflow run; nothing is computed anew.

    What the run does not know and --card does not say is written as not stated, and named on standard error. Ids of
    images, names of sites and sources, paths and values in commands do not go out.
    """
    from radversary.core.errors import UnknownNameError
    from radversary.evidence.changed import refuse_changed_result
    from radversary.report.found import check_result

    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    check_options(form, {"out": out, "card": card, "template": template or None, "tracking-uri": tracking_uri,
                         "experiment": experiment, "with-identifiers": with_identifiers or None, "profile": profile})
    if template:
        write_template(out or run)
        return
    check_result(run)
    refuse_changed_result(run)

    from radversary.report.exports.facts import Run
    from radversary.scoring.profile import load_profile

    read = Run.read(run, None if profile is None else load_profile(profile))
    if form == "mlflow":
        to_mlflow(read, tracking_uri, experiment, identifiers=with_identifiers)
    else:
        to_file(read, form, out or run, card)
    if form != "sbom" and read.unscored:
        say(f"note: no security score: {read.unscored}")


def check_options(form: str, given: dict[str, object]) -> None:
    """Refuse options that a format does not know.

    Raises:
        InputError: One was given.
    """
    from radversary.core.errors import InputError

    for name, value in given.items():
        if value is not None and form not in OPTIONS[name]:
            raise InputError(f"--{name} is for --format {' and '.join(OPTIONS[name])}, not for {form}")


def write_template(place: Path) -> None:
    """Write an empty card of a maker; one that lies there is kept.

    Raises:
        InputError: A file lies there.
    """
    from radversary.core.errors import InputError
    from radversary.report.exports.maker_card import template
    from radversary.storage.files import write_text

    path = place / CARD if place.is_dir() else place
    if path.exists():
        raise InputError(f"{path} lies there already; it is not written over, give another --out")
    tell_result(f"card to fill in: {write_text(path, template()).resolve()}")


def to_file(run: Run, form: str, place: Path, card: Path | None) -> None:
    """Write a document and name its gaps.

    Raises:
        InputError: A ``README.md`` that no export wrote lies there.
    """
    from radversary.core.errors import InputError
    from radversary.report.exports import chai, huggingface, sbom
    from radversary.report.exports.maker_card import read_maker_card
    from radversary.storage.files import write_text

    names = {"chai": chai.FILE, "huggingface": huggingface.FILE, "sbom": sbom.FILE}
    path = place / names[form] if place.is_dir() else place
    if form == "huggingface" and path.is_file() and huggingface.MARK not in path.read_text("utf-8", "replace"):
        raise InputError(f"{path} was not written by radversary export and is not written over; give another --out")
    maker = read_maker_card(card)
    text, gaps = (sbom.bill_of_materials(run) if form == "sbom" else
                  chai.chai_card(run, maker) if form == "chai" else huggingface.hub_card(run, maker))
    tell_result(f"{form}: {write_text(path, text).resolve()}")
    for gap in gaps:
        say(f"gap: {gap}")


def to_mlflow(run: Run, uri: str | None, experiment: str | None, *, identifiers: bool) -> None:
    """Log to MLflow and say where, and what of the run's files was sent."""
    from radversary.report.exports.mlflow_store import EXPERIMENT, REPORT, default_uri, files_of, log_run

    kept = log_run(run, uri or default_uri(run.folder), experiment or EXPERIMENT, identifiers=identifiers)
    tell_result(f"mlflow: run {kept.run_id} {'in' if kept.new else 'lay already in'} {kept.uri}")
    sent = files_of(run, identifiers=identifiers)
    if not kept.new:
        say("note: nothing was sent; another --experiment takes the run again")
    elif identifiers and not run.pseudonymised:
        say(f"note: {', '.join(sent)} were sent as they lie, with ids of images, names of sites, paths and pictures")
    elif REPORT in sent:
        say(f"note: {REPORT} was sent along; it holds pictures of test images where the copy has them")
    else:
        say(f"note: {REPORT} was not sent, and what was sent names no image, site or path; radversary seal RUN "
            "--export COPY makes a copy whose report may go, --with-identifiers sends the files as they lie")
