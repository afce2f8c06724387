"""``radversary detector``: learn what clean films look like, set thresholds, and check that they hold."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.bundles import open_guard
from radversary.cli.console import say, show, show_whole, tell_result
from radversary.cli.run import AllowCodeOption, DeviceOption, ModelOption
from radversary.core.errors import InputError

if TYPE_CHECKING:
    from radversary.guard_evaluation.plan import GuardEvaluationPlan
    from radversary.screening.films import Films
    from radversary.screening.guard import Guard

app = typer.Typer(no_args_is_help=True, help="Detectors that need no original: fit, calibrate, check.")

CleanArgument = Annotated[Path, typer.Argument(help="Clean films: a folder, a CSV table (columns file, patient_id, "
                                                    "view …), or a run's folder.")]
BundleOption = Annotated[Path, typer.Option("--detector", help="The bundle's folder.")]


@app.command()
def fit(
    clean: CleanArgument,
    model: ModelOption,
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")] = Path("detector"),
    use: Annotated[list[str] | None, typer.Option("--use", help="A detector by name, instead of a preset; "
                                                  "repeatable.")] = None,
    preset: Annotated[str, typer.Option(help="quick: integrity, shallow, neighbours, no pass beyond the classifier's; "
                                        "thorough: integrity, shallow, shift, grain, three passes more, for faint "
                                        "attacks; black-box: integrity, grain, for a model that shows its answers "
                                        "alone.")] = "quick",
    attacked: Annotated[list[Path] | None, typer.Option(help="A folder that `radversary attack` made of training "
                        "patients' films; repeatable; for supervised detectors (--use learned) alone.")] = None,
    view: Annotated[list[str] | None, typer.Option(help="For --use consistency: 'canonical', or the folder of a "
                                                   "trained restoration (RUN/restorers/NAME); repeatable.")] = None,
    part: Annotated[str, typer.Option(help="Which part of a run's images.")] = "train",
    device: DeviceOption = "auto",
    allow_code: AllowCodeOption = False,  # noqa: FBT002
) -> None:
    """Learn what clean films look like; the next step is `detector calibrate`, on other patients.

    The bundle holds the model, its card and what the detectors learned, as safetensors and JSON; of a model that an
    installed kind of model loads, its path or URL.
    """
    from radversary.classifiers.places import check_place
    from radversary.detectors.registry import REFERENCE_FREE
    from radversary.storage.files import refuse_absent

    for name in use or ():
        REFERENCE_FREE.check(name)
    check_place(model, allow_code=allow_code)
    refuse_absent([clean, *(attacked or ())])

    from radversary.classifiers.probe import check_answers
    from radversary.execution.devices import select_device
    from radversary.imaging.source import JoinedSource
    from radversary.screening.bundle import save_guard
    from radversary.screening.films import read_films
    from radversary.screening.fitting import fit_guard, make_detectors, preset_named
    from radversary.screening.kept_model import check_keepable
    from radversary.screening.views import named_views
    from radversary.storage.locks import locked
    from radversary.study.placing import load_alone

    names, views = tuple(use) if use else preset_named(preset), named_views(view or ())
    make_detectors(names, views, attacked=bool(attacked))
    classifier = check_keepable(load_alone(model, device=select_device(device), allow_code=allow_code))
    if suspicion := check_answers(classifier).suspicion(classifier.card.name):
        say(f"warning: {suspicion}")
    with locked(out):  # before any long work, so that a second process is refused at once
        films = read_films(clean, classifier.card, part=part, clean=True)
        report_left_out(films.left_out)
        shown = [read_films(folder, classifier.card) for folder in attacked or ()]
        report_left_out([reason for item in shown for reason in item.left_out])
        guard = fit_guard(classifier, films.images, names=names, views=views,
                          attacked=JoinedSource([item.images for item in shown]) if shown else None)
        save_guard(guard, out)
    beside = f" and {guard.record['attacked_images']} attacked ones" if shown else ""
    tell_result(f"fitted on {guard.record['fitted_images']} images{beside}; next: radversary detector calibrate CLEAN "
                f"--detector {out}")


@app.command()
def calibrate(
    clean: CleanArgument,
    detector: BundleOption = Path("detector"),
    alpha: Annotated[float, typer.Option(help="Promised false-alarm rate, between 0 and 1.")] = 0.05,
    by: Annotated[str | None, typer.Option(help="Keep the promise for each view, sex, age band, modality or source by "
                                                "itself.")] = None,
    part: Annotated[str, typer.Option(help="Which part of a run's images.")] = "validation",
    rule: Annotated[str, typer.Option(help="How detectors are combined: fisher_within_tippett_across, "
                                      "Fisher's sum within a kind and the least p-value across kinds; fisher, all; "
                                      "harmonic, for what one sees clearly.")] = "fisher_within_tippett_across",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the choice of one image a patient.")] = 42,
    device: DeviceOption = "auto",
) -> None:
    """Set the thresholds on clean films of patients that were not fitted on."""
    from radversary.storage.files import refuse_absent

    refuse_absent([clean, detector])

    from radversary.calibration.combining import known_rule
    from radversary.calibration.thresholds import images_needed
    from radversary.cli.detector_tables import promise_table
    from radversary.core.errors import UnknownNameError
    from radversary.screening.bundle import promise, save_guard
    from radversary.screening.films import GROUPS, read_films
    from radversary.storage.locks import locked

    images_needed(alpha)
    rule = known_rule(rule)
    if by is not None and by not in GROUPS:
        raise UnknownNameError("group", by, GROUPS)
    with locked(detector):
        guard = open_guard(detector, device)
        films = read_films(clean, guard.classifier.card, part=part, clean=True)
        report_left_out(films.left_out)
        noted = replace(guard, record={**guard.record, "grouped_by": by})
        with noted_warnings():
            ready = noted.calibrate(films.images, films.patients, films.groups(by), alpha=alpha, rule=rule, seed=seed)
        save_guard(ready, detector)
    show(promise_table(promise(ready.calibrated())))
    tell_result(f"calibrated on {ready.record['calibrated_images']} images; use it: radversary screen FILMS "
                f"--detector {detector}")


@app.command()
def check(
    clean: CleanArgument,
    detector: BundleOption = Path("detector"),
    part: Annotated[str, typer.Option(help="Which part of a run's images.")] = "test",
    device: DeviceOption = "auto",
) -> None:
    """Check on fresh clean films that the promise holds, for everyone and for each view, sex and age band.

    Films that the guard was fitted or calibrated on, re-encoded ones too, are refused; those of a group that was never
    calibrated are left out, and copies of a film count once.

    Exit code 1 where the rate of false alarms is above its bound beyond doubt, or the films have drifted from those of
    the calibration.
    """
    from radversary.storage.files import refuse_absent

    refuse_absent([clean])
    guard = open_guard(detector, device)

    from radversary.calibration.clean_check import check_clean
    from radversary.cli.detector_tables import rates_table
    from radversary.screening.films import read_films

    films = read_films(clean, guard.classifier.card, part=part, clean=True)
    report_left_out(films.left_out)
    fusion, by = guard.calibrated(), guard.record.get("grouped_by")
    with noted_warnings():
        films = unseen(films, guard)
    films = of_calibrated_groups(films, by, guard)
    groups = films.groups(by)
    scores = fusion.combined(guard.look(films.images, title="Looking").scores, groups)
    found = check_clean(fusion.final, scores, films.patients, groups,
                        subgroups={str(name): films.facts[name].tolist() for name in films.facts})
    show(rates_table(found))
    drifted = found.drifted()
    tell_result(f"drift from the calibration: {'YES' if drifted else 'none seen'} (Kolmogorov-Smirnov p = "
                f"{found.p_value:.3g})")
    if drifted or found.overall.broken:
        raise typer.Exit(1)


@contextmanager
def noted_warnings() -> Iterator[None]:
    """Say every warning as a note, also where an error follows."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in told:
                say(f"note: {warning.message}")


