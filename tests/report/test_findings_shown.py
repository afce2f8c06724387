"""A measurement that was too weak is said before its figures, wherever they are shown."""

from __future__ import annotations

from test_headline_choice import ALL, attack, audit, cells
from test_report_page import Outline

from radversary.audit.findings import findings_of
from radversary.core.types import AttackerKnowledge
from radversary.report.html import render_report
from radversary.report.markdown import standing_table


def result(*, adaptive: int, lower: int):
    """One attack by two attackers; the undefended classifier is right nowhere."""
    made = audit(*(cells(attack("label", "pgd", strength=0.1, knowledge=place), ALL, before=900, after=0,
                         defended=right)
                   for place, right in ((AttackerKnowledge.TRANSFER, lower), (AttackerKnowledge.ADAPTIVE, adaptive))))
    return made.model_copy(update={"findings": findings_of(made.cells)})


def test_page_and_markdown_open_with_it(tmp_path):
    weak = result(adaptive=700, lower=500)
    text = " ".join(Outline(render_report(weak, tmp_path)).text.split())
    assert "Read this first The identity attack was not run" in text
    assert "too weak against jpeg" in text
    assert "(Carlini et al. 2019, arXiv:1902.06705)" in text
    assert "Warning: The adaptive attacker is too weak against jpeg" in standing_table(weak)
    assert "too weak" not in " ".join(Outline(render_report(result(adaptive=500, lower=700), tmp_path)).text.split())
