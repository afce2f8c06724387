"""As many images of every class, by rotated copies (the thesis' recipe): inside the training part, or leaking."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import numpy_generator
from radversary.data.table import ImageTable


@dataclass(frozen=True, eq=False)
class BalancedRows:
    """Which rows to train on, and by how much to turn each.

    Attributes:
        rows: int64 (n,): row numbers, a row more than once where it is copied.
        degrees: float64 (n,): counter-clockwise turn of each; 0 for originals.
    """

    rows: np.ndarray
    degrees: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def balance(
    rows: np.ndarray, labels: np.ndarray, *, per_class: int | None = None, degrees: float = 5.0, seed: int = 42
) -> BalancedRows:
    """Bring every class to the same number of images: originals, then copies turned by +5, -5, +10, -10 ... degrees.

    A turn is used on every image of a class before the next turn begins, each round in a random order of its own, so
    that no image is copied twice more often than another. A class that has too many is sampled.

    Args:
        rows: Row numbers of the training part, int (N,): call it after the split, with no other part's rows.
        labels: Class index of each of these rows, int (N,); or findings, int (N, K): an image then counts as one of the
            rarest of the findings that it is known to have, and those of none as a class of their own.
        per_class: Images a class; None takes the size of the largest class.
        degrees: Step of the turns.
        seed: Seed of the orders.

    Returns:
        Rows class by class (shuffle them in the loader) and their turns.

    Raises:
        DataError: No row, or not one label a row.
        PlanError: ``per_class`` below 1, or a step of 0.

    Example:
        >>> balance(np.array([7, 8, 9]), np.array([0, 1, 1])).degrees.tolist()
        [0.0, 5.0, 0.0, 0.0]
    """
    rows, labels = np.asarray(rows, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    if labels.ndim == 2:
        labels = rarest(labels)
    if not len(rows) or rows.shape != labels.shape:
        raise DataError(f"balancing needs one label a row, got {len(rows)} rows and {len(labels)} labels")
    if (per_class is not None and per_class < 1) or degrees == 0:
        raise PlanError(f"balancing needs at least 1 image a class and a turn, got {per_class} and {degrees} degrees")
    names, sizes = np.unique(labels, return_counts=True)
    wanted = per_class or int(sizes.max())
    drawn = [_drawn(rows[labels == name], wanted, degrees, seed, int(name)) for name in names]
    return BalancedRows(np.concatenate([one.rows for one in drawn]), np.concatenate([one.degrees for one in drawn]))


def rarest(labels: np.ndarray) -> np.ndarray:
    """Return the rarest finding that each image is known to have.

    Combinations of findings would be too many to bring to one number: most come once.

    Args:
        labels: int (N, K): 1, 0, or :data:`~radversary.core.types.UNKNOWN`.

    Returns:
        int64 (N,): the place of the finding, of equally rare ones the first; K where an image is known to have none.

    Example:
        >>> rarest(np.array([[1, 1, 0], [1, 0, 0], [0, -1, 0]])).tolist()
        [1, 0, 3]
    """
    there = labels == 1
    counts = np.where(there, there.sum(axis=0), len(labels) + 1)
    return np.asarray(np.where(there.any(axis=1), counts.argmin(axis=1), labels.shape[1]), dtype=np.int64)


def rotate_before_split(
    table: ImageTable, *, per_class: int | None = None, degrees: float = 5.0, seed: int = 42
) -> ImageTable:
    """Add rotated copies to the table BEFORE it is split: the thesis' leak, for measuring its effect.

    Follow it with :func:`radversary.data.splits.split_by_image`: copies of one film then lie in several parts, and
    :func:`radversary.data.checks.check_data` says so. The copies keep their patient; their files are turned when
    :func:`radversary.data.prepare_folder.prepare_images` reads them.

    Args:
        table: The images, not yet split.
        per_class: As in :func:`balance`.
        degrees: As in :func:`balance`.
        seed: As in :func:`balance`.

    Returns:
        A table with ``per_class`` rows a class; copies are called ``<image id>@<degrees>``.

    Raises:
        PlanError: As :func:`balance`.
    """
    balanced = balance(np.arange(len(table)), table.labels, per_class=per_class, degrees=degrees, seed=seed)
    frame = table.frame.iloc[balanced.rows].reset_index(drop=True)
    turned = pd.Series(balanced.degrees)
    copies = frame["image_id"] + turned.map(lambda angle: f"@{angle:+g}")
    return replace(table, frame=frame.assign(image_id=frame["image_id"].where(turned == 0, copies),
                                             rotation=frame["rotation"] + turned, split=""))


def _drawn(rows: np.ndarray, wanted: int, degrees: float, seed: int, label: int) -> BalancedRows:
    rounds = -(-wanted // len(rows))
    turns = [0.0] + [degrees * (step // 2 + 1) * (1 if step % 2 == 0 else -1) for step in range(rounds - 1)]
    # Originals keep their order unless they are sampled; of the last round only a random part is used.
    orders = [numpy_generator(seed, "balance", label, step).permutation(rows) for step in range(rounds)]
    if wanted >= len(rows):
        orders[0] = rows
    return BalancedRows(np.concatenate(orders)[:wanted], np.repeat(turns, len(rows))[:wanted])
