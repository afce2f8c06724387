from __future__ import annotations

import pandas as pd
import pytest

from radversary.core.errors import DataError
from radversary.storage import tables
from radversary.storage.files import sha256_file, write_whole
from radversary.storage.tables import read_table, refuse_changed

FRAME = pd.DataFrame({"name": ["a", "b"], "score": [0.5, 0.25]})


@pytest.fixture
def path(tmp_path):
    return write_whole(tmp_path / "t.parquet", lambda part: FRAME.to_parquet(part, index=False))


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
