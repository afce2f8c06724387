"""``radversary audit``: a model that exists, on one's own images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import show, tell_result
from radversary.cli.data import LabelsOption, OptionOption, RootOption, source_of
from radversary.cli.remote import Asked, ServerOption, audit_there
from radversary.cli.run import AllowCodeOption, DeviceOption, ModelOption, WorkersOption, warn

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult


def audit(
    model: ModelOption,
    data: Annotated[str, typer.Option(help="auto recognises what lies at --root; or folder, csv, imagefolder, dicom, "
                                           "nih, medmnist, zip, phantoms.")] = "auto",
    root: RootOption = None,
    labels: LabelsOption = None,
    option: OptionOption = None,
    out: Annotated[Path, typer.Option(help="Run folder; the same command goes on where it was.")] = Path("runs/audit"),
    plan: Annotated[str | None, typer.Option(help="quick (first figures in minutes; the default), standard (for a "
                                                  "report), full (thousands of queries), or a file (YAML).")] = None,
    battery: Annotated[str | None, typer.Option(help="The attacks of a battery before those of a plan's file: quick, "
                                                     "standard or full. What the model gives too little access for is "
                                                     "left out, and named.")] = None,
    detector: Annotated[Path | None, typer.Option(help="Folder of a guard calibrated for the model (detector fit, "
                                                       "detector calibrate): a defence of the audit, which is also "
                                                       "attacked by who knows it.")] = None,
    server: ServerOption = None,
    allow_code: AllowCodeOption = False,  # noqa: FBT002
    device: DeviceOption = "auto",
    workers: WorkersOption = 1,
) -> None:
    """Attack, detect and defend a model that exists; nothing is trained.

    Every image is test data, less a fifth of the patients on whom the detectors are calibrated; a table that comes with
    a column `split` keeps its division. With --server a platform does it: what lies here is sent there, and --model,
    --data and --detector may name what it has.
    """
    from radversary.study.early import refuse_audit
    from radversary.study.presets import chosen_plan, with_guard

    source = source_of(data, root, labels, option)
    if server is not None:
        audit_there(Asked(server.rstrip("/"), model, source, chosen_plan(plan, battery),
                          "" if detector is None else str(detector), workers), out)
        from radversary.report.html import load_result

        tell_audit(load_result(out), out)
        return
    chosen = with_guard(chosen_plan(plan, battery), detector)
    refuse_audit(chosen, model, source, allow_code=allow_code)

    from radversary.study.audit_model import audit_model

    result = audit_model(chosen, model, source, out, device=device, workers=workers, allow_code=allow_code)
    tell_audit(result, out)


def tell_audit(result: AuditResult, out: Path) -> None:
    """Print what an audit found, and where its report is."""
    from radversary.cli.tables import accuracy_table, detection_table, findings_table, guards_table

    if result.detections:
        show(detection_table(result))
    show(accuracy_table(result))
    for found in (findings_table(result), guards_table(result)):
        if found:
            show(found)
    warn(result)
    tell_result(f"report: {(out / 'report.html').resolve()}")
