"""The checks of the measurement on the page, as Markdown and in a line."""

from __future__ import annotations

import re

import pytest
from audit_factory import audit_result
from measurement_factory import NO_GRADIENT_REASON, measurement

from radversary.auditing.measurement.checks import RULES, Sign, Verdict
from radversary.report.html import render_report
from radversary.report.markdown import standing_table
from radversary.report.measurement import measurement_line, measurement_table


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return audit_result(tmp_path_factory.mktemp("run"), images=0).model_copy(update={"measurement": measurement()})


def section(page: str) -> str:
    return re.search(r'<section id="measurement".*?</section>', page, re.DOTALL)[0]


@pytest.mark.slow
def test_suspects_stand_first_then_one_row_a_kind(result):
    table = measurement_table(result)
    asked = [item for item in result.measurement if item.verdict != Verdict.NOT_APPLICABLE]
    assert (table.suspect, table.asked) == (2, len(asked))
    assert [row.kind for row in table.rows[:2]] == [Sign.ZERO_GRADIENTS, Sign.UNFINISHED]
    assert [row.suspect for row in table.rows] == [True, True, *[False] * (len(table.rows) - 2)]
    assert [row.kind for row in table.rows[2:]] == list(Sign)
    (left,) = table.left
    assert (left.defences, left.reason, left.kinds.count(",")) == ("jpeg-75", NO_GRADIENT_REASON, 3)


@pytest.mark.slow
def test_the_page_says_what_is_suspect_and_what_to_do(result, tmp_path):
    page = render_report(result, tmp_path)
    own = section(page)
    assert "2 of 44 are suspect" in own
    assert RULES[Sign.UNFINISHED].advice in own
    assert RULES[Sign.BLACK_BOX].advice not in own
    assert own.index("Did the attacks have gradients to follow?") < own.index("Are the model&#39;s answers the scores")
    assert "42.0 of 100 gradients" in own
    said = "2 of 44 checks of the measurement are suspect</strong> (zero gradients, a longer attack finds more"
    assert said in page
    assert 'href="#measurement"' in page


@pytest.mark.slow
def test_a_sound_measurement_is_not_praised_beyond_what_was_looked_at(result, tmp_path):
    fine = tuple(item for item in result.measurement if item.verdict == Verdict.FINE)
    page = render_report(result.model_copy(update={"measurement": fine}), tmp_path)
    assert f"None of {len(fine)} is suspect." in section(page)
    assert "does not prove that no better attack exists" in section(page)
    assert "checks of the measurement" not in page


@pytest.mark.slow
def test_a_result_without_checks_has_no_section(result, tmp_path):
    bare = result.model_copy(update={"measurement": ()})
    assert 'id="measurement"' not in render_report(bare, tmp_path)
    assert measurement_line(bare) == ""
    assert "easurement:" not in standing_table(bare)


def test_a_line_for_a_terminal_and_for_markdown(result):
    line = "2 of 44 checks suspect: zero gradients (jpeg-75), a longer attack finds more (no defence)"
    assert measurement_line(result) == f"measurement: {line}"
    assert f"Measurement: {line}." in standing_table(result)
