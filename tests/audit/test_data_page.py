from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radversary.auditing.summarise.data import summarise_data
from radversary.data.checks import DataReport
from radversary.data.csv_table import CsvTable
from radversary.data.phantoms import Phantoms, write_phantoms
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.splits import split_by_patient
from radversary.data.table import ImageTable


def prepared(folder: Path, table: ImageTable) -> PreparedImages:
    return prepare_images(split_by_patient(table), size=32, folder=folder / "prepared")


def reported(images: PreparedImages) -> DataReport:
    """What a check of the images would report, without what takes it long: duplicates and confounds."""
    return DataReport(patients={part: images.table.frame.iloc[images.rows(part)]["patient_id"].nunique()
                                for part in ("train", "validation", "test")},
                      counts={}, shared_patients=(), duplicates=(), duplicate_pairs=0, contradictions=(), estimates={},
                      chance=1 / len(images.classes), errors=(), warnings=())


def summary(images: PreparedImages):
    return summarise_data(images, reported(images), "phantoms", np.arange(3), None)


@pytest.fixture
def table(tmp_path) -> ImageTable:
    write_phantoms(Phantoms(count=30, size=32), tmp_path / "Dr Who" / "films")
    return CsvTable(path=tmp_path / "Dr Who" / "films" / "labels.csv").table(tmp_path)


@pytest.mark.slow
def test_files_left_out_are_named_below_the_common_folder(table, tmp_path) -> None:
    bad, cut = (Path(path) for path in table.frame["path"].iloc[[0, -1]])
    bad.write_text("no film")
    cut.write_bytes(cut.read_bytes()[:60])
    images = prepared(tmp_path, table)
    found = summary(images)
    films = tmp_path / "Dr Who" / "films"
    assert found.left_out[0] == (f"cannot read {bad.relative_to(films)}: by its content it is neither PNG, JPEG nor "
                                 "DICOM")
    assert found.left_out[1].startswith(f"cannot read {cut.relative_to(films)}: damaged or truncated")
    assert str(tmp_path) not in found.model_dump_json()
    assert "Dr Who" not in found.model_dump_json()
    assert str(bad) in (images.folder / "left_out.csv").read_text()
    assert str(bad) in images.left_out[0]


@pytest.mark.slow
def test_without_a_common_folder_only_the_name_is_left(table, tmp_path) -> None:
    paths = table.frame["path"].tolist()
    paths[0] = "/nowhere/of/Dr Who/absent.png"
    found = summary(prepared(tmp_path, ImageTable(table.frame.assign(path=paths), table.classes)))
    assert found.left_out == ("cannot read absent.png: no such file or directory",)


@pytest.mark.slow
def test_relative_and_absolute_paths_may_be_mixed(table, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = table.frame["path"].tolist()
    paths[0] = "Dr Who/films/absent.png"
    found = summary(prepared(tmp_path, ImageTable(table.frame.assign(path=paths), table.classes)))
    assert found.left_out == ("cannot read absent.png: no such file or directory",)


@pytest.mark.slow
def test_counts_warnings_and_the_hash_are_those_of_the_rows_that_were_used(table, tmp_path) -> None:
    """The report once said "30 test images of 43 patients" where the table held 26."""
    images = prepared(tmp_path, table)
    tested = images.rows("test")
    whole, part = (summarise_data(images, reported(images), "phantoms", rows, None)
                   for rows in (tested, tested[:3]))
    frame = images.table.frame.iloc[tested[:3]]
    assert sum(part.counts["test"].values()) == 3
    assert part.patients["test"] == frame["patient_id"].nunique()
    assert part.patients["train"] == whole.patients["train"]
    assert sum(part.characteristics["view"].values()) == sum(part.characteristics["class"].values()) == 3
    assert part.sha256 != whole.sha256 == images.part_hash("test")
    absent = set(images.classes) - set(frame["label"])
    assert {f"the test part holds no image of class {name}" for name in absent} <= set(part.warnings)
    counted = frame["label"].value_counts()
    assert any(f"holds only {counted.iloc[0]} images of class {counted.index[0]}" in text for text in part.warnings)
    assert f"the plan limited the test to 3 of {len(tested)} images" in part.warnings
