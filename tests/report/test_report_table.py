"""Defence × attack × knowledge level: the grids, the standings and their place on the page."""

from __future__ import annotations

import re

import pytest
from audit_factory import STRENGTH_OF, TABLE, changed, table_result
from test_report_page import Outline

from radversary.core.errors import InputError, UnknownNameError
from radversary.core.types import AttackerKnowledge
from radversary.report.compare import compare, different_sets, markdown, rows_of_all
from radversary.report.figures.robustness import shown_lines, strength_curves
from radversary.report.grid import WIDTH, grids, overlaps_training, visibility_grids
from radversary.report.headline import conclusion
from radversary.report.html import render_report
from radversary.report.markdown import accuracy_table, recall_table, standing_table
from radversary.report.result_view import ResultView
from radversary.report.standing import profiles, standings


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return table_result(tmp_path_factory.mktemp("table"), images=0)


@pytest.fixture(scope="module")
def view(result):
    return ResultView(result)


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    return render_report(result, tmp_path_factory.mktemp("page"))


@pytest.mark.slow
def test_the_headline_is_the_oblivious_style_and_its_best_defence_no_oracle(view):
    assert view.worst.key == "style, worst of 10@1"
    assert view.best_defence == "style-randomised"
    assert view.oracles == ("oracle (style)",)
    assert view.leading(3) == ("canonical + destyle", "style-randomised", "oracle (style)")
    text = conclusion(view).striptags()
    assert "style, worst of 10 at opacity\xa01" in text
    assert "oracle" not in text


@pytest.mark.slow
def test_an_oracle_that_would_win_is_still_no_defence(result):
    named = ResultView(changed(result, oracles=("oracle (style)", "style-randomised")))
    assert named.best_defence == "canonical + destyle"


@pytest.mark.slow
def test_cells_of_two_attackers_are_told_apart(view, result):
    for knowledge in AttackerKnowledge:
        (condition,) = [c for c in view.of_attack("stm", knowledge) if c.strength == 8 / 255]
        assert view.cell(condition, "hgd") == result.cell("stm", 8 / 255, "hgd", knowledge)
    values = {view.cell(c,
                        "hgd").performance.accuracy.value for knowledge in AttackerKnowledge
                        for c in view.of_attack("stm", knowledge)
              if c.strength == 8 / 255}
    assert len(values) == 4


def test_grids_hold_every_figure_once_floors_first_oracles_last(view, result):
    found = {grid.title: grid for grid in grids(view)}
    assert next(iter(found)) == "equal noise"
    assert set(found) == {*TABLE, "stm: oblivious, transfer", "stm: gray-box, adaptive"} - {"stm"}
    assert max(len(grid.columns) for grid in found.values()) <= WIDTH
    stm = found["stm: gray-box, adaptive"]
    assert [group.title for group in stm.groups] == ["floor", "gray-box", "adaptive"]
    assert [column.title for column in stm.groups[0].columns] == [
        "clean", "identity", "equal noise 8/255", "equal noise 16/255"]
    assert [group.apart for group in stm.groups] == [False, False, True]
    assert [row.defence for row in stm.rows] == list(STRENGTH_OF)
    assert [row.role for row in stm.rows][::11] == ["none", "oracle"]
    row = next(row for row in stm.rows if row.defence == "fast PGD-AT")
    assert [item.estimate for item in row.entries[-5:]] == [
        result.cell("stm", c.strength, "fast PGD-AT", AttackerKnowledge.ADAPTIVE).performance.accuracy
        for c in view.of_attack("stm", AttackerKnowledge.ADAPTIVE)]
    assert [item.training_overlap for item in row.entries] == [False] * 4 + [True] * 10
    assert all(column.n == 300 for column in stm.columns)


def test_visibility_leaves_empty_bins_out_and_keeps_its_counts(view, result):
    style, stm = visibility_grids(view)
    assert [(column.title, column.n) for column in style.columns] == [("≥ 0.98", 210), ("0.95–0.98", 180),
                                                                      ("0.90–0.95", 320), ("0.80–0.90", 190)]
    assert [group.title for group in stm.groups] == ["oblivious", "transfer"]
    assert style.rows[0].entries[1].estimate == result.visibility[0].accuracy[1]


def test_the_worst_is_the_least_of_the_listed_and_floors_do_not_count(view, result):
    for standing in standings(view):
        for knowledge, worst in zip(AttackerKnowledge, standing.worst, strict=True):
            listed = [cell for cell in result.cells if cell.defence == standing.defence
                      and cell.condition.knowledge == knowledge and cell.condition.family.aimed]
            assert worst.cell.performance.accuracy.value == min(c.performance.accuracy.value for c in listed)
            assert worst.training_overlap == overlaps_training(result, worst.cell.condition.attack, standing.defence,
                                                  worst.cell.condition.knowledge)


def test_called_normal_is_counted_by_hand_and_silent_without_such_a_class(view, result):
    rows = result.cell("style, worst of 10", 1.0, "none").performance.confusion
    found = next(item for item in profiles(view) if (item.defence, item.title) == ("none", view.worst.title))
    assert [(item.label, item.called, item.images) for item in found.called_normal] == [
        ("Pneumonia", rows[1][0], 100), ("Pneumothorax", rows[2][0], 100)]
    nameless = ResultView(changed(result, classes=("a", "b", "c")))
    assert all(profile.called_normal == () for profile in profiles(nameless))
    assert {profile.defence for profile in profiles(view)} == {"none", "style-randomised", "oracle (style)"}


