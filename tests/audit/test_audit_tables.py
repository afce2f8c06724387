"""The tables of an audit are written and read a condition at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from radversary.auditing.cells import Condition
from radversary.auditing.tables import AuditTables, Measurements, StoredTable
from radversary.auditing.units import WorkUnit

CLEAN = Condition(attack="clean", strength=0.0)


@pytest.fixture
def table(tmp_path) -> StoredTable:
    rows = [{"image_id": f"i{row}", "attack": attack, "strength": strength, "knowledge": "oblivious",
             "defence": defence, "label": "a"} for attack, strength in (("clean", 0.0), ("noise", 0.1), ("noise", 0.3))
            for defence in ("none", "jpeg") for row in (2, 0, 1)]
    pd.DataFrame(rows).to_parquet(tmp_path / "predictions.parquet", index=False)
    return AuditTables(tmp_path).predictions


def test_a_condition_is_read_in_the_order_of_its_rows(table):
    rows = table.at(CLEAN)
    assert rows["attack"].tolist() == ["clean"] * 6
    assert rows["image_id"].tolist() == ["i2", "i0", "i1"] * 2
    some = table.read(("image_id", "strength"), attack="noise", defence="jpeg")
    assert list(some) == ["image_id", "strength"]
    assert some["strength"].tolist() == [0.1] * 3 + [0.3] * 3
    assert table.read(attack="other").empty
    assert len(table.read()) == 18


class Cache:
    """Says what is read of it."""

    def __init__(self) -> None:
        self.read_keys: list[str] = []

    def read(self, key: str) -> pd.DataFrame:
        self.read_keys.append(key)
        return pd.DataFrame({"item": ["x"], "strength": [0.0], "identity": ["n"], "decision": [1], "seconds": [0.5]})


def test_a_unit_is_read_once_and_let_go_with_its_attack(monkeypatch):
    monkeypatch.setattr("radversary.auditing.tables.image_hashes", lambda _images, _rows: ["x"])

    class Context:
        images = None

    cache = Cache()
    units = [WorkUnit(label=label, attack=None, aim=None, strengths=(0.0,), views=(), rows=np.array([0]), key=key)
             for label, key in (("a", "1"), ("a", "2"), ("b", "3"))]
    measured = Measurements(Context(), cache)
    for unit in (units[0], units[1], units[0], units[1], units[2], units[2]):
        assert measured.columns(unit, 0.0, "n")["decision"].tolist() == [1]
    assert cache.read_keys == ["1", "2", "3"]
    assert list(measured._known) == ["3"]
    assert measured.seconds == {"1": 0.5, "2": 0.5, "3": 0.5}
