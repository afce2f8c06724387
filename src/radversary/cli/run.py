"""``radversary run`` and ``radversary demo``: a study from one plan."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import say, show, tell_result

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult

OUT_HELP = "Run folder; default: runs/<name of the plan>. The same command goes on where it was stopped."
DeviceOption = Annotated[str, typer.Option("--device", help="Where models compute: auto (CUDA where there is one), "
                                                            "cpu, cuda, cuda:1, mps.")]
ModelOption = Annotated[str, typer.Option("--model", help="Model folder (model.safetensors + card.json), file "
                                          "of a model with its card beside it (.onnx, .safetensors, .pt2, TorchScript, "
                                          ".keras), NAME.http.json of a model behind HTTP, or, with --allow-code, your "
                                          "own code: my_model.py:build or package.module:build.")]
AllowCodeOption = Annotated[bool, typer.Option("--allow-code", help="Import, and so run, the code that --model names.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Processes that attack, defend and detect; 1 does "
                                                                    "it in this one.")]


def run_plan(plan: Annotated[Path, typer.Argument(help="A study plan (YAML); see plans/ in the repository.")],
             out: Annotated[Path | None, typer.Option(help=OUT_HELP)] = None,
             device: DeviceOption = "auto", workers: WorkersOption = 1) -> None:
    """Prepare data, train models, audit and report, all from one plan; unchanged steps are skipped."""
    from radversary.storage.plans import read_plan
    from radversary.study.early import refuse_study
    from radversary.study.plan import StudyPlan

    study = read_plan(StudyPlan, plan)
    refuse_study(study)
    folder = out or run_folder(study.name)

    from radversary.cli.tables import accuracy_table, detection_table, findings_table, time_table
    from radversary.study.run import run_study

    result = run_study(study, folder, device=device, workers=workers)
    show(time_table(result.seconds))
    if result.detections:
        show(detection_table(result))
    show(accuracy_table(result))
    if found := findings_table(result):
        show(found)
    warn(result)
    tell_result(f"report: {(folder / 'report.html').resolve()}")


def warn(result: AuditResult) -> None:
    """Say on standard error, a line each, which measurements were too weak and what is to be known of the data."""
    from radversary.report.measurement import measurement_line

    for finding in result.findings:
        say(f"warning: {finding.sentence}")
    if said := measurement_line(result):
        say(said)
    for warning in result.data.warnings:
        say(f"note: {warning}")


def run_folder(name: str) -> Path:
    """Return where a run of some name goes by default.

    Raises:
        PlanError: A folder of that name would lie elsewhere, or can be none.
    """
    from radversary.core.errors import PlanError

    if Path(name).name != name or name in (".", "..") or len(name.encode(errors="replace")) > 200:
        raise PlanError(f"the plan's name {name!r} is none that a folder under runs/ can have; give --out")
    return Path("runs") / name


def demo(out: Annotated[Path, typer.Option(help="Run folder; the same command goes on where it was stopped.")] =
         Path("runs/demo"), device: DeviceOption = "auto", workers: WorkersOption = 1) -> None:
    """Audit a small ResNet on phantom radiographs: minutes, no download, ends with a report."""
    with as_file(files("radversary.study") / "plans" / "demo.yaml") as plan:
        run_plan(plan, out=out, device=device, workers=workers)
