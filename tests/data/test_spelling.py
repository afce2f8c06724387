"""Ids and labels that people and programs write in more than one way."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from radversary.cli.data import check
from radversary.core.errors import DataError
from radversary.data.characteristics import characteristics
from radversary.data.checks import check_data
from radversary.data.columns import facts_of, ours
from radversary.data.csv_files import read_csv
from radversary.data.csv_table import CsvTable
from radversary.data.doubts import spelling
from radversary.data.duplicates import find_contradictions
from radversary.data.folders import ClassFolders
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.spelling import bare, identity, is_rounded, spelt_apart
from radversary.data.splits import split_by_patient
from radversary.data.table import ImageTable
from radversary.screening.films import in_table

pytestmark = pytest.mark.filterwarnings("ignore:the patients of")

NFD = unicodedata.normalize("NFD", "Mü7")
ONE_PATIENT = [
    ("P7", "P7\u2009"), ("P7", "P7\u200d"), ("P7", "\u200eP7"), ("P7", "P7\u2060"), ("P7", "P\u20607"),
    ("P7", "P7\xad"), ("P7", "P7\ufe0f"), ("P7", "P7\x07"), ("P 7", "P  7"), ("P 7", "P\xa07"), ("P 7", "P \u3000 7"),
    ("Mü7", NFD),
    ("104", "1.04E+02"), ("1040", "1.040E+03"), ("104", "+104"), ("104", "'104"), ("104", "'104'"), ("104", '="104"'),
    ("0104", '="0104"'), ("104", "\uff11\uff10\uff14"), ("104", "104."), ("104", "104.0\u2009")]
IN_DOUBT = [("0104", "104"), ("p1", "P1"), ("1,000", "1000"), ("1 000", "1000"), ("101e2", "10100"), ("P_7", "P7"),
            ("P-7", "P 7"), ("P\u20137", "P-7"), ("1-12", "1_12"), ("104,0", "104"), ("\u0661\u0660\u0664", "104"),
            ("1.2E+11", "120000000000")]
APART = [("1-12", "11-2"), ("1.5", "15"), ("TB+", "TB-"), ("grade <1", "grade >1"), ("P7", "P70"), ("12E", "12")]


def film(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    return path


def listed(folder: Path, *rows: str, header: str = "file,label,patient_id") -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), ONE_PATIENT)
def test_one_patient_is_one_in_every_table(tmp_path, one, other) -> None:
    path = listed(tmp_path, f"a.png,Normal,{one}", f"b.png,Pneumonia,{quoted(other)}")
    assert CsvTable(path=path).table(tmp_path).frame["patient_id"].tolist() == [one] * 2
    assert [found.patient for found in in_table(path)] == [one] * 2  # what a detector is calibrated on
    assert facts_of({"PatientID": other})["patient_id"] == one


@pytest.mark.parametrize(("one", "other"), IN_DOUBT)
def test_what_may_be_one_patient_is_kept_apart_and_said(one, other) -> None:
    assert identity(one) != identity(other)
    assert "2 patient ids differ from another only in how they are written" in next(spelling([one, other]))


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_is_two_is_not_doubted(one, other) -> None:
    assert bare(one) != bare(other)
    assert list(spelling([one, other])) == []


def test_leading_zeros_are_never_dropped() -> None:
    assert [identity(cell) for cell in ("007", " 007.0", "+007", "'007", '="007"')] == ["007"] * 5


def test_rounded_numbers_stay_and_are_warned_of() -> None:
    assert identity("1.2E+11") == "1.2E+11"
    assert is_rounded("1,23457E+11")
    assert "1 patient ids are numbers that a spreadsheet may have rounded" in next(spelling(["1.23457E+11", "7"]))


@pytest.mark.slow
@pytest.mark.parametrize(("spelt", "doubt"), [
    (("P1", "P2", "P3", "P4", "P5", "P6"), ""), (("P1", "p1", "P3", "P4", "P5", "P6"), "2 patient ids differ"),
    (("1E+05", "P2", "P3", "P4", "P5", "P6"), "1 patient ids are numbers that a spreadsheet may have rounded")])
def test_nothing_is_proved_of_patients_whose_ids_are_in_doubt(tmp_path, spelt, doubt) -> None:
    for number in range(6):
        film(tmp_path / f"{number}.png", number)
    rows = [f"{number}.png,{'Normal' if number < 3 else 'Pneumonia'},{name}" for number, name in enumerate(spelt)]
    table = split_by_patient(CsvTable(path=listed(tmp_path, *rows)).table(tmp_path))
    report = check_data(prepare_images(table, size=32, folder=tmp_path / "out"))
    assert ("no patient is in two parts" in report.proved) == (doubt == "")
    assert doubt in " ".join(report.unproved)
    assert report.unproved == () or doubt


@pytest.mark.parametrize("spelt", [
    ("Entzündung", unicodedata.normalize("NFD", "Entzündung")), ("No Finding", "No\xa0Finding"),
    ("No Finding", "No  Finding"), ("Pneumonia", "Pneumonia\u200b")])
def test_a_class_is_one_in_tables_and_folders(tmp_path, spelt) -> None:
    path = listed(tmp_path, f"a.png,{spelt[0]},1", f"b.png,{spelt[1]},2", "c.png,Other,3")
    assert set(CsvTable(path=path).table(tmp_path).classes) == {spelt[0], "Other"}
    for number, name in enumerate((*spelt, "Other")):
        film(tmp_path / "films" / name / f"{number}.png", number)
    assert set(ClassFolders(root=tmp_path / "films").table(tmp_path).classes) == {spelt[0], "Other"}


def test_classes_that_may_be_one_are_both_named() -> None:
    said = " ".join(spelling([], ["No Finding", "No_Finding", "PNEUMONIA", "Pneumonia", "None"]))
    assert "4 classes differ from another only in how they are written" in said
    assert "('No Finding' and 'No_Finding'; 'PNEUMONIA' and 'Pneumonia')" in said
    assert "the class 'None' may stand for a label that is not known" in said
    assert spelt_apart(["TB+", "TB-"]) == []


@pytest.mark.parametrize("cell", ["#N/A", "<NA>", "NaT", "?", "--", "(null)", "1.#IND", "Unknown\u200b", "n.a."])
def test_usual_marks_of_nothing_known_name_no_patient(tmp_path, cell) -> None:
    table = CsvTable(path=listed(tmp_path, f"a.png,Normal,{cell}", f"b.png,Pneumonia,{cell}")).table(tmp_path)
    assert not table.patients_known
    assert table.frame["patient_id"].nunique() == 2


def test_rows_without_film_or_class_are_left_out_by_number(tmp_path) -> None:
    path = listed(tmp_path, "a.png,Normal,1", ",Normal,2", "", "c.png,,3", "d.png,nan,4", "e.png,Pneumonia,5")
    table = CsvTable(path=path).table(tmp_path)
    assert table.frame["image_id"].tolist() == ["a", "e"]
    assert [reason for _, reason in table.left_out] == [
        "row 3 of t.csv names no film", "row 5 of t.csv names no class", "row 6 of t.csv names no class"]
    with pytest.raises(DataError, match=r"2 of 3 rows of t.csv cannot be used.*: row 3 of t.csv names no class"):
        CsvTable(path=listed(tmp_path, "a.png,Normal,1", "b.png,nan,2", "c.png,nan,3")).table(tmp_path)


@pytest.mark.slow
def test_a_row_that_is_repeated_counts_once_and_is_noted(tmp_path) -> None:
    path = listed(tmp_path, "a.png,Normal,7", "./a.png,Normal ,7.0", "b.png,Pneumonia,8")
    table = CsvTable(path=path).table(tmp_path)
    assert table.frame["image_id"].tolist() == ["a", "b"]
    assert table.notes == ("rows of the table that repeat another in every column: 1; each counts once",)
    with pytest.raises(DataError, match="occurs 2 times"):
        CsvTable(path=listed(tmp_path, "a.png,Normal,7", "a.png,Pneumonia,7")).table(tmp_path)


@pytest.mark.parametrize("content", [
    b"file;label;patient_id;size (w, h)\na.png;Normal;7;1,5\nb.png;Pneumonia;8;2,5\n",
    b"file\tlabel\tpatient_id\na.png\tNormal\t7\nb.png\tPneumonia\t8\n",
    b"sep=;\r\nfile;label;patient_id\r\na.png;Normal;7\r\nb.png;Pneumonia;8\r\n",
    "file,label,patient_id\na.png,Normal,7\nb.png,Pneumonia,8\n".encode("utf-16"),
    "\ufefffile\tlabel\tpatient_id\r\na.png\tNormal\t7\r\nb.png\tPneumonia\t8\r\n".encode("utf-16-be")])
def test_separators_and_encodings_of_spreadsheets_are_read(tmp_path, content) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    frame = CsvTable(path=tmp_path / "t.csv").table(tmp_path).frame
    assert frame[["image_id", "label", "patient_id"]].to_numpy().tolist() == [
        ["a", "Normal", "7"], ["b", "Pneumonia", "8"]]


@pytest.mark.parametrize(("content", "says"), [
    ("file,label\n".encode("utf-16-le"), "is a NUL, which no table holds; save the table as UTF-8"),
    ("file,label\nü,ü\n".encode("latin-1"), "byte 11 is no UTF-8; save the table as UTF-8"),
    ("file\n".encode("utf-16") + b"x", "is no UTF-16; save the table as UTF-8")])
def test_other_encodings_are_refused_in_a_sentence(tmp_path, content, says) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_csv(tmp_path / "t.csv")


def both_classes(tmp_path: Path, make_table) -> PreparedImages:
    frame = make_table(patients=4, each=1, classes=("Normal", "Pneumonia")).frame
    Path(frame["path"][4]).write_bytes(Path(frame["path"][0]).read_bytes())
    table = ImageTable(frame.assign(split=["train", "train", "validation", "test"] * 2))
    return prepare_images(table, size=32, folder=tmp_path / "out")


@pytest.mark.slow
def test_a_film_in_two_classes_is_found_in_whatever_part(tmp_path, make_table) -> None:
    (found,) = find_contradictions(both_classes(tmp_path, make_table))
    assert (found.first, found.second, found.classes) == ("Normal_0_0", "Pneumonia_0_0", ("Normal", "Pneumonia"))


@pytest.mark.slow
def test_a_film_in_two_classes_fails_the_check(tmp_path, make_table, capsys) -> None:
    prepared = both_classes(tmp_path, make_table)
    report = check_data(prepared)
    assert (report.errors, report.duplicates) == (("1 film is in two classes at once",), ())
    with pytest.raises(DataError, match=r"^1 film is in two classes at once"):
        check(prepared.folder)
    assert "same film: Normal_0_0 (Normal) and Pneumonia_0_0 (Pneumonia)" in capsys.readouterr().err


def test_headers_give_the_manufacturer_and_never_the_institution():
    tags = {"Manufacturer": " Siemens  Healthineers ", "InstitutionName": "St Elsewhere"}
    assert facts_of(tags) == {"manufacturer": "SIEMENS HEALTHINEERS"}
    said = {"Site": [" A "], "InstitutionName": ["St Elsewhere"], "Manufacturer": ["ge"]}
    table = ours(pd.DataFrame(said), table="t.csv")
    assert table.to_dict("list") == {"manufacturer": ["GE"], "site": ["A"]}


def test_manufacturer_and_site_are_characteristics_where_a_table_says_them():
    row = {"view": "PA", "sex": "", "age": 17.9, "source": "x", "width": 9, "height": 8, "stored_bits": 8}
    row |= {"kind": "PNG"}
    found = characteristics(pd.DataFrame([{**row, "site": "A"}, {**row, "site": ""}]))
    assert found["site"].tolist() == ["A", "unknown"]
    assert found["age"].tolist() == ["under 18", "under 18"]
    assert "manufacturer" not in found
