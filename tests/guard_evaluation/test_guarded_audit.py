"""A model with its guard is a system of an audit: attacked, read, flagged and scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from tiny_audit import DEFENCES, NOISE, make_inputs
from tiny_audit import make_plan as make_audit_plan
from tiny_guard_evaluation import make_guard

from radversary.attacks.base import run_attack
from radversary.attacks.registry import ATTACKS
from radversary.auditing.batteries import AWARE
from radversary.auditing.guarded import Guarded
from radversary.auditing.measure import batch_of
from radversary.auditing.measurement.probes import PROBED
from radversary.auditing.packed import unpacked
from radversary.auditing.plan import AuditPlan
from radversary.auditing.result import AuditResult
from radversary.auditing.run import audit_key, run_audit
from radversary.auditing.setup import prepare_context
from radversary.auditing.setup import test_rows as rows_of
from radversary.core.errors import AccessError, UnknownNameError
from radversary.guard_evaluation.guarded import GuardedClassifier
from radversary.imaging.png import png_round_trip
from radversary.report.html import render_report
from radversary.scoring.systems import systems_of

GUARD = {"label": "guarded", "guard": "watch"}
AWARE_PGD = {"label": "aware", "name": "evasive-pgd", "strengths": [8 / 255], "options": {"steps": 4}}
PLAN = {"attacks": [NOISE, {"label": "pgd", "name": "pgd", "strengths": [8 / 255], "options": {"steps": 3}}, AWARE_PGD],
        "defences": [GUARD, DEFENCES[0]], "gallery": 0, "probe_images": 6}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    made = make_inputs(tmp_path_factory.mktemp("guarded"))
    return replace(made, guards={"watch": GuardedClassifier(make_guard(made.images))})


@pytest.fixture(scope="module")
def audited(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    run_audit(make_audit_plan(**PLAN), inputs, folder)
    return folder


@pytest.fixture(scope="module")
def table(audited):
    return pd.read_parquet(audited / "predictions.parquet")


@pytest.fixture(scope="module")
def result(audited):
    return AuditResult.load(audited / "result.json")


def rows_at(table, condition, defence):
    return table[(table["attack"] == condition.attack) & (table["strength"] == condition.strength)
                 & (table["knowledge"] == str(condition.knowledge)) & (table["defence"] == defence)]


@pytest.mark.slow
def test_alarms_are_the_guards_own(inputs, table):
    guard, rows = inputs.guards["watch"].guard, rows_of(make_audit_plan(), inputs.images)
    clean = table[(table["attack"] == "clean") & (table["defence"] == "guarded")]
    own = guard.calibrated().alarms(guard.look(inputs.images.tensor(rows)).scores)
    assert clean["flagged"].astype(bool).tolist() == own.tolist()
    noisy = ATTACKS.create("noise").at(0.1)
    (outcome,) = run_attack(noisy, inputs.classifiers["victim"], batch_of(inputs.images, rows[:5]), seed=42,
                            step="noise", strengths=[0.1])
    seen = png_round_trip(outcome.images, batch_of(inputs.images, rows[:5]).bits)
    alarms = guard.calibrated().alarms(guard.look(seen).scores)
    mine = table[(table["attack"] == "noise") & (table["defence"] == "guarded")]
    assert mine["flagged"].astype(bool).tolist()[:5] == alarms.tolist()
    assert mine["flagged"].any()
    assert table[table["defence"] != "guarded"]["flagged"].isna().all()


@pytest.mark.slow
def test_a_guard_changes_no_reading_and_its_model_is_attacked_once(table, result):
    for condition in {cell.condition for cell in result.cells}:
        guarded, alone = rows_at(table, condition, "guarded"), rows_at(table, condition, "none")
        assert guarded["predicted"].tolist() == alone["predicted"].tolist()
    assert {item.target for item in result.outcomes if item.condition.attack == "pgd"} == {"none", "jpeg"}


@pytest.mark.slow
def test_who_knows_the_guard_attacks_it_and_no_other(table, result, inputs):
    own = [cell for cell in result.cells if cell.condition.attack == "aware"]
    assert {cell.defence for cell in own} == {"none", "guarded"}
    assert {(str(cell.condition.knowledge), cell.condition.evades) for cell in own} == {("adaptive", True)}
    assert {item.target for item in result.outcomes if item.condition.attack == "aware"} == {"guarded"}
    assert not any(cell.condition.evades for cell in result.cells if cell.condition.attack != "aware")


@pytest.mark.slow
def test_the_measurement_of_a_guard_is_that_of_its_model(result):
    said = {item.sentence for item in result.measurement if item.defence == "guarded" and item.kind in PROBED}
    assert said == {"A guard changes no answer: what is found of its model, the undefended one, holds for it."}


@pytest.mark.slow
def test_cells_and_readings_count_what_passes(table, result):
    system = systems_of(result, ())["guarded"]
    assert system.guarded
    assert not systems_of(result, ())["none"].guarded
    for cell in (cell for cell in result.cells if cell.defence == "guarded"):
        rows = rows_at(table, cell.condition, "guarded")
        flagged = rows["flagged"].to_numpy(dtype=bool)
        wrong = (rows["label"] != rows["predicted"]).to_numpy()
        assert cell.alarms.flagged.value == pytest.approx(flagged.mean())
        assert cell.alarms.accepted_errors.value == pytest.approx((wrong & ~flagged).mean())
        (packed,) = [item for item in result.readings.read
                     if (item.defence, item.condition) == ("guarded", cell.condition.key)]
        assert unpacked(packed.flagged).tolist() == flagged.astype(int).tolist()
        read = next(read for read in (system.clean, *system.attacked) if read.condition == cell.condition)
        assert read.accepted.sum() == (wrong & ~flagged).sum()
    assert all(cell.alarms is None for cell in result.cells if cell.defence != "guarded")


@pytest.mark.slow
def test_the_report_says_what_the_guard_is_and_what_passed(result, audited):
    page = render_report(result, audited)
    assert "What the guards flagged" in page
    assert "guard of rough, energy, promised false alarms 20.0%" in page
    assert "guarded: wrong and accepted" in page
    assert "the guard <em>guarded</em> flags" in page
    for untrue in ("whether the attack is detected was not measured", "attacks can be detected was not assessed",
                   "compares an image with its original, which nobody has"):
        assert untrue not in page


@pytest.mark.slow
def test_the_size_of_batches_changes_no_alarm(inputs, table, tmp_path):
    run_audit(make_audit_plan(**PLAN, batch_size=11), inputs, tmp_path)
    assert pd.read_parquet(tmp_path / "predictions.parquet").equals(table)


@pytest.mark.slow
def test_another_guard_is_another_audit(inputs):
    plan = make_audit_plan(**PLAN)
    other = replace(inputs, guards={"watch": GuardedClassifier(make_guard(inputs.images, seed=0).calibrate(
        inputs.images.tensor(inputs.images.rows("train")[::2]),
        [inputs.images.patients[row] for row in inputs.images.rows("train")[::2]], alpha=0.25))})
    assert audit_key(plan, inputs) != audit_key(plan, other)


@pytest.mark.slow
def test_alarms_do_not_depend_on_the_images_beside(inputs):
    guarded = Guarded(inputs.classifiers["victim"], inputs.guards["watch"])
    images = inputs.images.tensor(np.arange(20))
    together = guarded.alarms(images)
    assert torch.equal(together, torch.cat([guarded.alarms(image[None]) for image in images]))
    assert guarded.alarms(images[:0]).shape == (0,)


@pytest.mark.slow
def test_what_does_not_fit_is_a_sentence(inputs):
    with pytest.raises(ValidationError, match="has transforms and a guard"):
        make_audit_plan(defences=[{**GUARD, "transforms": ["jpeg"]}])
    with pytest.raises(UnknownNameError, match=r"guard of defence 'guarded' 'wach'.*watch"):
        prepare_context(make_audit_plan(defences=[{**GUARD, "guard": "wach"}]), inputs)
    with pytest.raises(AccessError, match="evades detectors, but none guard model"):
        prepare_context(make_audit_plan(attacks=[AWARE_PGD]), inputs)


def test_a_battery_with_a_guard_has_the_attackers_who_know_it():
    plan = AuditPlan.model_validate({"battery": "quick", "defences": [GUARD]})
    aware = [item["label"] for item in AWARE["quick"]]
    assert [attack.label for attack in plan.attacks][-len(aware):] == aware
    assert AuditPlan.model_validate(plan.model_dump()) == plan
    assert plan.own_attacks() == ()
    for change in ({"strengths": [0.001]}, {"images": 1}, {"options": {"k": 1}}):
        weaker = [{**AWARE["quick"][0], **change}]
        with pytest.raises(ValidationError, match="attack 'aware style' is absent or another than in battery"):
            AuditPlan.model_validate({"battery": "quick", "defences": [GUARD], "attacks": weaker})
    assert not {attack.label for attack in AuditPlan(battery="quick").attacks} & set(aware)
