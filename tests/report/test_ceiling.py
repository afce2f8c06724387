"""An oracle is the ceiling under the attack that it was trained on; under any other it is a row marked as an oracle."""

from __future__ import annotations

import pytest
from audit_factory import changed, table_result
from test_report_page import Outline

from radversary.core.types import AttackerKnowledge
from radversary.report.compare import compare, row_name, rows_of_all
from radversary.report.confusion import matrices
from radversary.report.figures.robustness import strength_curves
from radversary.report.grid import equal_noise, grids, overlaps_training, visibility_grids
from radversary.report.html import render_report
from radversary.report.markdown import accuracy_table, standing_table
from radversary.report.result_view import ResultView
from radversary.report.standing import profiles, standings

ORACLE, OWN = "oracle (style)", "style (MicroAST)"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return table_result(tmp_path_factory.mktemp("ceiling"), images=0)


@pytest.fixture(scope="module")
def small(result):
    """Two styles, one attacker: what rendering costs is its figures."""
    kept = tuple(c for c in result.cells if c.condition.attack in ("clean", "identity", OWN, "style, worst of 10")
                 and c.condition.knowledge == AttackerKnowledge.OBLIVIOUS
                 and (c.condition.attack == OWN or c.condition.strength in (0, 1)))
    return changed(result, cells=kept, detections=(), curves={})


def of_oracle(grid):
    return next(row for row in grid.rows if row.defence == ORACLE)


@pytest.mark.slow
def test_a_grid_marks_the_ceiling_only_under_its_own_attack(result):
    marks = {grid.title: of_oracle(grid).mark for grid in grids(ResultView(result))}
    assert marks.pop(OWN) == "ceiling"
    assert set(marks.values()) == {"oracle"}
    assert {grid.title: of_oracle(grid).mark for grid in visibility_grids(ResultView(result))} == {
        OWN: "ceiling", "stm": "oracle"}


@pytest.mark.slow
def test_the_ceiling_closes_the_table_behind_other_oracles(result):
    several = changed(result, oracles=(ORACLE, "augmix", "hgd"), ceilings=(f"{OWN}/augmix",))
    grid = next(grid for grid in grids(ResultView(several)) if grid.title == OWN)
    assert [row.defence for row in grid.rows][-3:] == ["hgd", ORACLE, "augmix"]
    (same,) = compare({"a": several}, attack=OWN)
    assert [row_name(row) for row in same.rows][-3:] == ["hgd (oracle)", f"{ORACLE} (oracle)", "augmix (ceiling)"]


@pytest.mark.slow
def test_compare_says_ceiling_only_there(result):
    names = {grid.title: row_name(of_oracle(grid)) for grid in compare({"a": result})}
    assert names.pop(f"{OWN}, oblivious") == f"{ORACLE} (ceiling)"
    assert set(names.values()) == {f"{ORACLE} (oracle)"}
    roles = {tuple(line.split(",")[2:4]) for line in rows_of_all({"a": result}).splitlines() if ORACLE in line
             and ", worst" not in line}
    assert roles == {("oracle", "clean"), ("oracle", "identity"), ("oracle", "equal noise"), ("ceiling", OWN),
                     ("oracle", "Gatys"), ("oracle", "stm")}


def test_tables_over_many_attacks_say_oracle(result):
    for table in (standing_table(result), accuracy_table(result)):
        assert f"{ORACLE} (oracle)" in table
        assert "ceiling" not in table
    assert [item.ceiling for item in standings(ResultView(result)) if item.defence == ORACLE] == [(OWN,)]


@pytest.mark.slow
def test_the_page_says_so_only_where_it_is_true(small, tmp_path):
    page = " ".join(Outline(render_report(small, tmp_path)).text.split())
    grid_and_visibility = 2
    assert page.count("Ceiling trained on this very attack") == grid_and_visibility
    assert f"{ORACLE} is an oracle: it saw an audited attack in training, though not this one" in page
    assert "dashed a ceiling, which was trained on the very attack of its panel" in page
    none = " ".join(Outline(render_report(changed(small, ceilings=(), defences={}), tmp_path)).text
                    .lower().split())
    assert "ceiling" not in none
    assert "this very attack" not in none
    assert "oracle" in none


@pytest.mark.slow
def test_under_its_own_attack_the_cover_calls_it_the_ceiling(small, tmp_path):
    own = changed(small, cells=tuple(c for c in small.cells if c.condition.attack in ("clean", "identity", OWN)))
    page = " ".join(Outline(render_report(own, tmp_path)).text.split())
    assert f"{ORACLE} was trained on this very attack: the ceiling, no defence" in page
    assert f"{ORACLE} (ceiling)" in {matrix.subtitle for matrix in matrices(ResultView(own))}
    assert {item.mark for item in profiles(ResultView(own)) if item.defence == ORACLE
            and item.title != "clean images"} \
        == {"ceiling"}


@pytest.mark.slow
def test_curves_dash_the_ceiling_alone(result):
    kept = tuple(c for c in result.cells if c.condition.knowledge == AttackerKnowledge.OBLIVIOUS)
    drawn = {drawing.title: drawing
             for drawing in strength_curves(ResultView(changed(result, cells=kept)))}
    assert f"{ORACLE} (ceiling)" in drawn[OWN].svg
    assert f"{ORACLE} (oracle)" in drawn["stm"].svg
    assert drawn[OWN].svg.count("stroke-dasharray") > drawn["stm"].svg.count("stroke-dasharray")


def test_an_oracle_is_not_marked_with_training_overlap(result):
    both = result.model_copy(update={"training_overlap": (f"{OWN}/{ORACLE}", f"{OWN}/cyclegan")})
    assert not overlaps_training(both, OWN, ORACLE, AttackerKnowledge.OBLIVIOUS)
    assert overlaps_training(both, OWN, "cyclegan", AttackerKnowledge.ADAPTIVE)
    one = result.model_copy(update={"training_overlap": (f"{OWN}@transfer/cyclegan",)})
    assert [overlaps_training(one, OWN, "cyclegan", knowledge) for knowledge in AttackerKnowledge] == [
        False, True, False, False]


def test_a_label_makes_no_oracle(result):
    renamed = changed(result, oracles=(), cells=tuple(
        c.model_copy(update={"defence": "oracle"}) if c.defence == "hgd" else c for c in result.cells))
    assert ResultView(renamed).oracles == ()


def test_noise_stands_beside_the_attack_whose_size_it_takes_and_no_other(result):
    view = ResultView(result)
    beside = {attack: [c.strength for c in equal_noise(view, attack)] for attack in view.attacks}
    assert beside.pop("stm") == [8 / 255, 16 / 255]
    assert not any(beside.values())


def test_noise_is_joined_by_label_whatever_the_descriptions_say(result):
    def sized(**fields):
        return ResultView(result.model_copy(update={"cells": tuple(
            c.model_copy(update={"condition": c.condition.model_copy(update=fields)})
            if c.condition.attack == "equal noise" else c for c in result.cells)}))

    assert equal_noise(sized(description="another"), "stm")
    assert not equal_noise(sized(like=()), "stm")
    assert equal_noise(sized(like=("Gatys", "stm")), "Gatys")
