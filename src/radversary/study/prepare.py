"""The first step of a study: images read, divided, checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from radversary.core.errors import DataError, PlanError
from radversary.core.types import Task
from radversary.data.balancing import rotate_before_split
from radversary.data.checks import DataReport, check_data
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.registry import DATASETS
from radversary.data.splits import split_by_image, split_by_patient
from radversary.data.table import ImageTable
from radversary.imaging.rules import sides_of
from radversary.storage.locks import locked
from radversary.study.class_order import in_order
from radversary.study.plan import DataPlan

DIVIDED: Final = "divided_by"
"""Column of the prepared table that a table which came divided gets."""


def prepare(plan: DataPlan, folder: Path, *, seed: int) -> tuple[PreparedImages, DataReport]:
    """Read, divide and check the images of a plan.

    Args:
        plan: Where they come from.
        folder: Where the prepared images go; used again while nothing changed.
        seed: The plan's seed.

    Returns:
        The images and what the check found.

    Raises:
        DataError: The images cannot be used, or only some of them have a part.
        ModelError: The data has a class that the plan does not know.
        PlanError: The plan wants a leaky split of a table that comes divided.
        BusyError: Another process prepares images in the folder.
    """
    with locked(folder):
        table = DATASETS.create(plan.source.name, **plan.source.options).table(folder / "source")
        table = in_order(table, plan.classes, plan.task)
        images = prepare_images(divide(table, plan, seed=seed), size=plan.size, channels=plan.channels,
                                resize=plan.resize, interpolation=plan.interpolation, folder=folder / "prepared")
        return images, _checked(images, folder / f"check-{images.sha256[:16]}-{seed}.json", seed=seed)


def refuse_untrainable(images: PreparedImages) -> None:
    """Refuse images on which no model can be trained: findings, no labels, or a class without a film.

    Raises:
        DataError: They are such; a model that exists can be audited on them.
    """
    held = set(images.table.frame["label"])
    without = [name for name in images.classes if name not in held]
    why = ""
    if images.task == Task.MULTILABEL:
        why = "the data names findings, of which an image may have several"
    elif not images.table.labelled:
        why = "the images have no labels"
    elif without:
        why = f"there is no image of the class {without[0]!r}"
    if why:
        raise DataError(f"models are trained on one class an image, and {why}; a model that exists can be audited on "
                        "such images (radversary audit)")


def divide(table: ImageTable, plan: DataPlan, *, seed: int) -> ImageTable:
    """Divide a table as the plan says; one that comes divided stays so, and its column ``DIVIDED`` says it did.

    Raises:
        DataError: Only some rows have a part, or there are too few images to divide.
        PlanError: The plan wants a leaky split of a table that comes divided.
    """
    without = int((table.frame["split"] == "").sum())
    if 0 < without < len(table):
        raise DataError(f"{without} of {len(table)} rows have no part (train, validation or test); "
                        "give every row one in the column 'split', or none")
    if not without and plan.split == "leaky":
        raise PlanError("data.split is 'leaky', but the table of images comes divided; "
                        "leave out its column 'split' or the plan's")
    if not without:
        return replace(table, frame=table.frame.assign(**{DIVIDED: "table"}))
    if plan.split == "patient":
        return split_by_patient(table, fractions=plan.fractions, seed=seed)
    if plan.balance:
        table = rotate_before_split(table, per_class=plan.per_class, degrees=plan.degrees, seed=seed)
    return split_by_image(table, seed=seed)


def source_text(plan: DataPlan, images: PreparedImages | None = None) -> str:
    """Return in words where the images come from and who divided them, with the last part of a path only.

    Args:
        plan: Where they come from.
        images: What was prepared from it; None takes the plan's word for how they were divided.

    Returns:
        One line.
    """
    options = ", ".join(f"{name}={Path(value).name if isinstance(value, str) else value}"
                        for name, value in plan.source.options.items())
    how = "patients divided" if plan.split == "patient" else "LEAKY: rotated copies first, then images at random"
    if images is not None and DIVIDED in images.table.frame:
        how = "divided as the table says"
    rule = "" if (plan.resize, plan.interpolation) == ("stretch", "bilinear") else (
        f", {plan.resize}, {plan.interpolation}")
    sides = sides_of(plan.size)
    size = f"{sides[0]}" if sides[0] == sides[1] else f"{sides[0]} x {sides[1]}"
    return f"{plan.source.name} ({options}), {size} px{rule}; {how}"


def _checked(images: PreparedImages, path: Path, *, seed: int) -> DataReport:
    try:
        return DataReport.load(path)
    except DataError:  # absent, damaged, or of another version
        report = check_data(images, seed=seed)
        report.save(path)
        return report
