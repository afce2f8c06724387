"""Pages and tables of models that read findings, of goals, and of images without labels."""

from __future__ import annotations

import csv
import io
import re

import pytest
from audit_factory import audit_result
from findings_factory import (
    CLEAN,
    FINDINGS,
    HIDE,
    INVENT,
    PGD,
    STYLE,
    Readings,
    class_result,
    finding_result,
    multilabel_cells,
    one_cell,
)
from rich.console import Console
from test_report_page import Outline
from typer.testing import CliRunner

from radversary.auditing.cell_table import CellTable
from radversary.auditing.result import AuditResult
from radversary.auditing.standing import standing_of
from radversary.cli.main import app
from radversary.cli.tables import accuracy_table, findings_table
from radversary.core.types import Task
from radversary.report.compare import compare, markdown, rows_of_all
from radversary.report.finding_tables import finding_tables
from radversary.report.finding_texts import findings_csv, findings_markdown
from radversary.report.grid import grids
from radversary.report.headline import conclusion
from radversary.report.html import render_report
from radversary.report.result_view import ResultView
from radversary.report.thesis.plates import write_thesis


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("findings")


@pytest.fixture(scope="module")
def many(folder):
    return finding_result(folder)


@pytest.fixture(scope="module")
def three(folder):
    return finding_result(folder, findings=("Mass", "Nodule", "Pneumothorax"), images=1)


@pytest.fixture(scope="module")
def page(many, folder):
    return render_report(many, folder)


def words(page: str) -> str:
    return " ".join(Outline(page).text.split())


def said(result) -> str:
    return " ".join(conclusion(ResultView(result)).striptags().split())


@pytest.mark.slow
def test_the_sentence_counts_readings_of_findings(many):
    n = many.cell("clean", 0.0, "none").performance.accuracy.n
    assert f"On {n} readings whose truth is known (18 findings, 160 test images of 120 patients)" in said(many)


@pytest.mark.slow
def test_every_finding_stands_once_a_table_with_its_figures_and_counts(page, many):
    assert page.count("<details class=\"by-finding\"") == 5  # four attacks, and the headline's behind the best defence
    assert page.count("<details class=\"by-finding\" open") == 1
    table = re.search(r'<table class="compact findings.*?</table>', page, re.DOTALL).group()
    for finding in FINDINGS:
        assert table.count(f'rowspan="2">{finding}<') == 1
    clean = many.cell("clean", 0.0, "none").findings.findings[2]
    text = words(table)
    assert f"{clean.positives} / {clean.negatives} / {clean.unknown}" in text
    assert f"{clean.auroc.value:.3f}{clean.auroc.low:.3f}–{clean.auroc.high:.3f}" in text.replace(" ", "")
    flips = next(c for c in many.cells if c.condition.attack == "style" and c.defence == "none").flips
    assert f"n = {flips.hidden.n}" in text


@pytest.mark.slow
def test_a_figure_that_is_not_defined_has_its_reason_and_the_mean_its_number(page):
    table = words(re.search(r'<table class="compact findings.*?</table>', page, re.DOTALL).group())
    hernia = table[table.index("Hernia"):table.index("Lung Lesion")]
    assert hernia.count("no image with it") == 10  # five figures, clean and attacked
    assert "n = 0" in hernia
    assert "over 17" in table
    assert "over 18" in table


@pytest.mark.slow
def test_the_mean_sensitivity_is_the_same_wherever_it_stands(page, many):
    mean = many.cell("clean", 0.0, "none").findings.macro.sensitivity.mean
    assert f"Sensitivity, finding mean {100 * mean.value:.1f} % [" in words(page)
    assert many.cell("clean", 0.0, "none").performance.recall.value == pytest.approx(mean.value)


@pytest.mark.slow
def test_thresholds_of_the_card_are_said(page, folder):
    assert "0.3 to 0.64, a finding each" in words(page)
    assert "from 0.36 on" in words(page)
    few = finding_result(folder, findings=("Mass", "Nodule", "Pneumothorax"), images=0)
    assert "Mass 0.3, Nodule 0.32, Pneumothorax 0.34" in words(render_report(few, folder))