@pytest.mark.slow
def test_the_page_has_all_of_it(page, result):
    text = " ".join(Outline(page).text.split())
    missed = result.cell("clean", 0, "none").performance.confusion[2][0]
    assert f'<span class="called alarm">Pneumothorax called Normal: {missed} of 100' in page
    assert text.count("Ceiling trained on this very attack: no defence") == 2
    assert "Oracles saw an audited attack in training: no competitors" in text
    assert "of the listed" in text
    assert "picked among 10 on these same test images" in text
    assert page.count('class="training-overlap"') > 24
    assert len(re.findall(r'<table class="compact">', page)) == len(TABLE) + 1 + 2
    assert 'href="#figures"' in page


@pytest.mark.slow
def test_no_alarm_where_nobody_was_missed(result, tmp_path):
    clean = {cell.defence: cell for cell in result.cells if cell.condition.attack == "clean"}
    perfect = tuple((tuple(100 if row == column else 0 for column in range(3))) for row in range(3))
    cells = tuple(cell.model_copy(update={"performance": type(cell.performance)(
        **{**vars(cell.performance), "confusion": perfect})}) for cell in clean.values())
    page = render_report(changed(result, cells=cells), tmp_path)
    assert "called alarm" not in page


WITHOUT = {"oracles": {"oracles": ()}, "training_overlap": {"training_overlap": ()}, "costs": {"costs": {}},
           "visibility": {"visibility": ()}, "detections": {"detections": ()}, "defences": {"defences": {}}}


@pytest.fixture(scope="module")
def small(result):
    """Three defences, two attacks, two knowledge levels: what rendering costs is its figures."""
    kept = tuple(cell for cell in result.cells if cell.defence in ("none", "hgd", "oracle (style)")
                 and cell.condition.attack in ("clean", "identity", "stm", "Gatys")
                 and cell.condition.knowledge in (AttackerKnowledge.OBLIVIOUS,
                                                  AttackerKnowledge.ADAPTIVE) and cell.condition.strength != 1 / 255)
    return changed(result, cells=kept, detections=result.detections[:4], curves={})


@pytest.mark.slow
@pytest.mark.parametrize("missing", [*WITHOUT, "everything", "some cells", "the undefended"])
def test_the_page_renders_without(small, tmp_path, missing):
    update = WITHOUT.get(missing) or {key: value for part in WITHOUT.values() for key, value in part.items()}
    if missing == "some cells":
        update = {"cells": small.cells[:6] + small.cells[6::2]}
    if missing == "the undefended":
        update = {"cells": tuple(cell for cell in small.cells if cell.defence != "none")}
    Outline(render_report(changed(small, **update), tmp_path))


@pytest.mark.slow
def test_curves_are_one_an_attack_and_knowledge_with_few_lines(view):
    drawings = {drawing.name: drawing for drawing in strength_curves(view)}
    assert {"accuracy-5-stm", "accuracy-5-stm-transfer", "accuracy-5-stm-adaptive"} <= set(drawings)
    assert not [name for name in drawings if "gatys" in name]
    assert len(shown_lines(view)) == 8
    assert shown_lines(view)[0] == "none"
    assert shown_lines(view)[-1] == "oracle (style)"
    stm = drawings["accuracy-5-stm"].svg
    assert all(f">{k}/255<" in stm for k in (2, 4, 8, 16))
    assert ">ε of the attack<" in stm
    assert ">opacity of the attack<" in drawings["accuracy-2-style-microast"].svg


def test_runs_stand_side_by_side(result):
    other = changed(result, cells=tuple(c for c in result.cells if c.defence in ("none", "hgd")),
                    data=result.data.model_copy(update={"sha256": "00"}))
    (grid,) = compare({"a": result, "b": other}, attack="stm", knowledge="transfer")
    assert [group.title for group in grid.groups] == ["a", "b"]
    rows = {row.defence: row.entries for row in grid.rows}
    assert rows["hgd"][:5] == rows["hgd"][5:]
    assert rows["augmix"][5:] == (None,) * 5
    assert different_sets({"a": result, "b": other})
    assert not different_sets({"a": result, "b": result})


def test_compare_shows_recall_on_request(result):
    (grid,) = compare({"a": result}, attack="Gatys", measure="macro-recall")
    cell = result.cell("Gatys", 1.0, "hgd")
    assert next(row for row in grid.rows if row.defence == "hgd").entries[0].estimate == cell.performance.recall


@pytest.mark.parametrize(("options", "sentence"), [
    ({"attack": "stmm"}, "did you mean 'stm'"), ({"knowledge": "adaptve"}, "did you mean 'adaptive'"),
    ({"measure": "recall"}, "did you mean 'macro-recall'")])
def test_unknown_names_are_refused_with_the_nearest(result, options, sentence):
    with pytest.raises(UnknownNameError, match=sentence):
        compare({"a": result}, **options)


def test_knowledge_with_which_an_attack_was_not_run_is_refused(result):
    with pytest.raises(InputError, match="not run with knowledge 'adaptive', only on: oblivious"):
        compare({"a": result}, attack="Gatys", knowledge="adaptive")


def test_csv_has_a_line_a_cell_and_markdown_a_row_a_defence(result):
    lines = rows_of_all({"a": result}).splitlines()
    assert len(lines) == 1 + len(result.cells)
    assert len(rows_of_all({"a": result}, attack="stm").splitlines()) == 1 + 20 * 12
    text = markdown(compare({"a": result}, attack="stm", knowledge="oblivious"), "accuracy")
    assert text.count("\n| ") == 13
    assert "†" in text.splitlines()[-1]


def test_markdown_tables_tell_knowledge_apart(result):
    assert "| stm | adaptive | 8/255 |" in accuracy_table(result)
    assert "| stm | adaptive | 8/255 | hgd |" in recall_table(result)
    assert standing_table(result).count("\n| ") == 13
