"""Nothing is proved of patients whose ids contradict each other or come from several sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_identity import film, headed

from radversary.core.errors import DataError
from radversary.data.checks import check_data
from radversary.data.csv_table import CsvTable
from radversary.data.folders import ClassFolders
from radversary.data.patients import doubts_on_patients, known_patients
from radversary.data.prepare_folder import prepare_images
from radversary.data.splits import split_by_patient
from radversary.data.table import ImageTable

MIXED = "patient ids come from several sources, which may name one person differently: "


def films(root: Path, header: dict[int, str], table: dict[int, str], **how: object) -> ImageTable:
    """Eight films, four a class, with a patient by header and in labels.csv where one is given."""
    names = [f"{label}/{number}.dcm" for number in range(8) for label in [("Normal", "Pneumonia")[number % 2]]]
    headed(root, [(name, {"PatientID": header[number]} if number in header else {})
                  for number, name in enumerate(names)])
    if table:
        lines = [f"{names[number]},{patient}" for number, patient in table.items()]
        (root / "labels.csv").write_text("\n".join(["file,patient", *lines]))
    return ClassFolders(root=root, **how).table(root)


HEADERS = {number: f"P{number // 2}" for number in range(8)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the patients of")
@pytest.mark.parametrize(("header", "table", "doubts"), [
    (HEADERS, {}, []),
    (HEADERS, HEADERS, []),
    (HEADERS, {number: HEADERS[number] for number in range(4)}, []),
    ({0: "P0"}, HEADERS, []),
    (HEADERS, {number: f"X{number}" for number in range(8)},
     ["table and DICOM headers name different patients for 8 of 8 images"]),
    (HEADERS, {number: f"X{number}" for number in range(4)},
     ["table and DICOM headers name different patients for 4 of 8 images",
      f"{MIXED}those of 4 images from a table, those of 4 images from DICOM headers"]),
    ({number: HEADERS[number] for number in range(4)}, {number: f"X{number}" for number in range(4, 8)},
     [f"{MIXED}those of 4 images from a table, those of 4 images from DICOM headers"]),
    ({number: f"00{number}" for number in range(8)}, {0: "0", 1: "1"},
     [f"{MIXED}those of 2 images from a table, those of 6 images from DICOM headers"]),
    ({number: HEADERS[number] for number in range(4)}, {},
     ["the patients of 4 of 8 images are not known"]),
])
def test_what_table_and_headers_leave_in_doubt(tmp_path, header, table, doubts) -> None:
    assert list(doubts_on_patients(films(tmp_path, header, table).frame)) == doubts


@pytest.mark.slow
def test_ids_from_file_names_beside_others_are_in_doubt(tmp_path) -> None:
    table = films(tmp_path, {0: "P0", 1: "P1"}, {}, patient_pattern=r"(\d+)\.dcm")
    assert list(doubts_on_patients(table.frame)) == [
        f"{MIXED}those of 2 images from DICOM headers, those of 6 images from file names"]
    lines = ["file,patient", "Normal/0.png,A"]
    for number in range(8):
        film(tmp_path / "png" / ("Normal", "Pneumonia")[number % 2] / f"{number}.png")
    (tmp_path / "png" / "labels.csv").write_text("\n".join(lines))
    frame = ClassFolders(root=tmp_path / "png", patient_pattern=r"(\d+)\.png").table(tmp_path).frame
    assert list(doubts_on_patients(frame)) == [
        f"{MIXED}those of 1 images from a table, those of 7 images from file names"]


@pytest.mark.slow
def test_contradicted_patients_are_not_said_to_be_proved_to_lie_in_one_part(tmp_path) -> None:
    table = films(tmp_path / "a", HEADERS, {number: f"X{number}" for number in range(4)})
    parts = ["train", "test", "test", "train", "validation", "validation", "validation", "validation"]
    report = check_data(prepare_images(table.with_split(parts), size=32, folder=tmp_path / "out"))
    assert not any("patient" in sentence for sentence in report.proved)
    assert report.unproved == (
        "whether a patient is in two parts: table and DICOM headers name different patients for 4 of 8 images; "
        f"{MIXED}those of 4 images from a table, those of 4 images from DICOM headers",)
    assert any(warning.startswith(MIXED) for warning in report.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["XXXX", "DEIDENTIFIED", "De-Identified", "Anonymous^Patient", "PHI Removed", "ANON",
                                  "anonymized_patient", "REMOVED", "No Name", "0", "0000"])
def test_a_placeholder_is_no_patient(tmp_path, word) -> None:
    with pytest.warns(UserWarning, match="the patients of"):
        table = films(tmp_path, dict.fromkeys(range(8), word), {})
    assert not table.patients_known
    assert table.frame["patient_id"].nunique() == 8
    labels = ["Normal", "Pneumonia"] * 4
    rows = [f"{label}/{number}.dcm,{label},{word}" for number, label in enumerate(labels)]
    (tmp_path / "t.csv").write_text("\n".join(["file,class,patient", *rows]))
    assert CsvTable(path=tmp_path / "t.csv").table(tmp_path).frame["patient_id"].nunique() == 8


def test_ids_that_only_look_like_words_are_kept() -> None:
    ids = pd.Series(["ANON001", "X7", "x", "0", "1", "Noname7", "DE12"])
    assert known_patients(ids).tolist() == ids.tolist()


def test_one_id_for_all_films_is_said_to_look_like_a_placeholder(make_table) -> None:
    table = ImageTable(make_table(patients=3).frame.assign(patient_id="Doe"))
    with pytest.raises(DataError, match="all 18 images have one and the same patient id, as a placeholder is"):
        split_by_patient(table)


@pytest.mark.slow
@pytest.mark.parametrize(("degrees", "says"), [("1e308", "rotation 1e\\+308"), ("-361", "rotation -361"),
                                               ("inf", "must hold numbers, row"), ("1e999", "must hold numbers, row")])
def test_a_rotation_beyond_a_full_turn_is_refused_with_its_row(tmp_path, degrees, says) -> None:
    for label in "ab":
        film(tmp_path / f"{label}.png")
    (tmp_path / "t.csv").write_text(f"file,class,rotation\na.png,a,360\nb.png,b,{degrees}\n")
    with pytest.raises(DataError, match=says) as caught:
        CsvTable(path=tmp_path / "t.csv").table(tmp_path)
    assert "row" in str(caught.value)
    (tmp_path / "t.csv").write_text("file,class,rotation\na.png,a,360\nb.png,b,-360.0\n")
    assert np.abs(CsvTable(path=tmp_path / "t.csv").table(tmp_path).frame["rotation"]).tolist() == [360.0, 360.0]