@pytest.mark.slow
def test_attacks_with_another_goal_are_named_and_not_ranked(page, many):
    text = words(page)
    assert "goal: hide Pneumothorax and Mass" in text
    assert "goal: invent Nodule, keep all others" in text
    assert ("The attack reached its goal on 61.0 % [50.0, 70.0] n = 40 of the images that were not read so when clean"
            in text)
    standing = many.standing
    assert (standing.goal, standing.headline) == ("untargeted", STYLE.key)
    assert standing.passed_over == "attacks with another goal"
    assert set(standing.defences["none"].worst.values()) == {PGD.key}
    shown = {case.goal for case in many.worst_cases}
    assert shown == {"untargeted", HIDE.goal, INVENT.goal}


@pytest.mark.slow
def test_an_attack_on_one_finding_is_shown_by_what_it_turns_of_that_finding(many):
    found = {grid.title: grid for grid in grids(ResultView(many))}
    grid = found["invent, goal: invent Nodule, keep all others: invented"]
    assert {group.title for group in grid.groups} == {"oblivious"}
    for row in grid.rows:
        cell = next(c for c in many.cells if c.condition.attack == "invent" and c.defence == row.defence)
        flips = next(item for item in cell.flips.findings if item.name == "Nodule")
        assert [entry.estimate for entry in row.entries] == [flips.invented]
    several = found["hide, goal: hide Pneumothorax and Mass"]
    assert several.figure == "accuracy"
    assert several.groups[0].title == "floor"


@pytest.mark.slow
def test_a_goal_that_an_attack_is_called_by_is_not_repeated(many):
    named = [c.model_copy(update={"condition": c.condition.model_copy(update={"attack": "invent Nodule, keep others"})})
             if c.condition.attack == "invent" else c for c in many.cells]
    view = ResultView(many.model_copy(update={"cells": tuple(named)}))
    assert "invent Nodule, keep others: invented" in {grid.title for grid in grids(view)}


@pytest.mark.slow
def test_where_nothing_is_untargeted_the_goal_of_most_images_is_ranked(many):
    cells = tuple(c for c in many.cells if c.condition.attack not in ("style", "pgd"))
    table = CellTable(cells)
    counts = {c.goal: table.count(c) for c in table.aimed}
    assert table.goal == max(counts, key=counts.get)
    found = standing_of(cells, (), classes=many.classes, oracles=(), ceilings=(), task=many.task)
    assert (found.goal, found.headline) == (INVENT.goal, INVENT.key)


@pytest.mark.slow
def test_missed_findings_are_the_positives_read_as_absent():
    readings = Readings(("Mass", "Nodule", "Pneumothorax"))
    cells = multilabel_cells(readings, labelled=True)
    missed = standing_of(cells, (), classes=readings.findings, oracles=(), ceilings=(),
                         task=Task.MULTILABEL).defences["none"].missed["clean@0"]
    read, truth = readings.scores(0.0) >= 0.5, readings.truth == 1
    assert [(m.label, m.called, m.images) for m in missed.classes] == [
        (name, int((truth & ~read)[:, place].sum()), int(truth[:, place].sum()))
        for place, name in enumerate(readings.findings)]
    assert missed.called == sum(m.called for m in missed.classes)


@pytest.mark.slow
def test_a_multilabel_class_called_normal_is_a_finding_like_any_other(folder):
    made = finding_result(folder, findings=("No Finding", "Nodule", "Mass"), images=0)
    assert made.standing.normal is None
    assert "called No Finding" not in words(render_report(made, folder))


@pytest.mark.slow
def test_a_binary_page_names_the_finding_and_its_threshold(folder):
    made = class_result(folder, names=("clear", "Pneumothorax"), task=Task.BINARY)
    assert made.standing.normal == "clear"  # whatever its name: the first class of a binary task
    text = words(render_report(made, folder))
    assert "the classifier, which reads Pneumothorax from a probability of 0.2 on," in text
    assert "Pneumothoraxfrom 0.2 on" in text.replace("Pneumothorax from", "Pneumothoraxfrom")
    assert "Diseased called clear" in text
    (table, *_) = finding_tables(ResultView(made))
    assert [row.name for row in table.rows] == ["Pneumothorax"]
    assert table.mean is None


