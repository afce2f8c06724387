from __future__ import annotations

import os

import pandas as pd
import pytest

from radversary.core.errors import DataError
from radversary.storage import tables
from radversary.storage.files import is_sealed, sha256_file
from radversary.storage.tables import drop_table, keep_table, read_table, refuse_changed, write_table

FRAME = pd.DataFrame({"name": ["a", "b"], "score": [0.5, 0.25]})


@pytest.fixture
def path(tmp_path):
    return keep_table(tmp_path / "t.parquet", FRAME)


def test_a_whole_table_is_read(path):
    pd.testing.assert_frame_equal(read_table(path, columns=["score"]), FRAME)
    assert is_sealed(path)


def test_a_damaged_table_is_one_sentence(path, tmp_path, monkeypatch):
    whole = path.read_bytes()
    for content in (whole[:-1], whole[1:], b"", whole[: len(whole) // 2], b"PAR1" + bytes(100) + b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"is no table, or is damaged: .*; audit again"):
            read_table(path, remedy="audit again")
        assert not is_sealed(path)
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
    assert not is_sealed(path)
    with pytest.raises(DataError, match=r"t\.parquet was changed after the result beside it"):
        refuse_changed(path.parent, {"t.parquet": sha256}, remedy="audit again")
    refuse_changed(path.parent, {"t.parquet": sha256_file(path), "none.parquet": sha256}, remedy="audit again")


def test_a_table_is_dropped_with_its_hash(path):
    drop_table(path)
    assert not list(path.parent.iterdir())


def test_a_table_in_a_folder_whose_name_is_not_utf8_is_written_and_read(tmp_path):
    frame = pd.DataFrame({"film": ["a", "b"], "score": [0.5, 1.0]})
    path = tmp_path / os.fsdecode(b"run\xfe") / "t.parquet"
    pd.testing.assert_frame_equal(read_table(keep_table(path, frame)), frame)
    plain = write_table(tmp_path / "t.parquet", frame)
    assert plain.read_bytes() == path.read_bytes()
