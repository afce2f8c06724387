"""The films that are learned from, checked or screened: a file, a folder, a table, or a part of a run's images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd

from radversary.classifiers.card import ModelCard
from radversary.core.errors import DataError, InputError, MissingColumnError, UnreadableImageError
from radversary.core.types import Images
from radversary.data.attacked import AttackedLists
from radversary.data.columns import facts_of, ours
from radversary.data.csv_files import read_csv
from radversary.data.doubts import spelling
from radversary.data.files import films_under
from radversary.data.joining import located, written_path
from radversary.data.names import written
from radversary.data.prepared import RECORD, PreparedImages
from radversary.data.reading import read_image
from radversary.data.stored import StoredTensors
from radversary.data.table_rows import once_each
from radversary.execution.progress import track
from radversary.imaging.image import check_rule, depth_for, to_model_input
from radversary.imaging.source import ChosenSource, ImageSource
from radversary.storage.checksums import sha256_file
from radversary.storage.files import is_file

GROUPS: Final = ("view", "sex", "age", "source", "modality")
"""What a table or a DICOM header may know of a film that it can be grouped by."""


@dataclass(frozen=True)
class Film:
    """One image that is still a file.

    Attributes:
        path: The file.
        name: What it is called in results.
        patient: Whose it is; empty where that is not known.
        facts: What is known of it, by :data:`GROUPS`; empty text where nothing is.
    """

    path: Path
    name: str
    patient: str = ""
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Films:
    """Images as the classifier reads them, with what is known of them.

    Attributes:
        images: (N, C, S, S) in [0, 1], read a few at a time.
        names: One an image.
        patients: One an image.
        facts: One row an image, a column for each of :data:`GROUPS` that is known.
        left_out: Files that could not be read, one sentence each.
    """

    images: ImageSource
    names: tuple[str, ...]
    patients: tuple[str, ...]
    facts: pd.DataFrame
    left_out: tuple[str, ...] = ()

    def groups(self, by: str | None) -> list[str] | None:
        """Return the group of each image by one of the facts; None where none is asked for.

        Raises:
            InputError: Nothing is known of that for these films.
        """
        if by is None:
            return None
        if by not in self.facts:
            known = ", ".join(map(str, self.facts)) or "nothing"
            raise InputError(f"films cannot be grouped by {by!r}, which a table's column or a DICOM header would say; "
                             f"known of them: {known}")
        return [str(value) or "unknown" for value in self.facts[by]]

    def take(self, rows: Sequence[int]) -> Films:
        """Return some of the films."""
        chosen = list(rows)
        return Films(ChosenSource(self.images, chosen), tuple(self.names[row] for row in chosen),
                     tuple(self.patients[row] for row in chosen), self.facts.iloc[chosen], self.left_out)


def read_films(place: Path, card: ModelCard, *, part: str = "", clean: bool = False) -> Films:
    """Find films and read them as a classifier takes them; a run's stay on disk, files are decoded once.

    What is decoded is put aside in a temporary file (:class:`radversary.data.stored.StoredTensors`).

    Args:
        place: An image, a folder of images, a CSV table with a column for the file, or a run's folder.
        card: The classifier's card, which says size and channels.
        part: ``train``, ``validation`` or ``test`` of a run's images; not used otherwise.
        clean: They are meant to be clean: those known to be attacked are refused.

    Returns:
        The films; files that cannot be read are in ``left_out``. Where clean films' patients are written in ways that
        leave it in doubt whether they are one or several, a warning says so.

    Raises:
        DataError: There is nothing there, nothing that can be read, or an attacked image among clean ones.
        InputError: The run's images were prepared by another rule than the classifier's.
        StorageError: There is no room in the folder for temporary files.
    """
    if (prepared := prepared_in(place)) is not None:
        images = PreparedImages.load(prepared)
        films = of_run(images, card, part)
        if clean:
            refuse_attacked_rows(images, part)
        return films
    listed = films_at(place)
    if clean:
        refuse_attacked(listed)
    left_out: list[str] = []
    kept, pixels = list[Film](), StoredTensors()
    for film, image, bits in decoded(track(listed, "Reading films"), card, left_out):
        kept.append(film)
        pixels.add(image, bits=bits)
    if not kept:
        raise DataError(f"none of {len(listed)} files at {place} could be read; the first: {left_out[0]}")
    for doubt in spelling({film.patient for film in kept} - {film.name for film in kept}) if clean else ():
        warnings.warn(doubt, UserWarning, stacklevel=2)
    return gathered(kept, pixels, left_out)


def prepared_in(place: Path) -> Path | None:
    """Return the folder of prepared images in a run's folder, None where it is none."""
    places = (place, place / "prepared", place / "data" / "prepared")
    return next((found for found in places if (found / RECORD).is_file()), None)


def of_run(images: PreparedImages, card: ModelCard, part: str) -> Films:
    """Return one part of a run's images.

    Raises:
        InputError: They were prepared by another rule than the classifier's.
        DataError: There is no such part.
    """
    check_rule(images.rule, card, model=card.name)
    if part not in images.parts:
        raise DataError(f"the run has no part {part!r}; it has {', '.join(images.parts)}")
    rows = images.rows(part)
    frame = images.table.frame.iloc[rows]
    known = pd.DataFrame({name: frame[name].astype(str).to_numpy() for name in GROUPS if name in frame})
    return Films(ChosenSource(images, rows.tolist()), tuple(images.image_ids[row] for row in rows),
                 tuple(images.patients[row] for row in rows), bands(known))


