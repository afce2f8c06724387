"""Subgroups and transitions are what a count of the readings gives."""

from __future__ import annotations

import numpy as np
import pytest
from audit_factory import audit_result
from findings_factory import finding_result
from readings_factory import PLAN, with_readings
from tiny_audit import make_inputs, make_plan

from radversary.auditing.packed import known_labels, unpacked
from radversary.auditing.result import AuditResult
from radversary.auditing.run import from_readings, run_audit
from radversary.auditing.subgroups import Subgroups
from radversary.metrics.classification import proportion
from radversary.metrics.multiple import holm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return with_readings(audit_result(tmp_path_factory.mktemp("run"), images=0))


def arrays(result, key, defence):
    read = next(item for item in result.readings.read if (item.condition, item.defence) == (key, defence))
    return known_labels(result.readings), unpacked(read.read).reshape(result.readings.images, -1)


def values_of(result, name):
    known = result.readings.characteristics[name]
    return np.array(known.values)[unpacked(known.of)]


def test_figures_are_those_of_a_count(result):
    own = values_of(result, "sex") == "F"
    patients = unpacked(result.readings.patients)
    table = next(table for table in result.subgroups.tables if table.name == "sex")
    assert [value.value for value in table.values] == ["F", "M"]
    assert table.unknown == 12
    women = table.values[0]
    assert (women.images, women.patients) == (int(own.sum()), len(set(patients[own].tolist())))
    for moment, key in (("clean", "clean@0"), ("attacked", result.standing.headline)):
        truth, read = arrays(result, key, "jpeg-75")
        found = women.figure("jpeg-75", moment).accuracy
        right = (truth == read)[own, 0]
        assert (found.value, found.n) == (pytest.approx(right.mean()), int(own.sum()))
        near = proportion(right, patients=[str(item) for item in patients[own]], draws=2000)
        assert (found.low, found.high) == pytest.approx((near.low, near.high), abs=0.08)


def test_the_worst_case_withstands_every_aimed_attack(result):
    right = np.logical_and.reduce([
        np.equal(*arrays(result, cell.condition.key, "none"))[:, 0] for cell in result.cells
        if cell.defence == "none" and cell.condition.family.aimed])
    table = next(table for table in result.subgroups.tables if table.name == "sex")
    men = table.values[1].figure("none", "worst").accuracy
    assert men.value == pytest.approx(right[values_of(result, "sex") == "M"].mean())


def test_a_value_with_few_images_has_no_figure(result):
    view = next(table for table in result.subgroups.tables if table.name == "view")
    few = next(value for value in view.values if value.value == "LATERAL")
    assert few.images == 9
    assert {item.accuracy for item in few.figures} == {None}
    assert {item.images for item in few.figures} == {9}
    assert {name for test in result.subgroups.tests_of("view") for name in (test.best, test.worst)} == {"AP", "PA"}


def test_a_planted_difference_is_found_and_no_other(result):
    tests = result.subgroups.tests
    assert [test.adjusted for test in tests] == list(holm([test.p_value for test in tests]))
    assert all(test.differs == (test.adjusted <= 0.05) for test in tests)
    assert all(test.differs for test in tests if (test.characteristic, test.moment) == ("sex", "clean"))
    assert not any(test.differs for test in tests if test.characteristic == "view")
    own = result.subgroups.tests_of("sex")
    planted = next(test for test in own if (test.moment, test.defence) == ("clean", "none"))
    assert (planted.best, planted.worst) == ("M", "F")
    assert planted.gap.low > 0


def test_it_is_repeated_with_the_same_bytes_and_survives_the_file(result, tmp_path):
    again = from_readings(result, PLAN)
    assert again.subgroups == result.subgroups
    assert again.transitions == result.transitions
    assert AuditResult.load(result.save(tmp_path / "result.json")) == result


def test_readings_of_findings_are_counted_one_by_one(tmp_path):
    made = finding_result(tmp_path)
    found = with_readings(made, findings=len(made.classes))
    own = values_of(found, "sex") == "M"
    truth, read = arrays(found, "clean@0", "none")
    table = next(table for table in found.subgroups.tables if table.name == "sex")
    accuracy = table.values[1].figure("none", "clean").accuracy
    assert accuracy.value == pytest.approx((truth == read)[own].mean())
    assert accuracy.n == own.sum() * len(made.classes)
    assert found.transitions == ()


def test_what_is_right_by_definition_is_not_tested(result):
    found = from_readings(result.model_copy(update={"labels": "own readings"}), PLAN).subgroups.tests
    assert ("clean", "none") not in {(test.moment, test.defence) for test in found}
    assert ("clean", "jpeg-75") in {(test.moment, test.defence) for test in found}


def test_transitions_are_those_of_a_count(result):
    strongest = {cell.condition.attack: cell.condition.key for cell in result.cells if cell.condition.family.aimed}
    tables = {(table.condition, table.defence): table for table in result.transitions}
    assert {key for key, _ in tables} == {result.standing.headline, *strongest.values()}
    assert result.transitions[0].condition == result.standing.headline
    for (key, defence), table in tables.items():
        truth, clean = arrays(result, "clean@0", defence)
        now = arrays(result, key, defence)[1]
        counts = np.zeros((3, 3), int)
        for there, before, after in zip(truth[:, 0], clean[:, 0], now[:, 0], strict=True):
            counts[there, after] += there == before
        assert table.counts == tuple(map(tuple, counts.tolist()))
        shares = [item.share.value for item in table.transitions]
        assert shares == sorted(shares, reverse=True)
        assert sum(item.images for item in table.transitions) == counts.sum() - np.trace(counts)


def test_an_audit_stores_them(tmp_path):
    run_audit(make_plan(gallery=0), make_inputs(tmp_path / "inputs"), tmp_path / "run")
    found = AuditResult.load(tmp_path / "run" / "result.json")
    assert "sex" in {table.name for table in found.subgroups.tables}
    assert found.subgroups.attacked == found.standing.headline
    assert found.subgroups.tests == ()  # no value has thirty images
    assert {table.defence for table in found.transitions} == {"none", "jpeg", "other"}


def test_a_result_without_readings_has_neither(result):
    bare = from_readings(result.model_copy(update={"readings": None}), PLAN)
    assert bare.subgroups == Subgroups()
    assert bare.transitions == ()
