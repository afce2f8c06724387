"""Which attack a report opens with, and what its figures before and after are of."""

from __future__ import annotations

import pytest
from audit_factory import wilson
from test_report_page import Outline

from radversary.attacks.registry import ATTACKS
from radversary.auditing.cells import Cell, Condition
from radversary.auditing.result import AuditResult, DataSummary
from radversary.auditing.setup import condition_of
from radversary.auditing.standing import right_before
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.metrics.performance import ClassFigures, PairedTest, Performance
from radversary.report.figures.robustness import class_bars
from radversary.report.headline import conclusion
from radversary.report.html import render_report
from radversary.report.markdown import accuracy_table, standing_table
from radversary.report.result_view import ResultView
from radversary.report.run_folder import RunFolder
from radversary.report.thesis.plates import RECIPES, plate

CLASSES = ("Normal", "Pneumonia")
CLEAN = Condition(attack="clean", strength=0)
ALL = 1000


def performance(right: int, n: int) -> Performance:
    """Figures of ``n`` images, half of each class, ``right`` of them read correctly."""
    hits = (right - right // 2, right // 2)
    confusion = ((hits[0], n // 2 - hits[0]), (n // 2 - hits[1], hits[1]))
    share = wilson(right / n, n)
    figures = tuple(ClassFigures(name, share, share, share, n // 2) for name in CLASSES)
    return Performance(share, share, share, share, None, figures, confusion)


def cells(condition: Condition, n: int, *, before: int, after: int, defended: int) -> tuple[Cell, ...]:
    change, gain = (after - before) / n, (defended - after) / n
    pair = PairedTest(Estimate(change, change - 0.02, change + 0.02, n), max(before - after, 0),
                      max(after - before, 0), 0.001)
    other = PairedTest(Estimate(gain, gain - 0.02, gain + 0.02, n), 0, max(defended - after, 0), 0.001)
    return (Cell(condition=condition, defence="none", performance=performance(after, n), against_clean=pair),
            Cell(condition=condition, defence="jpeg", performance=performance(defended, n), against_none=other))


def attack(label: str, name: str = "style-transfer", *, strength: float = 1.0,
           knowledge: AttackerKnowledge = AttackerKnowledge.OBLIVIOUS,
           **options) -> Condition:
    return condition_of(label, ATTACKS.create(name, **options).at(strength), knowledge)


def audit(*parts: tuple[Cell, ...]) -> AuditResult:
    clean = (Cell(condition=CLEAN, defence="none", performance=performance(900, ALL)),
             Cell(condition=CLEAN, defence="jpeg", performance=performance(890, ALL)))
    data = DataSummary(source="made up", counts={}, patients={"test": 300}, characteristics={}, left_out=(), floors={},
                       warnings=(), sha256="ab" * 32)
    return AuditResult(name="run", classes=CLASSES, model={}, cells=(*clean, *(c for part in parts for c in part)),
                       detections=(), gallery=(), data=data, defences={}, seconds={}, provenance={}).with_standing()


WHOLE = cells(attack("whole"), ALL, before=900, after=600, defended=800)
HALF = cells(attack("half", generator="fourier"), 500, before=450, after=200, defended=400)
FEW = cells(attack("few", generator="gatys"), 16, before=15, after=1, defended=8)
COLOUR = cells(attack("coloured", colour="rgb"), ALL, before=900, after=100, defended=850)


def text(result: AuditResult, tmp_path) -> str:
    return " ".join(Outline(render_report(result, tmp_path)).text.split())


@pytest.mark.slow
def test_a_few_images_are_no_headline(tmp_path):
    result = audit(WHOLE, FEW)
    assert ResultView(result).worst.attack == "whole"
    assert ResultView(result).standing.passed_over == "attacks on fewer than 500 images"
    assert "It is not chosen from attacks on fewer than 500 images" in text(result, tmp_path)
    assert "whole, opacity 1, which is not chosen from attacks on fewer than 500 images." in standing_table(result)


def test_half_of_the_images_are_enough():
    view = ResultView(audit(WHOLE, HALF))
    assert view.worst.attack == "half"
    assert view.standing.passed_over == ""


@pytest.mark.slow
def test_colour_is_no_headline_unless_there_is_nothing_else(tmp_path):
    assert ResultView(audit(WHOLE, COLOUR)).worst.attack == "whole"
    assert "attacks in colour, which a radiograph does not have" in text(audit(WHOLE, COLOUR), tmp_path)
    only = ResultView(audit(COLOUR))
    assert (only.worst.attack, only.standing.passed_over) == ("coloured", "")


def test_colour_on_many_images_does_not_shut_out_grey_on_few():
    view = ResultView(audit(COLOUR, FEW))
    assert view.worst.attack == "few"
    assert view.standing.passed_over == "attacks in colour, which a radiograph does not have"


def test_the_size_of_a_floor_does_not_count():
    noise = cells(attack("grain", "noise"), ALL, before=900, after=10, defended=20)
    assert ResultView(audit(noise, FEW)).worst.attack == "few"
    assert ResultView(audit(noise)).worst.attack == "grain"


def test_before_is_counted_on_the_very_images_of_the_attack():
    assert right_before(HALF[0]) == (450, 500)
    assert right_before(WHOLE[0]) == (900, 1000)
    assert right_before(HALF[1]) is None


def test_the_sentence_goes_from_the_same_images():
    words = " ".join(conclusion(ResultView(audit(HALF))).striptags().split())
    assert "On 1000 test images of 300 patients the classifier reads 90.0 %" in words
    assert "under half at opacity 1, which was run on 500 of them, it falls from 450 of 500 to 40.0" in words
    assert "falls from 90.0" not in words
    assert "falls from 90.0" in " ".join(conclusion(ResultView(audit(WHOLE))).striptags().split())


def test_without_a_pair_both_say_their_n():
    bare = tuple(cell.model_copy(update={"against_clean": None}) for cell in HALF)
    words = " ".join(conclusion(ResultView(audit(bare))).striptags().split())
    assert "n = 1000 to 40.0" in words
    assert "n = 500 right answers under half" in words


@pytest.mark.slow
def test_the_cover_says_whose_figures_stand_before(tmp_path):
    words = text(audit(HALF), tmp_path)
    assert "before, on these same images, 450 of 500 right" in words
    assert "It was run on 500 of the 1000 test images, the figures before it are of all" in words
    assert "on these same images, " not in text(audit(WHOLE), tmp_path)


@pytest.mark.slow
def test_bars_and_tables_tell_counts_apart(tmp_path):
    bars = class_bars(ResultView(audit(HALF)))[0].svg
    assert "before the attack, n = 1000" in bars
    assert "after the attack, n = 500" in bars
    assert "n = 1000" not in class_bars(ResultView(audit(WHOLE)))[0].svg
    row = next(line for line in accuracy_table(audit(HALF)).splitlines() if line.startswith("| half"))
    assert row.count("(n=500)") == 2
    assert "(n=" not in accuracy_table(audit(WHOLE))


@pytest.mark.parametrize("number", [30, 31])
def test_the_thesis_figures_after_the_attack_say_what_was_before(tmp_path, number):
    audit(HALF).save(tmp_path / "result.json")
    title, name, recipe = RECIPES[number]
    drawn = plate(RunFolder.open(tmp_path), number, title, name, recipe)
    assert "of which 450 of 500 were right before" in drawn.caption
