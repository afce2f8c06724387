"""An audit and a screening in one call, for scripts and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from radversary.auditing.plan import AuditPlan
from radversary.auditing.result import AuditResult
from radversary.classifiers.base import Classifier
from radversary.classifiers.places import check_place
from radversary.core.errors import DataError
from radversary.core.types import Images, check_images
from radversary.execution.devices import select_device
from radversary.execution.work import Progress
from radversary.screening.bundle import load_guard
from radversary.screening.guard import Guard
from radversary.screening.screen import screen_places
from radversary.screening.verdicts import Verdict
from radversary.study.audit_model import audit_model
from radversary.study.dataset import Dataset
from radversary.study.placing import load_model
from radversary.study.presets import given_plan


def audit(model: Classifier | str | Path, data: Dataset | str | Path | Mapping[str, Any],
          plan: AuditPlan | Mapping[str, Any] | str | Path = "quick", *, out: str | Path = "runs/audit",
          device: str = "auto", workers: int = 1, progress: Progress | None = None,
          allow_code: bool = False) -> AuditResult:
    """Audit a model on images: attacks, detectors, defences and the report.

    Args:
        model: The victim, or a reference to it, as :func:`radversary.classifiers.registry.load` takes it.
        data: The images, where they lie, or name and options of a data source.
        plan: ``quick`` (first figures in minutes, attacks that take long on fifty images), ``standard``, a plan's file,
            its fields, or the plan.
        out: The run folder, with ``report.html``; the same call goes on where it was.
        device: ``auto`` or a torch device.
        workers: Processes that attack, defend and detect; more than 1 need a model that is named by a reference.
        progress: Receives the steps and their progress, and can cancel them.
        allow_code: Whether ``model`` may name Python code, such as ``my_model.py:build``, which is imported and so
            runs.

    Returns:
        The result; a notebook shows its figures as a table.

    Raises:
        InputError: Plan, model and data do not fit each other.

    Example:
        >>> audit("runs/nothing", "films")
        Traceback (most recent call last):
        radversary.core.errors.ModelError: there is no model at runs/nothing
    """
    chosen = given_plan(plan)
    if not isinstance(model, Classifier):
        check_place(str(model), allow_code=allow_code)
    if isinstance(data, Mapping):
        source = dict(data)
    else:
        images = data if isinstance(data, Dataset) else Dataset(data)
        # A path names its classes itself; only images in memory are named by the model's.
        classes = () if images.path is not None else _classes(model, device, allow_code=allow_code)
        source = images.source(Path(out) / "images", classes)
    return audit_model(chosen, model, source, Path(out), device=device, workers=workers, progress=progress,
                       allow_code=allow_code)


def _classes(model: Classifier | str | Path, device: str, *, allow_code: bool) -> tuple[str, ...]:
    """Return the classes of a model or of what a reference leads to."""
    if not isinstance(model, Classifier):
        model = load_model(model, device=select_device(device), allow_code=allow_code)
    return model.card.classes


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
