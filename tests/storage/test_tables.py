from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pyarrow
import pytest

from radversary.core.errors import DataError
from radversary.storage import tables
from radversary.storage.checksums import sha256_file
from radversary.storage.tables import read_table, refuse_changed, write_table, written_in_parts

FRAME = pd.DataFrame({"name": ["a", "b"], "score": [0.5, 0.25]})


def wide(rows: int) -> pd.DataFrame:
    numbers = np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"name": [f"image {row % 7}" for row in range(rows)], "score": numbers,
                         "p": numbers.astype(np.float32), "decision": np.arange(rows), "nothing": np.nan})


@pytest.mark.slow
@pytest.mark.parametrize("step", [7, 40, 100, 250, 1000])
def test_a_table_written_in_parts_has_the_bytes_of_one_that_is_written_at_once(tmp_path, monkeypatch, step):
    frame = wide(1000)
    frame.to_parquet(tmp_path / "small", index=False)
    frame.to_parquet(tmp_path / "large", index=False, row_group_size=100)
    for name, rows in (("small", 2**20), ("large", 100)):
        monkeypatch.setattr(tables, "ROWS", rows)
        with written_in_parts(tmp_path / "parts") as add:
            for start in range(0, len(frame), step):
                add(frame[start:start + step])
        assert (tmp_path / "parts").read_bytes() == (tmp_path / name).read_bytes()


def test_of_a_table_written_in_parts_a_row_group_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS", 100)
    frame = wide(30)
    with (tmp_path / "t.parquet").open("wb") as file:
        groups = tables._RowGroups(file)
        for _ in range(40):
            groups.add(frame)
            assert sum(map(len, groups._waiting)) < 100
        groups.write(least=1)
        groups.close()
    assert len(read_table(tmp_path / "t.parquet")) == 1200


def test_a_table_that_is_not_finished_is_absent(tmp_path):
    with pytest.raises(pyarrow.ArrowException), written_in_parts(tmp_path / "t.parquet") as add:
        list(map(add, (FRAME, FRAME.assign(score="x"))))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def path(tmp_path):
    return write_table(tmp_path / "t.parquet", FRAME)


def test_a_whole_table_is_read(path):
    pd.testing.assert_frame_equal(read_table(path, columns=["score"]), FRAME)


def test_a_damaged_table_is_one_sentence(path, tmp_path, monkeypatch):
    whole = path.read_bytes()
    for content in (whole[:-1], whole[1:], b"", whole[: len(whole) // 2], b"PAR1" + bytes(100) + b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"is no table, or is damaged: .*; audit again"):
            read_table(path, remedy="audit again")
    with pytest.raises(DataError, match="there is no table"):
        read_table(tmp_path / "none.parquet")
    path.write_bytes(whole)
    with pytest.raises(DataError, match="has no column 'label'"):
        read_table(path, columns=["label"])
    monkeypatch.setattr(tables, "CELLS", 3)
    with pytest.raises(DataError, match="claims 2 rows of 2 columns"):
        read_table(path)


def test_a_table_changed_by_hand_is_nobody_s_own(path):
    sha256 = sha256_file(path)
    FRAME.assign(score=1.0).to_parquet(path, index=False)
    with pytest.raises(DataError, match=r"t\.parquet was changed after the result beside it"):
        refuse_changed(path.parent, {"t.parquet": sha256}, remedy="audit again")
    refuse_changed(path.parent, {"t.parquet": sha256_file(path), "none.parquet": sha256}, remedy="audit again")


def test_a_table_in_a_folder_whose_name_is_not_utf8_is_written_and_read(tmp_path):
    frame = pd.DataFrame({"film": ["a", "b"], "score": [0.5, 1.0]})
    path = tmp_path / os.fsdecode(b"run\xfe") / "t.parquet"
    pd.testing.assert_frame_equal(read_table(write_table(path, frame)), frame)
    plain = write_table(tmp_path / "t.parquet", frame)
    assert plain.read_bytes() == path.read_bytes()
    with written_in_parts(path.with_name("parts.parquet")) as add:
        add(frame)
    assert path.with_name("parts.parquet").read_bytes() == plain.read_bytes()
