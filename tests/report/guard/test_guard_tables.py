"""The tables of an evaluated guard say what the result says, each figure with n and interval."""

from __future__ import annotations

import re

import pytest
from guard_evaluation_factory import guard_evaluation_result
from test_guard_page import families_result

from radversary.report.guard.page import write_guard_evaluation
from radversary.report.guard.tables import (
    DETECTION,
    FAMILIES,
    HARMLESS,
    KEPT,
    detection_rows,
    families_markdown,
    family_rows,
    guard_evaluation_markdown,
    harmless_rows,
    promise_rows,
)


def test_every_row_is_as_wide_as_its_heads(tmp_path):
    result, families = guard_evaluation_result(tmp_path), families_result()
    for heads, rows in ((DETECTION, detection_rows(result)), (HARMLESS, harmless_rows(result)),
                        (KEPT, promise_rows(result)), (FAMILIES, family_rows(families))):
        assert rows
        assert {len(row) for row in rows} == {len(heads)}


def test_oblivious_and_aware_stand_in_one_table_after_the_identity(tmp_path):
    rows = detection_rows(guard_evaluation_result(tmp_path))
    assert [row[:3] for row in rows] == [["identity", "–", "oblivious"], ["style", "opacity 0.1", "oblivious"],
                                         ["style", "opacity 0.5", "oblivious"], ["stm", "ε 8/255", "oblivious"],
                                         ["aware-style", "opacity 0.1", "adaptive"]]
    aware = dict(zip(DETECTION, rows[-1], strict=True))
    assert (aware["AUROC"], aware["n"]) == ("0.720 [0.670, 0.770]", "120")
    assert aware["changed, no alarm"].startswith("21.0 [")


@pytest.mark.slow
def test_markdown_holds_all_tables_and_warnings(tmp_path):
    guard_evaluation_result(tmp_path).save(tmp_path / "guard-evaluation.json")
    write_guard_evaluation(tmp_path)
    text = (tmp_path / "guard-evaluation.md").read_text(encoding="utf-8")
    assert text == guard_evaluation_markdown(guard_evaluation_result(tmp_path))
    assert "rough, energy put together by `harmonic`, promised 5 % false alarms; 120 clean test images of 90" in text
    assert "**Beware of <b>this</b>.**" in text
    assert "| jpeg-75 | 120 | 11.0 [" in text
    assert re.search(r"\| all \| 120 \| 4\.4 \[.*\] \| 8\.7 \|\n\| sex F \| 12 \|", text)


def test_markdown_of_families_says_what_was_taught():
    text = families_markdown(families_result())
    assert "taught by 300 clean images and attacked ones (290 fourier, 280 noise)" in text
    assert "| fourier | swap | opacity 0.1 | 120 | 0.980 [0.930, 1.000] | 0.710 [0.660, 0.760] | 68.0 [" in text
    assert "**Mind the <gap>.**" in text