def films_at(place: Path) -> list[Film]:
    """List the films at a place: an image, a folder of images, or a CSV table.

    Raises:
        DataError: Nothing is there.
        MissingColumnError: A table without a column for the file.
    """
    if place.suffix.lower() == ".csv" and place.is_file():
        return in_table(place)
    if place.is_dir():
        if not (found := films_under(place)):
            raise DataError(f"no image in {place}")
        return [Film(path, written(path.relative_to(place).as_posix())) for path in found]
    if not place.exists():
        raise DataError(f"{place} does not exist")
    return [Film(place, written(place.name))]


def unseen(films: Iterable[Film], seen: set[str]) -> list[Film]:
    """Return the films that are not among those seen before, each file once whatever names and links lead to it.

    Args:
        films: Films, in order; of several that are one file the first is kept.
        seen: Real paths of films seen before; those returned are added.
    """
    kept = list[Film]()
    for film in films:
        try:
            real = os.path.realpath(film.path)
        except ValueError:  # a name that no file can have
            real = str(film.path)
        if real not in seen:
            seen.add(real)
            kept.append(film)
    return kept


def in_table(path: Path) -> list[Film]:
    """List the films of a CSV table, each once, by its first row; its paths start from its own folder.

    Raises:
        MissingColumnError: No column for the file.
        DataError: No readable table, or an empty one.
    """
    raw = read_csv(path)
    frame, _ = once_each(ours(raw, table=path))
    if "path" not in frame:
        raise MissingColumnError(path, "path", map(str, raw.columns))
    patients = frame["patient_id"] if "patient_id" in frame else pd.Series("", index=frame.index)
    known = [name for name in GROUPS if name in frame]
    rows = zip(located(path.parent, frame["path"]), frame["path"], patients, frame.to_dict("records"), strict=True)
    found = unseen((Film(file, written_path(name), patient, tuple((key, str(facts[key])) for key in known))
                    for file, name, patient, facts in rows if written_path(name)), set())
    if not found:
        raise DataError(f"{path} names no file")
    return found


def decoded(films: Iterable[Film], card: ModelCard, left_out: list[str]) -> Iterator[tuple[Film, Images, int]]:
    """Yield each film, described, its image (1, C, S, S) and depth; why one cannot be read is added to ``left_out``."""
    for film in films:
        try:
            image = read_image(film.path)
        except UnreadableImageError as error:
            left_out.append(str(error))
            continue
        yield described(film, image.tags), to_model_input(image, card), depth_for(image.bits, card.channels)


def described(film: Film, tags: Mapping[str, str]) -> Film:
    """Return a film with what its file adds to its table: patient, view, sex, age and modality.

    A patient that neither knows is taken for one of its own.

    Args:
        film: The film.
        tags: What its file says of itself.
    """
    row = facts_of(tags)
    said = {name: text for name in GROUPS if (text := row.get(name, ""))}
    said.update({name: text for name, text in film.facts if text})
    return replace(film, patient=film.patient or row.get("patient_id", "") or film.name, facts=tuple(said.items()))


def gathered(films: Sequence[Film], images: ImageSource, left_out: Sequence[str]) -> Films:
    """Return read films as one set."""
    facts = pd.DataFrame([dict(film.facts) for film in films]).fillna("")
    return Films(images, tuple(film.name for film in films), tuple(film.patient for film in films), bands(facts),
                 tuple(left_out))


def bands(facts: pd.DataFrame) -> pd.DataFrame:
    """Return facts with ages as bands of twenty years, and without columns that say nothing."""
    if "age" in facts:
        years = pd.to_numeric(facts["age"], errors="coerce")
        lower = (years // 20 * 20).astype("Int64")
        facts = facts.assign(age=[f"{low}-{low + 19}" if pd.notna(low) else "" for low in lower])
    return facts[[name for name in facts if (facts[name] != "").any()]]


def refuse_attacked(films: Sequence[Film]) -> None:
    """Refuse films that were attacked, by the list beside them or beside the file that a link leads to.

    Raises:
        DataError: One was, or a folder's list of attacked films is damaged.
    """
    lists = AttackedLists.beside(film.path for film in films)
    concerned = [film.path for film in films if lists.concern(film.path)]
    for path in track(concerned, "Looking for attacked films"):
        if is_file(path):
            _refuse_listed(path, lists.naming(path, sha256_file(path)))


def refuse_attacked_rows(images: PreparedImages, part: str) -> None:
    """Refuse prepared images whose files a list beside them names, as earlier versions prepared them.

    Raises:
        DataError: One was attacked, or a folder's list of attacked films is damaged.
    """
    rows = images.table.frame.iloc[images.rows(part)]
    paths = [Path(path) for path in rows["path"]]
    lists = AttackedLists.beside(paths)
    for path, sha256 in zip(paths, rows["file_sha256"], strict=True):
        _refuse_listed(path, lists.naming(path, sha256))


def _refuse_listed(path: Path, note: Path | None) -> None:
    if note is not None:
        raise DataError(f"{path} was attacked by radversary ({note} lists it); a guard learns from clean films alone")
