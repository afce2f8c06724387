"""Batteries: whole in the plan that is kept, of one version, less what a model or its images leave no room for."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from tiny_audit import make_inputs

from radversary.attacks.registry import ATTACKS
from radversary.auditing.batteries import BATTERIES, LINF, entries, named
from radversary.auditing.fitting import fitted
from radversary.auditing.plan import AuditPlan
from radversary.auditing.setup import prepare_context
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import Access, AttackFamily
from radversary.storage.plans import parse_plan, plan_text

OWN = {"label": "own", "name": "fgsm"}


def plan_of(**keys) -> AuditPlan:
    return parse_plan(AuditPlan, keys, source="the plan")


@pytest.mark.parametrize("name", BATTERIES)
def test_every_attack_can_be_built_at_every_strength(name):
    plan = plan_of(battery=name)
    assert all(attack.steps() and attack.known() for attack in plan.attacks)
    assert len({attack.label for attack in plan.attacks}) == len(plan.attacks)


def test_full_holds_standard_and_every_family_that_needs_no_surrogate_or_detector():
    labels = {name: [item["label"] for item in entries(name)] for name in BATTERIES}
    assert labels["full"][:len(labels["standard"])] == labels["standard"]
    families = {ATTACKS.create(item["name"], **item.get("options", {})).family for item in entries("full")}
    assert families == set(AttackFamily) - {AttackFamily.CONTROL, AttackFamily.TRANSFER}
    assert all(item["strengths"] == LINF for item in entries("standard") if item["label"] == "auto-attack")


def test_a_battery_is_written_out_whole_and_read_as_it_was_written():
    plan = plan_of(battery="quick", attacks=[OWN])
    assert plan.battery == "battery-2026.1/quick"
    assert [attack.label for attack in plan.attacks] == [*(item["label"] for item in entries("quick")), "own"]
    assert parse_plan(AuditPlan, yaml.safe_load(plan_text(plan)), source="plan.yaml") == plan


def test_a_battery_may_be_named_with_its_version():
    assert plan_of(battery="battery-2026.1/quick") == plan_of(battery="quick")


def test_what_was_changed_is_no_battery():
    keys = yaml.safe_load(plan_text(plan_of(battery="quick")))
    keys["attacks"][1]["images"] = 3
    with pytest.raises(PlanError, match=r"attack 'worst of 10 styles' is absent or another than in battery-2026\.1/"):
        plan_of(**keys)


@pytest.mark.parametrize(("given", "said"), [
    ("quik", "unknown battery 'quik'; did you mean 'quick'"),
    ("battery-2025.9/quick", "unknown battery version 'battery-2025.9'; did you mean 'battery-2026.1'")])
def test_an_unknown_battery_is_one_sentence(given, said):
    with pytest.raises(UnknownNameError, match=said):
        plan_of(battery=given) if "/" not in given else named(given)


def test_a_label_of_a_battery_is_taken():
    with pytest.raises(PlanError, match="attack label 'noise' is used twice"):
        plan_of(battery="quick", attacks=[{"label": "noise", "name": "noise"}])


@pytest.mark.slow
def test_what_a_model_or_its_images_leave_no_room_for_is_left_out_and_said(tmp_path):
    inputs = make_inputs(tmp_path)
    victim, images = inputs.classifiers["victim"], inputs.images
    rows = images.rows("test")
    plan = plan_of(battery="quick", attacks=[OWN])
    whole, notes = fitted(plan, victim, images, rows)
    faint = [attack.label for attack in plan.attacks if attack.label == "apgd"] if images.bits.min() == 8 else []
    assert [attack.label for attack in whole.attacks] == [attack.label for attack in plan.attacks]
    assert len(notes) == len(faint)
    if faint:
        assert "below one grey level of the stored images and were left out: apgd at 0.5/255" in notes[0]
    victim.access = Access.SCORES
    kept, said = fitted(plan, victim, images, rows)
    assert {attack.label for attack in plan.attacks} - {attack.label for attack in kept.attacks} == {"apgd"}
    assert "gives scores alone, so attacks of battery-2026.1/quick were left out: apgd needs gradients" in said[0]


def test_a_plan_without_a_battery_is_left_as_it_is():
    plan = plan_of(attacks=[OWN])
    assert fitted(plan, None, None, np.arange(0)) == (plan, ())


@pytest.mark.slow
def test_a_defence_whose_model_shows_too_little_is_left_out_of_what_needs_more(tmp_path):
    inputs = make_inputs(tmp_path)
    inputs.classifiers["other"].access = Access.SCORES
    defences = [{"label": "other", "model": "other"}, {"label": "j", "transforms": ["jpeg"]}]
    plan = plan_of(battery="quick", defences=defences)
    models = inputs.classifiers
    kept, said = fitted(plan, models["victim"], inputs.images, inputs.images.rows("test"),
                        {"other": models["other"], "j": models["victim"]})
    defences = {attack.label: attack.defences for attack in kept.attacks}
    assert (defences["apgd"], defences["square"]) == (("j",), None)
    assert any("too little, so that these were left out: apgd on other" in sentence for sentence in said)
    prepare_context(plan, inputs)
