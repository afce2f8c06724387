from __future__ import annotations

import pandas as pd
import pytest

from radversary.core.errors import DataError, MissingColumnError, UnknownNameError
from radversary.data.csv_files import read_csv
from radversary.data.table import COLUMNS, ImageTable

ROWS = {"image_id": ["007", "b", "c"], "path": ["x/007.png", "b.png", "c.png"],
        "label": ["Normal", "Pneumonia", "Normal"], "patient_id": ["0042", "", "9"], "age": ["50", "", "7.5"]}


def table(**changes: list[object]) -> ImageTable:
    return ImageTable(pd.DataFrame({**ROWS, **changes}))


def test_absent_columns_are_filled_in_and_further_ones_kept() -> None:
    frame = table(subtype=["-", "lobar", "-"]).frame
    assert list(frame.columns) == [*COLUMNS, "subtype"]
    assert frame["rotation"].tolist() == [0.0] * 3
    assert frame["split"].tolist() == [""] * 3
    assert frame["age"].isna().tolist() == [False, True, False]


def test_an_image_without_patient_is_its_own_and_the_table_says_so() -> None:
    assert table().frame["patient_id"].tolist() == ["0042", "image:b", "9"]
    assert not table().patients_known
    assert table(patient_id=["1", "1", "2"]).patients_known


def test_saved_and_loaded_is_the_same_table(tmp_path) -> None:
    before = table(split=["train", "validation", "test"], view=["PA", "", "AP"])
    after = ImageTable.load(before.save(tmp_path / "deep" / "table.csv"))
    pd.testing.assert_frame_equal(before.frame, after.frame)
    assert before.sha256() == after.sha256()
    assert after.frame["image_id"].iloc[0] == "007"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["table.csv"]


def test_hash_sees_every_cell_but_not_the_folder() -> None:
    assert table().sha256() == table(path=["1", "2", "3"]).sha256()
    assert len({table().sha256(), table(age=["51", "", "7.5"]).sha256(),
                table(split=["test", "", ""]).sha256()}) == 3


@pytest.mark.slow
def test_select_keeps_the_classes_of_the_whole() -> None:
    split = table().with_split(["train", "validation", "test"])
    assert split.select("test").classes == ("Normal", "Pneumonia")
    assert split.select("validation").labels.tolist() == [1]
    assert split.rows("test").tolist() == [2]
    assert table().frame["split"].eq("").all(), "the table itself must not change"


def test_the_frame_given_is_copied() -> None:
    frame = pd.DataFrame(ROWS)
    made = ImageTable(frame)
    frame.loc[0, "label"] = "Pneumonia"
    assert made.frame["label"].iloc[0] == "Normal"


@pytest.mark.parametrize(("changes", "error", "says"), [
    ({"image_id": ["a", "a", "c"]}, DataError, "'a' occurs 2 times"),
    ({"label": ["Normal", "", "x"]}, DataError, "has no label"),
    ({"label": ["Normal", None, "x"]}, DataError, "has no label"),
    ({"age": ["50", "old", ""]}, DataError, "'age' must hold numbers, row 1 says 'old'"),
    ({"split": ["train", "tset", "test"]}, UnknownNameError, "did you mean 'test'"),
])
def test_bad_tables_are_refused_in_one_sentence(changes, error, says) -> None:
    with pytest.raises(error, match=says):
        table(**changes)


def test_missing_column_empty_table_and_bad_requests() -> None:
    with pytest.raises(MissingColumnError, match="no column 'label'"):
        ImageTable(pd.DataFrame(ROWS).drop(columns="label"))
    with pytest.raises(DataError, match="no row"):
        ImageTable(pd.DataFrame(ROWS).iloc[:0])
    with pytest.raises(DataError, match="split the table first"):
        table().select("test")
    with pytest.raises(UnknownNameError, match="did you mean 'validation'"):
        table().select("validatoin")
    with pytest.raises(DataError, match="one part a row"):
        table().with_split(["train"])


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b'a,b\n"1,2\n3'])
def test_files_that_are_no_table(tmp_path, content) -> None:
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv"):
        ImageTable.load(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a,b\n1,2\0\n", b'a,b\n"1', b"a\n1,2,3\n1,2,3,4\n", bytes(100)])
def test_a_damaged_table_is_one_sentence(tmp_path, content) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"is not a readable CSV table|of images"):
        ImageTable.load(tmp_path / "t.csv")
    with pytest.raises(DataError, match="is not a readable CSV table"):
        read_csv(tmp_path)


def test_numbers_that_are_not_finite_are_refused() -> None:
    rows = {"image_id": ["a", "b"], "path": ["a", "b"], "label": ["x", "y"], "rotation": ["0", "1e999"]}
    with pytest.raises(DataError, match="column 'rotation' must hold numbers, row 1 says '1e999'"):
        ImageTable(pd.DataFrame(rows))
