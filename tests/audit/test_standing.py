"""Where defences stand is decided once, by the audit, and stored; a report looks it up."""

from __future__ import annotations

import json

import pytest
from audit_factory import audit_result, changed, table_result

from radversary.auditing.result import AuditResult
from radversary.auditing.standing import Standing, normal_class, right_before
from radversary.core.types import AttackerKnowledge
from radversary.report.result_view import ResultView

WORST = "style, worst of 10@1"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return table_result(tmp_path_factory.mktemp("standing"), images=0)


def accuracies(result, key):
    return {cell.defence: cell.performance.accuracy.value for cell in result.cells if cell.condition.key == key}


@pytest.mark.slow
def test_the_headline_and_the_ranking_follow_from_the_figures(result):
    found = result.standing
    assert (found.headline, found.passed_over, found.oracle, found.normal) == (WORST, "", "oracle (style)", "Normal")
    known = accuracies(result, WORST)
    assert list(found.ranking) == sorted((name for name in known if name not in ("none", "oracle (style)")),
                                         key=lambda name: -known[name])
    undefended = next(c for c in result.cells if c.condition.key == WORST and c.defence == "none")
    assert found.before == right_before(undefended)


@pytest.mark.slow
def test_the_worst_of_each_attacker_is_the_least_aimed_figure(result):
    for defence, standing in result.standing.defences.items():
        for knowledge in AttackerKnowledge:
            listed = {c.condition.key: c.performance.accuracy.value for c in result.cells if c.defence == defence
                      and c.condition.knowledge == knowledge and c.condition.family.aimed}
            assert listed[standing.worst[knowledge]] == min(listed.values())
        assert standing.worst_of_all in standing.worst.values()
        assert standing.identity_equal


@pytest.mark.slow
def test_who_was_called_normal_is_counted_by_hand(result):
    cell = next(c for c in result.cells if c.condition.key == WORST and c.defence == "hgd")
    rows, found = cell.performance.confusion, result.standing.defences["hgd"].missed
    assert set(found) == {"clean@0", WORST, result.standing.defences["hgd"].worst_of_all}
    assert [(item.label, item.called, item.images) for item in found[WORST].classes] == [
        ("Pneumonia", rows[1][0], 100), ("Pneumothorax", rows[2][0], 100)]
    assert (found[WORST].called, found[WORST].images) == (rows[1][0] + rows[2][0], 200)
    nameless = changed(result, classes=("a", "b", "c")).standing
    assert nameless.normal is None
    assert not any(standing.missed for standing in nameless.defences.values())


@pytest.mark.parametrize(("classes", "name"), [
    (("Pneumonia", "No_Finding"), "No_Finding"), (("NORMAL", "x"), "NORMAL"), (("a", "b"), None)])
def test_the_class_without_disease_is_known_by_name(classes, name):
    assert normal_class(classes) == name


def test_the_best_detector_is_that_with_most_alarms_less_false_ones(tmp_path):
    made = audit_result(tmp_path, images=0)
    found = {item.detector: item.alarms.value - item.false_alarms.value for item in made.detections
             if item.condition.key == made.standing.headline}
    assert made.standing.detector == max(found, key=found.get)
    assert ResultView(made).best_detection.detector == made.standing.detector
    assert changed(made, detections=()).standing.detector is None


@pytest.mark.slow
def test_a_report_looks_up_what_is_stored(result):
    other = result.model_copy(update={"standing": Standing(
        headline="stm@0.0313725", ranking=("augmix", "hgd"), passed_over="some", normal="Pneumonia")})
    view = ResultView(other)
    assert (view.worst.key, view.best_defence, view.normal) == ("stm@0.0313725", "augmix", 1)
    assert view.leading(1) == ("augmix",)
    assert (view.best_detection, view.identity_checks, view.missed(result.cells[0])) == (None, (), None)


def test_a_result_of_an_earlier_version_gets_its_standing_when_it_is_read(tmp_path):
    made = audit_result(tmp_path, images=0, attacks=("fourier",))
    content = json.loads(made.model_dump_json())
    content.pop("standing")
    (tmp_path / "old.json").write_text(json.dumps(
        {**content, "schema_version": 2, "defences": {name: item["description"]
                                                      for name, item in content["defences"].items()}}))
    assert AuditResult.load(tmp_path / "old.json").standing == made.standing
    stored = made.model_copy(update={"standing": Standing(passed_over="as it was stored")})
    assert AuditResult.load(stored.save(tmp_path / "result.json")).standing == stored.standing
