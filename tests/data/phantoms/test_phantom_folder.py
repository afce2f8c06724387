"""Phantoms on disk."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from radversary.core.errors import DataError, StorageError
from radversary.data.phantoms import Phantoms, folder, is_written, write_phantoms
from radversary.data.phantoms.folder import COLUMNS

PLAN = Phantoms(count=12, size=32, seed=3)


def bytes_of(place):
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_phantoms(PLAN, tmp_path_factory.mktemp("phantoms") / "set")


def test_the_folder_holds_films_masks_and_table(written):
    with (written / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["image_id"] for row in rows] == [record.image_id for record in PLAN.records()]
    for row in rows:
        assert row["file"] == f"{row['label']}/{row['image_id']}.png"
        assert row["source"] == "phantom"
        assert (written / "masks" / f"{row['image_id']}.png").is_file() == (row["label"] != "Normal")
    assert len(list(written.glob("*/*.png"))) == 12 + sum(row["label"] != "Normal" for row in rows)


@pytest.mark.slow
def test_files_hold_what_was_painted_in_8_bits(written):
    for record in PLAN.records():
        film, mask = PLAN.paint(record)
        with Image.open(written / record.label / f"{record.image_id}.png") as image:
            assert image.mode == "L"
            np.testing.assert_allclose(np.asarray(image) / 255, film, atol=0.5 / 255 + 1e-6)
        if record.label != "Normal":
            with Image.open(written / "masks" / f"{record.image_id}.png") as image:
                np.testing.assert_array_equal(np.asarray(image) == 255, mask)


def test_a_complete_folder_is_reused(written, monkeypatch):
    monkeypatch.setattr(Phantoms, "paint", lambda *_: pytest.fail("painted again"))
    assert is_written(PLAN, written)
    assert write_phantoms(PLAN, written) == written


@pytest.mark.slow
def test_an_interrupted_folder_is_completed_to_the_same_bytes(written, tmp_path, monkeypatch):
    paint, painted = Phantoms.paint, []

    def stop_at_the_sixth(self, record):
        if len(painted) == 5:
            raise KeyboardInterrupt
        painted.append(record)
        return paint(self, record)

    monkeypatch.setattr(Phantoms, "paint", stop_at_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        write_phantoms(PLAN, tmp_path / "set")
    assert not is_written(PLAN, tmp_path / "set")
    assert not (tmp_path / "set" / "labels.csv").exists()
    again = []
    monkeypatch.setattr(Phantoms, "paint", lambda self, record: again.append(record) or paint(self, record))
    write_phantoms(PLAN, tmp_path / "set")
    assert len(again) == 12 - 5
    assert bytes_of(tmp_path / "set") == bytes_of(written)


def test_another_plan_replaces_the_films_and_nothing_else(written, tmp_path):
    place = tmp_path / "set"
    shutil.copytree(written, place)
    (place / "Normal" / "mine.png").write_bytes(b"kept")
    (place / "notes.txt").write_text("kept")
    other = Phantoms(count=4, size=32, seed=4)
    write_phantoms(other, place)
    names = {path.stem for path in place.glob("*/*.png")} - {"mine"}
    assert names == {record.image_id for record in other.records()}
    assert (place / "Normal" / "mine.png").read_bytes() == b"kept"
    assert (place / "notes.txt").is_file()


def test_a_newer_painter_paints_anew(written, monkeypatch):
    monkeypatch.setattr(folder, "PAINTER", folder.PAINTER + 1)
    assert not is_written(PLAN, written)


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="other files"):
        write_phantoms(PLAN, tmp_path)
    with pytest.raises(DataError, match="is a file"):
        write_phantoms(PLAN, tmp_path / "thesis.txt")


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path, monkeypatch):
    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(StorageError, match="no space left"):
        write_phantoms(PLAN, tmp_path / "set")
    assert not list((tmp_path / "set").rglob("*.png"))
