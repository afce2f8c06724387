"""What was read of every test image, packed into a result: records, and numbers as text.

Numbers stand for patients and images: nothing here names one.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radversary.auditing.schema import Record
from radversary.core.errors import DataError

LEVEL: Final = 9
"""How hard zlib compresses."""


NOT_KNOWN: Final = "unknown"
"""Value of a characteristic of an image of which it is not known."""


class Characteristic(Record):
    """What is known of the test images in one respect.

    Attributes:
        values: What it may be, such as views.
        of: Packed int32, one an image: the place of its value.
    """

    values: tuple[str, ...]
    of: str


class SystemReadings(Record):
    """What one defence read under one condition.

    Attributes:
        defence: Its label.
        condition: Key of the condition.
        images: Packed int32: numbers of the images that it read, ascending.
        read: Packed int32: the class that it read of each; where the task is ``multilabel``, 0 or 1 a finding of each.
        flagged: Packed int32: 1 an image on which an alarm was raised, else 0; empty where nothing can raise one.
    """

    defence: str
    condition: str
    images: str
    read: str
    flagged: str = ""


class Readings(Record):
    """All readings of an audit's test images.

    Attributes:
        images: Number of test images.
        labels: Packed int32: the class of each; where the task is ``multilabel``, of each finding of each 0, 1 or
            -1 (:data:`~radversary.core.types.UNKNOWN`).
        patients: Packed int32: a number for the patient of each.
        pictures: Packed int32: the number of the first image with the same pixels, its own where there is none before.
        characteristics: Characteristic to what is known of it.
        read: What was read.
    """

    images: int
    labels: str
    patients: str
    pictures: str
    characteristics: dict[str, Characteristic] = Field(default={})
    read: tuple[SystemReadings, ...]


def packed(numbers: Sequence[int] | NDArray[np.integer]) -> str:
    """Pack whole numbers into text: little-endian int32, zlib, base64.

    Example:
        >>> unpacked(packed([3, -1])).tolist()
        [3, -1]
    """
    raw = np.asarray(numbers, dtype="<i4").reshape(-1).tobytes()
    return base64.b64encode(zlib.compress(raw, LEVEL)).decode("ascii")


def unpacked(text: str) -> NDArray[np.int32]:
    """Return the numbers of :func:`packed`.

    Raises:
        DataError: It is no such text.
    """
    try:
        raw = zlib.decompress(base64.b64decode(text.encode("ascii"), validate=True))
        return np.frombuffer(raw, dtype="<i4").astype(np.int32)
    except (ValueError, zlib.error) as error:
        raise DataError(f"packed readings are damaged ({error}); run the audit again") from error


def numbered(names: Sequence[object]) -> NDArray[np.int32]:
    """Number names in the order of their first appearance.

    Example:
        >>> numbered(["b", "a", "b"]).tolist()
        [0, 1, 0]
    """
    known: dict[object, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int32)


def known_labels(readings: Readings) -> NDArray[np.int32]:
    """Return the labels as a matrix, one row an image, unknown ones as :data:`~radversary.core.types.UNKNOWN`."""
    return unpacked(readings.labels).reshape(readings.images, -1)
