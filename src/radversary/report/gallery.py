"""The gallery: pictures from the run folder as data URIs, predictions marked right or wrong."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from radversary.auditing.cell_table import CLEAN, NONE
from radversary.auditing.result import AuditResult, GalleryImage
from radversary.core.types import Task
from radversary.report.words import OWN_READINGS

PNG = b"\x89PNG\r\n\x1a\n"
LARGEST = 32 * 2**20
"""Bytes of a picture that a page carries, at most."""
SHOWN = 24
"""Gallery images drawn at most, so that the page stays small enough for e-mail."""


@dataclass(frozen=True)
class Verdict:
    """One prediction under a picture.

    Attributes:
        reader: The defended classifier: empty for the undefended one, else the defence.
        said: The predicted class.
        right: Whether it is the true class, or no finding is read wrongly; where no image has a label, whether it is
            what was read of the clean image.
        wrong: Findings that are read wrongly.
    """

    reader: str
    said: str
    right: bool
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """One picture of a gallery image.

    Attributes:
        title: What it shows.
        uri: A data URI, or None where the file is absent.
        verdicts: Its predictions.
        note: A line in place of verdicts.
        absent: Text where there is no picture.
    """

    title: str
    uri: str | None
    verdicts: tuple[Verdict, ...] = ()
    note: str = ""
    absent: str = "picture missing"


@dataclass(frozen=True)
class Card:
    """One gallery image, ready to draw.

    Attributes:
        image: What the audit kept.
        pictures: Original, attacked, difference and, where there is one, defended.
        evidence: Data URI of the evidence picture, or None.
    """

    image: GalleryImage
    pictures: tuple[Picture, ...]
    evidence: str | None


def cards(result: AuditResult, folder: Path) -> tuple[Card, ...]:
    """Prepare the gallery.

    Args:
        result: What the audit found.
        folder: The run folder that the pictures lie in.

    Returns:
        One card a gallery image, at most ``SHOWN``.
    """
    return tuple(_card(image, folder, result) for image in result.gallery[:SHOWN])


def data_uri(folder: Path, name: str | None) -> str | None:
    """Read a PNG of the run folder as a data URI.

    Args:
        folder: The run folder.
        name: Path relative to it.

    Returns:
        The URI; None where the file is absent, too large, no PNG, or outside the folder (a result may be untrusted, and
        a report must not contain other files).
    """
    path = picture_path(folder, name)
    if path is None or path.stat().st_size > LARGEST:
        return None
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def picture_path(folder: Path, name: str | None) -> Path | None:
    """Return where a PNG of the run folder lies; None where it is absent, no PNG, or outside the folder."""
    if not name:
        return None
    try:
        root, path = folder.resolve(), (folder / name).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            return None
        with path.open("rb") as file:
            return path if file.read(len(PNG)) == PNG else None
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, or a loop of links
        return None


def verdict_of(image: GalleryImage, key: str, result: AuditResult, *, reader: str = "") -> Verdict:
    """Return one prediction of a gallery image, marked right or wrong.

    Args:
        image: What the audit kept.
        key: A key of its predictions.
        result: What the audit found.
        reader: The defence that it is shown under; empty for the undefended model.
    """
    said = image.predictions[key]
    if result.task == Task.MULTILABEL:
        wrong = image.wrong.get(key, ())
        return Verdict(reader, said, not wrong, wrong)
    truth = image.label if result.labels != OWN_READINGS else image.predictions.get(CLEAN)
    return Verdict(reader, said, said == truth)


def _card(image: GalleryImage, folder: Path, result: AuditResult) -> Card:
    plain = {key: verdict_of(image, key, result, reader="") for key in (CLEAN, "attacked") if key in image.predictions}
    behind = tuple(verdict_of(image, name, result, reader=name) for name in image.predictions
                   if name not in (CLEAN, "attacked", NONE))
    pictures = [
        Picture("Original", data_uri(folder, image.original), _one(plain, CLEAN)),
        Picture("Attacked", data_uri(folder, image.attacked), _one(plain, "attacked")),
        Picture("Difference", data_uri(folder, image.difference), note="mid-grey: unchanged"),
    ]
    if image.defended or behind:
        absent = "picture missing" if image.defended else "the defence acts inside the classifier: no picture"
        pictures.append(Picture("Defended", data_uri(folder, image.defended), behind, absent=absent))
    return Card(image, tuple(pictures), data_uri(folder, image.evidence))


def _one(verdicts: dict[str, Verdict], key: str) -> tuple[Verdict, ...]:
    return (verdicts[key],) if key in verdicts else ()
