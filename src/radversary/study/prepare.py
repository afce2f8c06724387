"""The first step of a study: images read, divided, checked."""

from __future__ import annotations

from pathlib import Path

from radversary.core.errors import ModelError
from radversary.data.balancing import rotate_before_split
from radversary.data.checks import DataReport, check_data
from radversary.data.prepared import PreparedImages, prepare_images
from radversary.data.registry import DATASETS
from radversary.data.splits import split_by_image, split_by_patient
from radversary.data.table import ImageTable
from radversary.study.plan import DataPlan


def prepare(plan: DataPlan, folder: Path, *, seed: int) -> tuple[PreparedImages, DataReport]:
    """Read, divide and check the images of a plan.

    Args:
        plan: Where they come from.
        folder: Where the prepared images go; used again while nothing changed.
        seed: The plan's seed.

    Returns:
        The images and what the check found.

    Raises:
        DataError: The images cannot be used.
    """
    table = DATASETS.create(plan.source.name, **plan.source.options).table(folder / "source")
    table = in_order(table, plan.classes)
    images = prepare_images(divide(table, plan, seed=seed), size=plan.size, channels=plan.channels,
                            folder=folder / "prepared")
    path = folder / f"check-{images.sha256[:16]}.json"
    if not path.is_file():
        check_data(images, seed=seed).save(path)
    return images, DataReport.load(path)


def in_order(table: ImageTable, classes: tuple[str, ...] | None) -> ImageTable:
    """Put a table's classes into the order that a model has them in.

    Raises:
        ModelError: The data has other classes than the model.
    """
    if classes is None:
        return table
    if set(classes) != set(table.classes):
        raise ModelError(f"the model knows {len(classes)} classes ({', '.join(classes)}), the data has "
                         f"{len(table.classes)} ({', '.join(table.classes)})")
    return ImageTable(table.frame, classes)


def divide(table: ImageTable, plan: DataPlan, *, seed: int) -> ImageTable:
    """Divide a table as the plan says; a table that comes divided stays as it is."""
    if all(table.frame["split"]):
        return table
    if plan.split == "patient":
        return split_by_patient(table, fractions=plan.fractions, seed=seed)
    if plan.balance:
        table = rotate_before_split(table, per_class=plan.per_class, degrees=plan.degrees, seed=seed)
    return split_by_image(table, seed=seed)


def source_text(plan: DataPlan) -> str:
    """Say in words where the images come from; the last part of a path is enough."""
    options = ", ".join(f"{name}={Path(value).name if isinstance(value, str) else value}"
                        for name, value in plan.source.options.items())
    how = "patients divided" if plan.split == "patient" else "LEAKY: rotated copies first, then images at random"
    return f"{plan.source.name} ({options}), {plan.size} px; {how}"
