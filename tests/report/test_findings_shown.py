"""A measurement that was too weak is said before its figures, wherever they are shown."""

from __future__ import annotations

import pytest
from audit_factory import audit_result
from test_headline_choice import ALL, attack, audit, cells
from test_report_page import Outline

from radversary.auditing.cells import WorstCase
from radversary.auditing.findings import findings_of
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.report.html import render_report
from radversary.report.markdown import standing_table


def result(*, adaptive: int, lower: int):
    """One attack by two attackers; the undefended classifier is right nowhere."""
    made = audit(*(cells(attack("label", "pgd", strength=0.1, knowledge=place), ALL, before=900, after=0,
                         defended=right)
                   for place, right in ((AttackerKnowledge.TRANSFER, lower), (AttackerKnowledge.ADAPTIVE, adaptive))))
    return made.model_copy(update={"findings": findings_of(made.cells)})


@pytest.mark.slow
def test_page_and_markdown_open_with_it(tmp_path):
    weak = result(adaptive=700, lower=500)
    text = " ".join(Outline(render_report(weak, tmp_path)).text.split())
    assert "Read this first The identity attack was not run" in text
    assert "too weak against jpeg" in text
    assert "(Carlini et al. 2019, arXiv:1902.06705)" in text
    assert "Warning: The adaptive attacker is too weak against jpeg" in standing_table(weak)
    assert "too weak" not in " ".join(Outline(render_report(result(adaptive=500, lower=700), tmp_path)).text.split())


@pytest.mark.slow
def test_what_all_attacks_together_leave_stands_beside_the_worst(tmp_path):
    made = audit_result(tmp_path)
    knowledge = AttackerKnowledge.OBLIVIOUS
    case = WorstCase(defence="none", knowledge=knowledge, accuracy=Estimate(0.0731, 0.05, 0.1, 200), least="x",
                     conditions=7)
    alone = WorstCase(defence=made.cells[1].defence, knowledge=knowledge, accuracy=Estimate(0.3, 0.2, 0.4, 200),
                      least="x", conditions=1)
    shown = made.model_copy(update={"worst_cases": (case, alone)})
    assert "all 7 together" in render_report(shown, tmp_path)
    assert "all 7 together: 7.3 [5.0, 10.0]" in standing_table(shown)
    for page in (render_report(shown, tmp_path), standing_table(shown)):
        assert "all 1 together" not in page
    assert "together" not in standing_table(made)
