"""Subgroups and transitions on the page."""

from __future__ import annotations

import re

import pytest
from audit_factory import audit_result
from findings_factory import finding_result
from readings_factory import with_readings

from radversary.auditing.subgroups import Subgroups
from radversary.report.html import render_report
from radversary.report.result_view import ResultView
from radversary.report.subgroups import subgroup_page
from radversary.report.transitions import ROWS, transition_page
from radversary.scoring.profile import load_profile

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return with_readings(audit_result(tmp_path_factory.mktemp("run"), images=0))


@pytest.fixture(scope="module")
def html(result, tmp_path_factory):
    return render_report(result, tmp_path_factory.mktemp("page"))


def section(html, name):
    return re.search(rf'<section id="{name}".*?</section>', html, re.DOTALL)[0]


def test_each_value_stands_with_interval_and_count_or_is_not_assessable(result, html):
    own = section(html, "subgroups")
    figures = [item for table in result.subgroups.tables for value in table.values for item in value.figures]
    assert own.count("not assessable</small>") == sum(item.accuracy is None for item in figures) > 0
    assert own.count('<td class="heat"') == sum(item.accuracy is not None for item in figures)
    first = next(item.accuracy for item in figures if item.accuracy)
    assert f"{100 * first.value:.1f}<small>{100 * first.low:.1f}–{100 * first.high:.1f}</small>" in own
    assert "n&nbsp;=&nbsp;9</small>" in own


def test_differences_open_the_section_and_what_is_not_known_is_named(result, html):
    own, page = section(html, "subgroups"), subgroup_page(ResultView(result))
    gaps = [test.gap.value for test in page.differing]
    assert gaps == sorted(gaps, reverse=True)
    assert f"Of {len(result.subgroups.tests)} comparisons {len(page.differing)} show a difference" in own
    assert "Of age, manufacturer, site no two values are known" in own
    assert [table.opened for table in page.tables] == [True, False]
    assert own.count('class="differs"') == len(page.differing)


def test_nothing_assessable_is_said(result, tmp_path):
    bare = result.model_copy(update={"subgroups": result.subgroups.model_copy(update={"tests": ()})})
    assert "nothing can be said of differences" in render_report(bare, tmp_path)


def test_critical_transitions_come_first_and_are_marked(result, html):
    page, own = transition_page(ResultView(result), load_profile()), section(html, "transitions")
    marks = [line.critical for line in page.top]
    assert marks == sorted(marks, reverse=True)
    critical = {(line.transition.found, line.transition.read) for line in page.top if line.critical}
    assert critical == {("Pneumothorax", "Normal")}  # readings move one class on, so that Pneumonia is never Normal
    assert 'Pneumothorax → Normal<span class="mark" title="critical misreading">!</span>' in own
    assert own.count('class="by-finding" open') == 1
    assert all(len(table.rows) <= ROWS for table in page.tables)
    best = next(line.transition for line in page.top)
    assert f"n&nbsp;=&nbsp;{best.share.n}" in own


def test_a_model_of_findings_says_what_was_hidden(tmp_path):
    own = section(render_report(finding_result(tmp_path), tmp_path), "transitions")
    assert 'href="#classes"' in own
    assert "Hidden" in own
    assert '<span class="critical-key">Pneumothorax</span>' in own


def test_an_older_result_has_neither(result, tmp_path):
    html = render_report(result.model_copy(update={"subgroups": Subgroups(), "transitions": ()}), tmp_path)
    assert 'id="subgroups"' not in html
    assert 'id="transitions"' not in html
