"""A guard is evaluated with a battery, and with the attacks of its name that know the detectors."""

from __future__ import annotations

from types import MappingProxyType

import pytest
import yaml
from tiny_guard_evaluation import NOISE, make_guard, make_images, make_plan

from radversary.auditing import batteries
from radversary.auditing.batteries import AWARE, BATTERIES, entries
from radversary.core.errors import PlanError
from radversary.core.types import Access, AttackerKnowledge
from radversary.guard_evaluation.plan import GuardEvaluationPlan, knowledge_of
from radversary.guard_evaluation.run import evaluate_guard
from radversary.guard_evaluation.setup import prepare_guard_evaluation
from radversary.storage.plans import parse_plan, plan_text


def plan_of(**keys):
    return parse_plan(GuardEvaluationPlan, {"bootstrap": 100, "gallery": 0, **keys}, source="the plan")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("name", BATTERIES)
def test_a_guard_s_battery_ends_with_attackers_who_know_the_detectors(name):
    plan = plan_of(battery=name, attacks=[NOISE | {"label": "own"}])
    assert [attack.label for attack in plan.attacks] == [
        *(item["label"] for item in (*entries(name), *AWARE[name])), "own"]
    assert [attack.label for attack in plan.own_attacks()] == ["own"]
    aware = {attack.name for attack in plan.attacks if knowledge_of(attack) == AttackerKnowledge.ADAPTIVE}
    assert {"evasive-style", "evasive-pgd"} <= aware
    assert name == "quick" or "evasive-features" in aware
    assert parse_plan(GuardEvaluationPlan, yaml.safe_load(plan_text(plan)), source="plan.yaml") == plan


def test_a_battery_without_one_of_them_is_no_battery():
    keys = yaml.safe_load(plan_text(plan_of(battery="quick")))
    keys["attacks"] = [item for item in keys["attacks"] if item["label"] != "aware pgd"]
    with pytest.raises(PlanError, match="attack 'aware pgd' is absent or another than in battery-"):
        plan_of(**keys)


@pytest.mark.slow
def test_what_the_victim_does_not_show_is_left_out_and_said(images):
    guard, plan = make_guard(images), plan_of(battery="standard")
    guard.classifier.access = Access.SCORES
    context = prepare_guard_evaluation(plan, guard, images)
    assert "aware style" in context.attacks
    assert not {"aware pgd", "aware features", "auto-attack"} & context.attacks.keys()
    assert "aware features needs gradients" in context.not_run[0]


@pytest.mark.slow
def test_features_are_asked_of_a_model_that_shows_them_alone(images, monkeypatch):
    monkeypatch.setattr("radversary.auditing.fitting.shows_features", lambda model: False)
    context = prepare_guard_evaluation(plan_of(battery="standard"), make_guard(images), images)
    assert "aware pgd" in context.attacks
    assert "aware features" not in context.attacks
    assert "aware features needs features" in context.not_run[0]


@pytest.mark.slow
def test_it_is_measured_and_what_was_left_out_is_a_warning(images, tmp_path, monkeypatch):
    few = {"quick": lambda: iter([batteries.entry("apgd", "apgd", (0.5 / 255, 4 / 255), images=6,
                                                  options={"steps": 3})])}
    aware = {"quick": (batteries.entry("aware pgd", "evasive-pgd", (4 / 255,), images=6, options={"steps": 3}),)}
    monkeypatch.setattr(batteries, "BATTERIES", MappingProxyType(few))
    monkeypatch.setattr("radversary.guard_evaluation.plan.AWARE", MappingProxyType(aware))
    result = evaluate_guard(make_plan(battery="quick", attacks=[], gallery=0), make_guard(images), images, tmp_path)
    assert [(row.condition.attack, str(row.condition.knowledge)) for row in result.rows] == [
        ("apgd", "oblivious"), ("aware pgd", "adaptive")]
    assert any(said.startswith("Of battery-") and "apgd at 0.5/255." in said for said in result.warnings)