@pytest.mark.slow
def test_classes_have_tables_against_the_rest_in_place_of_the_old_one(folder, tmp_path):
    made = class_result(folder)
    text = words(render_report(made, folder))
    assert "Each class against the rest" in text
    assert "The same as a table" not in text
    old = audit_result(tmp_path, images=0)
    assert "The same as a table" in words(render_report(old, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["multilabel", "multiclass"])
def test_without_labels_nothing_is_called_accurate_or_right(folder, kind):
    made = finding_result(folder, labelled=False) if kind == "multilabel" else class_result(folder, labelled=False)
    made = made.model_copy(update={"data": made.data.model_copy(update={"warnings": ()})})
    page = render_report(made, folder)
    text = words(re.sub(r'<section id="regulatory".*?</section>', "", page, flags=re.DOTALL))  # quotes the law
    assert text.index("No image had a label.") < text.index("Before, after, defended")
    assert "none of which has a label, style at opacity 0.5 leaves" in said(made)
    body = text
    for allowed in ("not accuracy.", "None says how often a reading is right.", "not corrected for the number",
                    "not how right."):
        body = body.replace(allowed, "")
    assert not re.search(r"accura|\bright|correct|Recall|Precision|AUROC|Diseased|missed|True class", body)
    headings = re.findall(r"<h3>((?:Where each|Stability|What each attack|All readings|Changes)[^<]*)</h3>\s*(<p class="
                          r'"unlabelled">)?', page)
    assert len(headings) > 2
    assert all(note for _, note in headings), headings


@pytest.mark.slow
def test_text_tables_speak_of_stability_too(folder):
    made = class_result(folder, labelled=False, images=0)
    assert str(accuracy_table(made).title).startswith("Stability, %")
    table = markdown(compare({"a": made}), "accuracy")
    assert "style, oblivious: stability by opacity" in table
    assert "accuracy" not in table


@pytest.mark.slow
def test_the_csv_holds_every_defined_figure_of_every_cell(three):
    rows = list(csv.DictReader(io.StringIO(findings_csv(three))))
    cell = next(c for c in three.cells if c.condition.attack == "hide" and c.defence == "jpeg-75")
    own = [row for row in rows if row["attack"] == "hide" and row["defence"] == "jpeg-75"]
    assert {row["goal"] for row in own} == {"hide Pneumothorax|Mass"}
    for item in cell.findings.findings:
        for key in ("auroc", "average_precision", "sensitivity", "specificity", "precision", "f1", "brier",
                    "calibration_error"):
            found, = (row for row in own if (row["finding"], row["figure"]) == (item.name, key))
            figure = getattr(item, key)
            assert (float(found["value"]), float(found["low"]), int(found["n"])) == (figure.value, figure.low, figure.n)
    hidden, = (row for row in own if (row["finding"], row["figure"]) == ("all", "hidden"))
    assert float(hidden["value"]) == cell.flips.hidden.value
    mean, = (row for row in own if (row["finding"], row["figure"]) == ("mean", "auroc"))
    assert float(mean["value"]) == cell.findings.macro.auroc.mean.value


@pytest.mark.slow
def test_markdown_and_terminal_hold_each_finding(three):
    text = findings_markdown(three)
    assert text.count("| Nodule |") == 5
    assert "Findings under hide, ε 4/255, goal: hide Pneumothorax and Mass" in text
    assert [str(column.header) for column in findings_table(three).columns][-2:] == ["Hidden, %", "Invented, %"]
    assert "readings of 3 findings" in str(accuracy_table(three).title)
    console = Console(width=80, file=io.StringIO())
    console.print(findings_table(three))
    written = console.file.getvalue()
    assert max(map(len, written.splitlines())) <= 80
    assert all(name in written for name in ("Pneumothorax", "attacked", "Invented"))


@pytest.mark.slow
def test_runs_are_compared_by_what_attacks_hid_and_invented(three, many):
    grids = compare({"a": three, "b": many}, attack="hide", measure="hidden")
    text = markdown(grids, "hidden")
    hidden = next(c for c in three.cells if c.condition.attack == "hide" and c.defence == "none").flips.hidden
    assert f"{100 * hidden.value:.1f} [{100 * hidden.low:.1f}, {100 * hidden.high:.1f}] (n={hidden.n})" in text
    assert "hide, oblivious, goal: hide Pneumothorax and Mass: hidden" in text
    rows = list(csv.DictReader(io.StringIO(rows_of_all({"a": three}, measure="invented"))))
    assert {row["attack"] for row in rows} == {"identity", "style", "pgd", "hide", "invent"}
    assert {row["goal"] for row in rows if row["attack"] == "invent"} == {"invent Nodule keep"}


@pytest.mark.slow
def test_commands_print_them(three, tmp_path):
    three.save(tmp_path / "result.json")
    for command in (["compare", str(tmp_path)], ["report", str(tmp_path), "--format", "markdown"],
                    ["report", str(tmp_path), "--format", "csv"],
                    ["compare", str(tmp_path), "--measure", "success", "--format", "csv"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, (command, done.output)
        assert "hide Pneumothorax" in " ".join(done.output.replace("│", " ").split()), command
    assert AuditResult.load(tmp_path / "result.json") == three


MISSING = {"findings": {"findings": None}, "flips": {"flips": None}, "both": {"findings": None, "flips": None}}


@pytest.mark.slow
@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("kind", ["multilabel", "binary", "own readings"])
def test_it_renders_with_every_optional_part_missing(folder, kind, missing):
    made = {"multilabel": lambda: finding_result(folder, findings=("Mass", "Nodule"), images=0),
            "binary": lambda: class_result(folder, names=("Normal", "Sick"), task=Task.BINARY, images=0),
            "own readings": lambda: class_result(folder, labelled=False, images=0)}[kind]()
    cells = tuple(cell.model_copy(update=MISSING[missing]) for cell in made.cells)
    data = made.data.model_copy(update={"images": {}, "counts": {}, "floors": {}})
    bare = made.model_copy(update={"cells": cells, "outcomes": (), "worst_cases": (), "thresholds": (), "data": data})
    Outline(render_report(bare, folder))
    clean = bare.model_copy(update={"cells": tuple(c for c in cells if c.condition == CLEAN)}).with_standing()
    Outline(render_report(clean, folder))
    assert findings_csv(bare).startswith("attack,strength")


@pytest.mark.slow
def test_labels_alone_give_no_area_and_say_so(three, folder):
    cells = []
    for cell in three.cells:
        found = tuple(type(item)(**{**vars(item), "auroc": None, "average_precision": None, "brier": None,
                                    "calibration_error": None}) for item in cell.findings.findings)
        cells.append(cell.model_copy(update={"findings": type(cell.findings)(found, cell.findings.macro)}))
    page = words(render_report(three.model_copy(update={"cells": tuple(cells)}), folder))
    assert "no probabilities" in page


@pytest.mark.slow
def test_intervals_by_image_are_said_to_be_too_narrow(three, folder):
    data = three.data.model_copy(update={"patients_known": False})
    unknown = three.model_copy(update={"data": data})
    page = words(render_report(unknown, folder))
    assert "intervals over images, since not all patients are known: too narrow" in page
    assert "of 120 patients" not in said(unknown)
    assert "of 120 patients" in said(three)


@pytest.mark.slow
def test_the_gallery_names_findings_that_are_read_wrongly(page):
    text = words(page)
    assert "Shows: Atelectasis, Consolidation" in text
    assert "wrong: Atelectasis, Consolidation" in text


@pytest.mark.slow
def test_the_thesis_figures_can_be_drawn_of_any_task(folder, three, tmp_path):
    for made in (three, class_result(folder, labelled=False, images=0)):
        made.save(tmp_path / "result.json")
        write_thesis(tmp_path, tmp_path / "figures")
        assert (tmp_path / "figures" / "figure-26-baseline-confusion.svg").is_file()


def test_one_cell_of_the_factory_counts_what_is_known():
    readings = Readings(("Mass",))
    scores = readings.scores(0.0)
    cell = one_cell(CLEAN, "none", readings.truth, scores, scores, scores, ("Mass",), readings.patients)
    assert cell.performance.accuracy.n == int((readings.truth != -1).sum())
