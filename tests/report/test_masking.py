"""An attacker who knows more must not do worse; where it does, the page says so first."""

from __future__ import annotations

import pytest
from test_headline_choice import ALL, attack, audit, cells
from test_report_page import Outline

from radversary.audit.rungs import Rung
from radversary.report.html import render_report
from radversary.report.markdown import standing_table
from radversary.report.masking import too_weak
from radversary.report.reading import Reading


def rungs(*, adaptive: int, lower: int, rung: Rung = Rung.TRANSFER, name: str = "pgd", n: int = ALL, **options):
    """One attack on two rungs; the undefended classifier is right nowhere."""
    return audit(*(cells(attack("label", name, strength=0.1, rung=place, **options), n, before=900 * n // ALL, after=0,
                         defended=right) for place, right in ((rung, lower), (Rung.ADAPTIVE, adaptive))))


@pytest.mark.parametrize("rung", [Rung.OBLIVIOUS, Rung.TRANSFER, Rung.CLASSIFIER])
def test_a_figure_that_rises_with_knowledge_is_named(rung):
    (found,) = too_weak(Reading(rungs(adaptive=700, lower=500, rung=rung)))
    assert (found.defence, found.adaptive.condition.rung, found.lower.condition.rung) == ("jpeg", Rung.ADAPTIVE, rung)
    assert found.others == 0
    assert "70.0\u202f% [67.1, 72.8] (n = 1000) right, the " + str(rung) in found.sentence


@pytest.mark.parametrize(("adaptive", "lower"), [(500, 700), (500, 500), (520, 500)])
def test_what_falls_or_lies_inside_the_interval_is_not(adaptive, lower):
    assert too_weak(Reading(rungs(adaptive=adaptive, lower=lower))) == ()


def test_few_images_need_a_wider_gap():
    assert too_weak(Reading(rungs(adaptive=12, lower=10, n=20))) == ()
    assert too_weak(Reading(rungs(adaptive=18, lower=6, n=20)))


def test_noise_that_nobody_aims_is_no_attacker():
    like = {"name": "pgd"}
    assert too_weak(Reading(rungs(adaptive=700, lower=500, name="equal-noise", like=like))) == ()


def test_strengths_and_attacks_are_not_mixed():
    weak = cells(attack("label", "pgd", strength=0.1, rung=Rung.ADAPTIVE), ALL, before=900, after=0, defended=800)
    strong = cells(attack("label", "pgd", strength=0.2, rung=Rung.TRANSFER), ALL, before=900, after=0, defended=300)
    other = cells(attack("other", "stm", strength=0.1, rung=Rung.TRANSFER), ALL, before=900, after=0, defended=300)
    assert too_weak(Reading(audit(weak, strong, other))) == ()


def test_the_widest_gap_speaks_for_the_others():
    both = [cells(attack("label", "pgd", strength=strength, rung=rung), ALL, before=900, after=0, defended=right)
            for strength, rung, right in ((0.1, Rung.TRANSFER, 600), (0.2, Rung.TRANSFER, 300),
                                          (0.1, Rung.ADAPTIVE, 700), (0.2, Rung.ADAPTIVE, 650))]
    (found,) = too_weak(Reading(audit(*both)))
    assert (found.adaptive.condition.strength, found.others) == (0.2, 1)
    assert "and likewise in one more comparison" in found.sentence
    assert too_weak(Reading(audit(*both)), "another") == ()


def test_page_and_markdown_open_with_it(tmp_path):
    result = rungs(adaptive=700, lower=500)
    text = " ".join(Outline(render_report(result, tmp_path)).text.split())
    assert "Read this first The identity attack was not run" in text
    assert "too weak against jpeg" in text
    assert "(Carlini et al. 2019, arXiv:1902.06705)" in text
    assert "Warning: The adaptive attacker is too weak against jpeg" in standing_table(result)
    assert "too weak" not in " ".join(Outline(render_report(rungs(adaptive=500, lower=700), tmp_path)).text.split())
