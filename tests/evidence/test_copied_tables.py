"""Which tables a copy may hold, and ids of whatever type under the pseudonyms of ids that are text."""

from __future__ import annotations

import pandas as pd
import pytest
from audit_factory import audit_result

from radversary.evidence.pseudonyms import Pseudonyms
from radversary.evidence.tables import ids_of, pseudonymised, unjudged

TEXT, NUMBERS = ["81734", "91735", "81734"], [81734, 91735, 81734]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return audit_result(tmp_path_factory.mktemp("result"), images=0)


@pytest.mark.parametrize("ids", [
    TEXT, pd.array(TEXT, dtype="string"), pd.Categorical(TEXT), NUMBERS, [float(item) for item in NUMBERS],
    pd.array(NUMBERS, dtype="Int64"), pd.Categorical(NUMBERS), [item.encode() for item in TEXT],
    [81734, "91735", 81734]])
def test_an_id_has_one_pseudonym_whatever_its_type(ids):
    frame, names = pd.DataFrame({"image_id": ids, "patient_id": ids, "strength": 0.5}), Pseudonyms(bytes(32))
    found = pseudonymised(frame, names, names.text)
    assert found["image_id"].tolist() == [names.image(name) for name in TEXT]
    assert found["patient_id"].tolist() == [names.patient(name) for name in TEXT]
    assert found["strength"].tolist() == [0.5] * 3
    assert ids_of(frame, "image_id") == set(TEXT)


def test_an_id_that_is_not_known_stays_so():
    names = Pseudonyms(bytes(32))
    found = pseudonymised(pd.DataFrame({"patient_id": pd.array([81734, None], dtype="Int64")}), names, names.text)
    assert found["patient_id"].dropna().tolist() == [names.patient("81734")]


def test_texts_of_categories_are_looked_through_too():
    names = Pseudonyms(bytes(32), ["film-1"])
    found = pseudonymised(pd.DataFrame({"label": pd.Categorical(["see film-1"])}), names, names.text)
    assert found["label"].tolist() == [f"see {names.image('film-1')}"]


@pytest.mark.parametrize(("column", "values"), [
    ("accession", NUMBERS), ("accession", [81734.0, None, 3.0]), ("accession", ["A81734"] * 3), ("note", ["seen"] * 3),
    ("accession", pd.array(NUMBERS, dtype="Int64")), ("accession", pd.array(NUMBERS, dtype="Float64")),
    ("label", NUMBERS), ("attack", [b"81734"] * 3), ("strength", ["81734"] * 3), ("label", [["Normal"]] * 3),
    ("taken", pd.to_datetime(["2020-01-01"] * 3)), ("8", [True] * 3)])
def test_a_column_of_which_nothing_says_what_it_holds_is_named(result, column, values):
    assert unjudged(pd.DataFrame({"image_id": TEXT, column: values}), result) == [column]


def test_a_runs_own_columns_are_judged(result):
    frame = pd.DataFrame({
        "image_id": NUMBERS, "patient_id": TEXT, "attack": "style", "strength": 1.0, "knowledge": "adaptive",
        "defence": "none", "label": pd.Categorical(["Normal"] * 3), "predicted": "Normal", "p_Normal": 0.5,
        "finding": "Effusion", "score": 0.1, "flagged": pd.array([True, None, False], dtype="boolean"),
        "queries": 20_000, "linf": 0.1, "edges": 0.3,
        "my-detector": [1e9, 0.25, 3.0], "another": [3.0, None, 4.0], "similarity": None})
    assert unjudged(frame.astype({"similarity": float}), result) == []
