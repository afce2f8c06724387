"""What is packed into a result is what the table of predictions says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_audit import make_inputs, make_plan

from radversary.auditing.packed import known_labels, numbered, packed, unpacked
from radversary.auditing.result import AuditResult
from radversary.auditing.run import run_audit
from radversary.core.errors import DataError


@pytest.mark.slow
@given(st.lists(st.integers(-2**31, 2**31 - 1)))
def test_numbers_come_out_as_they_went_in(numbers):
    assert unpacked(packed(numbers)).tolist() == numbers


@pytest.mark.parametrize("text", ["", "not base64!", "AAAA", packed([1])[:-4]])
def test_damaged_text_is_a_sentence(text):
    with pytest.raises(DataError, match="packed readings are damaged"):
        unpacked(text)


@pytest.mark.slow
def test_readings_are_those_of_the_predictions(tmp_path):
    inputs = make_inputs(tmp_path / "inputs")
    few = {"label": "few", "name": "noise", "strengths": [0.2], "images": 3}
    run_audit(make_plan(attacks=[few, {"label": "style", "name": "worst-style", "options": {
        "generator": "fourier", "k": 2, "count": 3, "style_size": 32}}], gallery=0), inputs, tmp_path / "run")
    result = AuditResult.load(tmp_path / "run" / "result.json")
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    readings, classes = result.readings, list(result.classes)
    keys = {cell.condition.key: cell.condition for cell in result.cells}
    clean = table[(table["attack"] == "clean") & (table["defence"] == "none")].reset_index(drop=True)
    assert known_labels(readings)[:, 0].tolist() == [classes.index(name) for name in clean["label"]]
    assert unpacked(readings.patients).tolist() == numbered(clean["patient_id"].tolist()).tolist()
    assert unpacked(readings.pictures).tolist() == list(range(len(clean)))
    assert len(readings.read) == len(result.cells)
    for item in readings.read:
        condition = keys[item.condition]
        own = table[(table["attack"] == condition.attack) & (table["strength"] == condition.strength)
                    & (table["knowledge"] == str(condition.knowledge)) & (table["defence"] == item.defence)]
        assert clean["image_id"].iloc[unpacked(item.images)].tolist() == own["image_id"].tolist()
        assert [classes[number] for number in unpacked(item.read)] == own["predicted"].tolist()
    assert {len(unpacked(item.images)) for item in readings.read if item.condition.startswith("few")} == {3}
    assert not any(name in readings.model_dump_json() for name in clean["patient_id"])
    assert np.array_equal(unpacked(readings.characteristics["sex"].of), numbered(
        [readings.characteristics["sex"].values[place] for place in unpacked(readings.characteristics["sex"].of)]))
