"""An audit and a screening in one call, for scripts and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from warnings import warn

import torch

from radversary.auditing.plan import AuditPlan
from radversary.auditing.result import AuditResult
from radversary.classifiers.base import Classifier
from radversary.core.errors import DataError
from radversary.core.types import Images, check_images
from radversary.execution.devices import select_device
from radversary.execution.work import Progress
from radversary.screening.bundle import load_guard
from radversary.screening.guard import Guard
from radversary.screening.screen import screen_places
from radversary.screening.verdicts import Verdict
from radversary.storage.plans import parse_plan, read_plan
from radversary.study.audit_model import audit_model
from radversary.study.dataset import Dataset
from radversary.study.placing import load_model
from radversary.study.presets import PRESETS, left_out, preset


def audit(model: Classifier | str | Path, data: Dataset | str | Path,
          plan: AuditPlan | Mapping[str, Any] | str | Path = "quick", *, out: str | Path = "runs/audit",
          device: str = "auto", workers: int = 1, progress: Progress | None = None) -> AuditResult:
    """Audit a model on images: attacks, detectors, defences and the report.

    Args:
        model: The victim, or a reference to it, as :func:`radversary.classifiers.registry.load` takes it.
        data: The images, or where they lie.
        plan: ``quick`` (a hundred images an attack, minutes), ``standard``, a plan's file, its fields, or the plan.
        out: The run folder, with ``report.html``; the same call goes on where it was.
        device: ``auto`` or a torch device.
        workers: Processes that attack, defend and detect; more than 1 need a model that is named by a reference.
        progress: Receives the steps and their progress, and can cancel them.

    Returns:
        The result; a notebook shows its figures as a table.

    Raises:
        InputError: Plan, model and data do not fit each other.

    Example:
        >>> audit("runs/nothing", "films")
        Traceback (most recent call last):
        radversary.core.errors.ModelError: there is no model at runs/nothing
    """
    victim = model if isinstance(model, Classifier) else load_model(model, device=select_device(device))
    images = data if isinstance(data, Dataset) else Dataset(data)
    source = images.source(Path(out) / "images", victim.card.classes)
    return audit_model(plan_of(plan, victim), model, source, Path(out), device=device, workers=workers,
                       progress=progress)


def plan_of(plan: AuditPlan | Mapping[str, Any] | str | Path, victim: Classifier) -> AuditPlan:
    """Return a plan by its name, its file or its fields; a named one without what the victim has too little access for.

    Raises:
        PlanError: Fields that no plan has.
        UnknownNameError: No such plan.
        DataError: No such file.
    """
    if isinstance(plan, AuditPlan):
        return plan
    if isinstance(plan, Mapping):
        return parse_plan(AuditPlan, plan, source="the plan")
    if isinstance(plan, Path) or str(plan).endswith((".yaml", ".yml")):
        return read_plan(AuditPlan, Path(plan))
    found = preset(str(plan), victim)
    if missing := left_out(str(plan), victim) if str(plan) in PRESETS else ():
        warn(f"model {victim.card.name!r} gives {victim.access.name.lower()} alone: {', '.join(missing)} left out",
             stacklevel=3)
    return found


def screen(films: Images | str | Path | Iterable[str | Path], guard: Guard | str | Path) -> list[Verdict]:
    """Test films for manipulation, without their originals.

    Args:
        films: Images (N, 1 or 3, H, W) in [0, 1] of the size that the guard's model reads; or files, folders or tables.
        guard: A calibrated guard, or the folder that it was saved in.

    Returns:
        A verdict on each film: ``pass``, ``review`` or ``refused`` with the reason.

    Raises:
        InputError: The guard is not calibrated, or a place holds no film.

    Example:
        >>> screen("films", "runs/no-guard")
        Traceback (most recent call last):
        radversary.core.errors.ModelError: runs/no-guard holds no guard.json; make one with `radversary detector fit`
    """
    judge = guard if isinstance(guard, Guard) else load_guard(Path(guard))
    if isinstance(films, torch.Tensor):
        return judge.screen(check_images(films))
    places = [Path(films)] if isinstance(films, str | Path) else [Path(place) for place in films]
    if not places:
        raise DataError("no film to screen was given")
    return [item.verdict for item in screen_places(judge, places)]
