"""Tables as hospitals and public sets write them: labels in columns, cells and rows; encodings, separators, paths."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radversary.core.errors import DataError, MissingColumnError, PlanError, RadversaryError
from radversary.core.types import UNKNOWN, Task
from radversary.data.csv_table import CsvTable
from radversary.data.label_forms import LabelForm
from radversary.data.table import ImageTable

NAMES = ("Edema", "Mass", "Pleural Effusion")
NUMBERS = {"1": 1, "0": 0, "": UNKNOWN, "-1": UNKNOWN}


def read(tmp_path: Path, *lines: str, encoding: str = "utf-8", between: str = "\n", **options: object) -> ImageTable:
    path = tmp_path / "t.csv"
    path.write_bytes((between.join(lines) + between).encode(encoding))
    return CsvTable(path=path, **options).table(tmp_path)


line_of_cells = st.lists(st.sampled_from(["1", "0", "", "-1"]), min_size=3, max_size=3)
cells = st.lists(line_of_cells, min_size=1, max_size=8).filter(
    lambda rows: all(set(row) & {"1", "0"} for row in rows) and all(any(row[k] for row in rows) for k in range(3)))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(cells, st.sampled_from([",", ";", "\t", "|"]),
       st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
       st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", ".0"]), st.booleans())
def test_three_forms_of_findings_are_one(tmp_path_factory, rows, separator, encoding, between, decimals, quoted):
    tmp_path = tmp_path_factory.mktemp("t")
    want = [[NUMBERS[cell] for cell in row] for row in rows]

    def line(*row: str) -> str:
        return separator.join(f'"{cell}"' if quoted else cell for cell in row)

    wide = [line("file", *NAMES), *(line(f"{n}.png", *(cell + decimals if cell else "" for cell in row))
                                    for n, row in enumerate(rows))]
    long = [line("file", "finding", "value"), *(line(f"{n}.png", name, cell) for n, row in enumerate(rows)
                                                for name, cell in zip(NAMES, row, strict=True))]
    for lines in (wide, long):
        table = read(tmp_path, *lines, encoding=encoding, between=between)
        assert (table.task, table.classes) == (Task.MULTILABEL, NAMES)
        assert table.labels.tolist() == want
    uncertain = sum(row.count("-1") for row in rows)
    assert any(f"(-1): {uncertain}, read as not known" in note for note in table.notes) == bool(uncertain)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.sets(st.sampled_from(NAMES)), min_size=1, max_size=8).filter(any), st.sampled_from("|;,"))
def test_a_cell_may_list_findings(tmp_path_factory, rows, mark):
    tmp_path = tmp_path_factory.mktemp("t")
    lines = [f'{n}.png\t{mark.join(sorted(row)) or "No Finding"}' for n, row in enumerate(rows)]
    table = read(tmp_path, "file\tlabel", *lines, task="multilabel")
    assert table.classes == tuple(sorted(set().union(*rows)))
    assert table.labels.tolist() == [[int(name in row) for name in table.classes] for row in rows]
    if mark == "|" and any(len(row) > 1 for row in rows):
        assert read(tmp_path, "file\tlabel", *lines).labels.tolist() == table.labels.tolist()


@pytest.mark.slow
def test_a_comma_in_a_class_is_no_list_unless_asked(tmp_path) -> None:
    lines = ("file;class", "a.png;Pneumonia, bacterial", "b.png;Pneumonia, viral")
    assert read(tmp_path, *lines).classes == ("Pneumonia, bacterial", "Pneumonia, viral")
    assert read(tmp_path, *lines, task="multilabel").classes == ("Pneumonia", "bacterial", "viral")


CHEXPERT = ("Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Pneumonia,Support Devices",
            "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,",
            "CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg,Male,87,Frontal,AP,,-1.0,0.0,1.0",
            "CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg,Male,83,Frontal,AP,,1.0,,1.0")


@pytest.mark.slow
def test_chexpert_as_it_is_shipped(tmp_path) -> None:
    for name in ("patient00001/study1", "patient00002/study2", "patient00002/study1"):
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "view1_frontal.jpg").write_bytes(b"\xff\xd8\xff")
    table = read(tmp_path, *CHEXPERT, patient_pattern=r"patient(\d+)")
    assert table.classes == ("Edema", "Pneumonia", "Support Devices")
    assert table.labels.tolist() == [[0, 0, -1], [-1, 0, 1], [1, -1, 1]]
    assert table.frame["patient_id"].tolist() == ["1", "2", "2"]
    assert [Path(path).is_file() for path in table.frame["path"]] == [True] * 3
    assert table.frame["image_id"].is_unique
    asked = read(tmp_path, *CHEXPERT, uncertain="positive", blank="negative")
    assert asked.labels.tolist() == [[0, 0, 0], [1, 0, 1], [1, 0, 1]]
    assert any("(-1): 1, read as present" in note for note in asked.notes)
    assert any("say nothing of a finding: 2, read as absent" in note for note in asked.notes)


@pytest.mark.slow
def test_named_findings_and_rows_of_which_nothing_is_known(tmp_path) -> None:
    table = read(tmp_path, *CHEXPERT, findings="Edema,Pneumonia")
    assert table.labels.tolist() == [[-1, 0], [1, -1]]
    assert [name for name, _ in table.left_out] == ["row 2"]
    with pytest.raises(MissingColumnError, match="Hernia"):
        read(tmp_path, *CHEXPERT, findings=["Hernia"])
    with pytest.raises(DataError, match="row 2 says 'Female' in the column 'Sex'; expected 1, 0, -1"):
        read(tmp_path, *CHEXPERT, findings="Sex")


@pytest.mark.slow
def test_one_row_an_image_and_class_without_values(tmp_path) -> None:
    lines = ("image_id,class_name,x_min", "a,Cardiomegaly,1", "a,Nodule,2", "b,No finding,", "c,Nodule,3")
    table = read(tmp_path, *lines, task="multilabel")
    assert table.classes == ("Cardiomegaly", "Nodule")
    assert table.labels.tolist() == [[1, 1], [0, 0], [0, 1]]
    with pytest.raises(DataError, match="occurs 2 times"):
        read(tmp_path, *lines)


def test_rows_of_one_finding_that_differ_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="rows 2, 3 say different things of one finding"):
        read(tmp_path, "file,finding,value", "a.png,Mass,1", "a.png,Mass,0")


@pytest.mark.slow
def test_tables_without_labels(tmp_path) -> None:
    table = read(tmp_path, "file,patient_id", "a.png,7", "b.png,8", labels="none")
    assert (table.labelled, len(table), table.classes) == (False, 2, ())
    empty = read(tmp_path, "file,label", "a.png,", "b.png,NaN")
    assert not empty.labelled
    assert empty.notes == ("no row of the table has a label",)
    with pytest.raises(MissingColumnError, match="no column 'label'"):
        read(tmp_path, "file,patient_id", "a.png,7")
    some = read(tmp_path, "file,label", "a.png,x", "b.png,y", "c.png,")
    assert [name for name, _ in some.left_out] == ["row 4"]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_western_tables_are_read_with_a_note(tmp_path, encoding) -> None:
    table = read(tmp_path, "file;label", "a.png;Entzündung", "b.png;gesund", encoding=encoding)
    assert table.classes == ("Entzündung", "gesund")
    assert any("read as Windows-1252" in note for note in table.notes)
    assert not read(tmp_path, "file;label", "a.png;Entzündung", "b.png;gesund").notes


@pytest.mark.parametrize("cell", ["C:\\films\\a.png", "\\\\server\\share\\films\\a.png", "..\\films\\a.png",
                                  "/home/bob/films/a.png", ".\\a.png", "set-v1/a.png"])
def test_paths_of_another_machine_mean_the_film_that_ends_alike(tmp_path, cell) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    path = folder / "t.csv"
    path.write_text(f"file,label\n{cell},x\nb.png,y\n")
    found = CsvTable(path=path).table(tmp_path).frame["path"][0]
    assert Path(found).resolve() == (folder / "a.png").resolve()


def test_words_say_whether_a_finding_is_there_where_that_is_asked(tmp_path) -> None:
    lines = ("file,Edema,trained", "a.png,Yes,FALSE", "b.png,negative,TRUE", "c.png,uncertain,TRUE", "d.png,0,FALSE")
    assert read(tmp_path, *lines, findings="Edema").labels.tolist() == [[1], [0], [0]]
    with pytest.raises(MissingColumnError, match="label"):
        read(tmp_path, *lines)


def test_options_of_other_values_are_refused() -> None:
    for options in ({"uncertain": "maybe"}, {"blank": "positive"}, {"task": "binary"}, {"labels": "some"}):
        with pytest.raises(PlanError, match="must be"):
            LabelForm(**options)


@pytest.mark.slow
def test_findings_of_a_table_need_two_columns(tmp_path) -> None:
    with pytest.raises(MissingColumnError, match="label"):
        read(tmp_path, "file,Edema", "a.png,1", "b.png,0")
    assert read(tmp_path, "file,Edema", "a.png,1", "b.png,0", findings="Edema").labels.tolist() == [[1], [0]]
    assert isinstance(read(tmp_path, "file,Edema,Mass", "a.png,1,0").frame, pd.DataFrame)


HEADS = ("file", "image_id", "label", "finding", "value", "Edema", "No Finding", "finding:Mass", "", "Sex", "split",
         "patient_id", "SOPInstanceUID", "age", "EDEMA", "finding:")
CELLS = ("", "1", "0", "-1", "1.0", "a.png", "b.png", "A|B", "|", "No Finding", "[]", "NaN", "x;y", "train", "7", "ü",
         "-")


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(HEADS), min_size=1, max_size=5, unique=True), st.data(),
       st.sampled_from([{}, {"task": "multilabel"}, {"labels": "none"}, {"findings": "Edema"}, {"blank": "negative"}]))
def test_any_table_is_read_or_refused_in_a_sentence(tmp_path_factory, heads, data, options):
    tmp_path = tmp_path_factory.mktemp("t")
    line = st.lists(st.sampled_from(CELLS), min_size=len(heads), max_size=len(heads))
    lines = [",".join(row) for row in data.draw(st.lists(line, max_size=5))]
    try:
        table = read(tmp_path, ",".join(heads), *lines, **options)
    except RadversaryError:
        return
    assert len(table) == len(table.labels)
    assert table.labelled == bool((table.labels != UNKNOWN).any())
