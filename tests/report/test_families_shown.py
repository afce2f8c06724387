"""Families of attacks by defence on the page and as Markdown."""

from __future__ import annotations

import re

import pytest
from audit_factory import audit_result

from radversary.auditing.cells import FamilyCase
from radversary.core.types import AttackFamily, Estimate
from radversary.report.families import families_markdown, family_table
from radversary.report.html import render_report
from radversary.report.result_view import ResultView


def case(family, defence, mean, worst, *, attacks=("style (texture)",), half=0.05):
    return FamilyCase(defence=defence, family=family, mean=Estimate(mean, mean - half, mean + half, 270),
                      worst=Estimate(worst, worst, worst + half, 270), attacks=attacks, conditions=4)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    style, gradient = AttackFamily.STYLE, AttackFamily.GRADIENT
    made = audit_result(tmp_path_factory.mktemp("run"), images=0)
    return made.model_copy(update={"training_overlap": ("style (texture)/adversarial training",), "family_cases": (
        case(style, "none", 0.4, 0.1), case(style, "adversarial training", 0.8, 0.5), case(style, "jpeg-75", 0.43, 0.1),
        case(gradient, "none", 0.5, 0.0, attacks=("pgd",)), case(gradient, "jpeg-75", 0.2, 0.0, attacks=("pgd",)))})


def test_defences_stand_beside_none_and_say_whether_they_help(result):
    table = family_table(ResultView(result))
    assert table.defences == ("none", "jpeg-75", "adversarial training")
    changes = {row.family: [cell.change if cell else None for cell in row.cells] for row in table.rows}
    assert changes == {AttackFamily.STYLE: ["", "", "up"], AttackFamily.GRADIENT: ["", "down", None]}
    assert [cell.trained for cell in table.rows[0].cells] == [False, False, True]


@pytest.mark.slow
def test_the_page_shows_the_table(result, tmp_path):
    own = re.search(r'<section id="families".*?</section>', render_report(result, tmp_path), re.DOTALL)[0]
    assert own.count("▲</b>") == own.count("▼</b>") == 1
    assert "80.0</b>†" in own
    assert "all at once 50.0" in own
    assert '<td class="absent">–</td>' in own


def test_so_does_markdown(result):
    lines = families_markdown(result).splitlines()
    assert "| style | 270 | 40.0 [35.0, 45.0] / 10.0 | 43.0 [38.0, 48.0] / 10.0 | 80.0 [75.0, 85.0] / 50.0† |" in lines
    assert lines[-1].startswith("†")


@pytest.mark.slow
def test_a_result_without_families_has_neither(result, tmp_path):
    bare = result.model_copy(update={"family_cases": ()})
    assert 'id="families"' not in render_report(bare, tmp_path)
    assert families_markdown(bare) == ""