def unseen(films: Films, guard: Guard) -> Films:
    """Return films that a guard is checked on, each once; copies are counted in a warning.

    Raises:
        InputError: The guard was fitted or calibrated on them.
    """
    from radversary.screening.seen import distinct, marks_of

    marks = marks_of(films.images)
    guard.refuse_seen(marks, ("fitted", "calibrated"), "check")
    rows, patients = distinct(marks, films.patients)
    return replace(films.take(rows), patients=tuple(patients))


def of_calibrated_groups(films: Films, by: str | None, guard: Guard) -> Films:
    """Return the films whose group was calibrated, and say how many were not.

    Raises:
        InputError: None was, or nothing is known of what they are grouped by.
    """
    if (groups := films.groups(by)) is None:
        return films
    known = guard.calibrated().final.scores
    rows = [row for row, group in enumerate(groups) if group in known]
    others = ", ".join(sorted(set(groups) - set(known)))
    if not rows:
        raise InputError(f"none of {len(groups)} films is of a {by} that was calibrated ({', '.join(known)}), but of "
                         f"{others}")
    if others:
        say(f"left out: {len(groups) - len(rows)} films of a {by} that was never calibrated ({others})")
    return films.take(rows)


def report_left_out(reasons: Sequence[str]) -> None:
    """Say which files were not read."""
    for reason in reasons:
        say(f"left out: {reason}")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder: its test images are attacked and shown to the guard.")],
    detector: BundleOption = Path("detector"),
    plan: Annotated[Path | None, typer.Option(help="What to attack with (YAML: attacks …); default: style transfer by "
                                              "two generators, FGSM, PGD, detector-aware attackers.")] = None,
    battery: Annotated[str | None, typer.Option(help="The attacks of a battery before those of a plan's file, with "
                       "those of its name that know the detectors: quick, standard or full.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page; the same command goes on where it was.")] = Path(
        "runs/guard-evaluation"),
    device: DeviceOption = "auto",
) -> None:
    """Measure a guard: detection of attacks, false alarms, and detection of attackers who know the detectors."""
    chosen = evaluation_plan(run, plan, battery)

    from radversary.cli.detector_tables import detection_table, harmless_table
    from radversary.core.errors import DataError
    from radversary.data.prepared import PreparedImages
    from radversary.guard_evaluation.run import evaluate_guard
    from radversary.report.guard.page import write_guard_evaluation
    from radversary.screening.films import prepared_in
    from radversary.study.checks import check_attacks

    if (prepared := prepared_in(run)) is None:
        raise DataError(f"{run} holds no prepared images; make them with: radversary data prepare")
    check_attacks(chosen.attacks)
    guard = open_guard(detector, device)
    guard.calibrated()
    result = evaluate_guard(chosen, guard, PreparedImages.load(prepared), out)
    show_whole(detection_table(result))
    show_whole(harmless_table(result))
    for sentence in (*(finding.sentence for finding in result.findings), *result.warnings):
        say(f"warning: {sentence}")
    tell_result(f"page: {write_guard_evaluation(out).resolve()}")


def evaluation_plan(run: Path, plan: Path | None, battery: str | None = None) -> GuardEvaluationPlan:
    """Return what a guard is to be evaluated on, once the run is seen to be there and all attacks to be known.

    Args:
        run: The run's folder.
        plan: A file; None for the battery, or for the default plan where there is none.
        battery: A battery whose attacks come before those of the file.

    Raises:
        InputError: There is no such run, or the plan cannot be used.
    """
    from radversary.auditing.batteries import named
    from radversary.auditing.plan import with_named_battery
    from radversary.guard_evaluation.plan import DEFAULT, GuardEvaluationPlan
    from radversary.storage.files import refuse_absent
    from radversary.storage.plans import parse_plan, plan_content
    from radversary.study.early import refuse_unknown_attacks

    if battery is not None:
        named(battery)
    refuse_absent([run])
    if plan is None:
        given = DEFAULT if battery is None else {"battery": battery}
        return parse_plan(GuardEvaluationPlan, given, source=f"the plan of the battery {battery}" if battery else
                          "the default plan")
    source = f"plan {plan}"
    chosen = with_named_battery(GuardEvaluationPlan, plan_content(plan, source=source), battery, source=source)
    refuse_unknown_attacks(chosen.attacks)
    return chosen


@app.command()
def families(
    run: Annotated[Path, typer.Argument(help="A run's folder: its training images are attacked to teach the learned "
                                             "detector, its test images to measure it.")],
    model: ModelOption,
    plan: Annotated[Path | None, typer.Option(help="What to attack with (YAML, as for `evaluate`); attackers who know "
                                              "the detectors are left out. Default: that of `evaluate`.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for families.json and .md; the same command goes on where it "
                                           "was.")] = Path("runs/guard-evaluation"),
    train_images: Annotated[int, typer.Option(min=2, max=10**6, help="Training images at most, and as many attacked "
                                                                     "copies an attack.")] = 300,
    device: DeviceOption = "auto",
    allow_code: AllowCodeOption = False,  # noqa: FBT002
) -> None:
    """Measure the learned detector on attack families it was trained on, and on each that was left out."""
    from radversary.classifiers.places import check_place

    chosen = evaluation_plan(run, plan)
    check_place(model, allow_code=allow_code)

    from radversary.cli.detector_tables import families_table
    from radversary.core.errors import DataError
    from radversary.data.prepared import PreparedImages
    from radversary.execution.devices import select_device
    from radversary.guard_evaluation.families.run import leave_one_family_out
    from radversary.guard_evaluation.families.setup import families_in
    from radversary.guard_evaluation.result import find_result
    from radversary.report.guard.page import write_guard_evaluation
    from radversary.report.guard.tables import families_markdown
    from radversary.screening.films import prepared_in
    from radversary.storage.files import write_page
    from radversary.study.placing import load_alone

    if (prepared := prepared_in(run)) is None:
        raise DataError(f"{run} holds no prepared images; make them with: radversary data prepare")
    families_in(chosen)
    classifier = load_alone(model, device=select_device(device), allow_code=allow_code)
    result = leave_one_family_out(chosen, classifier, PreparedImages.load(prepared), out, train_images=train_images)
    write_page(out / "families.md", families_markdown(result))
    show_whole(families_table(result))
    for warning in result.warnings:
        say(warning)
    if find_result(out) is not None:
        tell_result(f"page: {write_guard_evaluation(out).resolve()}")
