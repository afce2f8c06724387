from __future__ import annotations

import pytest
import yaml
from tiny_audit import NOISE, STYLE, files_in, make_plan, with_models

from radversary.audit.plan import AuditPlan
from radversary.audit.plan_files import Part, parse_plan, plan_text, read_plan
from radversary.audit.result import AuditResult
from radversary.audit.run import run_audit
from radversary.core.errors import DataError, ModelError, PlanError, RadversaryError, UnknownNameError
from random_parts import tiny_classifier


def plan_of(**changes):
    return {"attacks": [STYLE], **changes}


@pytest.mark.parametrize(("content", "kind", "words"), [
    (plan_of(atacks=[]), UnknownNameError, "unknown key in test 'atacks'; did you mean 'attacks'"),
    (plan_of(attacks=[{**STYLE, "strenghts": [1]}]), UnknownNameError, "'strenghts'; did you mean 'strengths'"),
    (plan_of(defences=[{"label": "x", "transforms": [{"name": "jpeg", "option": {}}]}]), UnknownNameError,
     "'option'; did you mean 'options'"),
    ({}, PlanError, "attacks: field required"),
    (plan_of(attacks=[]), PlanError, "attacks: .*at least 1 item"),
    (plan_of(attacks=[STYLE, STYLE]), PlanError, "attack label 'style' is used twice"),
    (plan_of(attacks=[{**STYLE, "label": "clean"}]), PlanError, "'clean' is used twice or reserved"),
    (plan_of(attacks=[{**STYLE, "label": "identity"}]), PlanError, "'identity' is used twice or reserved"),
    (plan_of(attacks=[{**STYLE, "strengths": [0.5, 0.5]}]), PlanError, "lists a strength twice"),
    (plan_of(attacks=[{**STYLE, "strengths": [float("nan")]}]), PlanError, "finite number"),
    (plan_of(attacks=[{**STYLE, "strengths": []}]), PlanError, "strengths"),
    (plan_of(defences=[{"label": "none", "model": "x"}]), PlanError, "'none' is used twice or reserved"),
    (plan_of(defences=[{"label": "x"}]), PlanError, "'x' has neither transforms nor a model"),
    (plan_of(bootstrap=3), PlanError, r"bootstrap: .*100 \(got 3\)"),
    (plan_of(false_alarms=1.5), PlanError, "false_alarms"),
    (plan_of(batch_size=0), PlanError, "batch_size"),
    (plan_of(limit=0), PlanError, "limit"),
    (plan_of(seed="soon"), PlanError, r"seed: .*\(got 'soon'\)"),
    (["attacks"], PlanError, "must hold keys and values, got list"),
    (None, PlanError, "must hold keys and values, got NoneType"),
])
def test_a_plan_that_contradicts_itself_is_one_sentence(content, kind, words):
    with pytest.raises(kind, match=words) as caught:
        parse_plan(AuditPlan, content, source="test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("attack", "kind", "words"), [
    ({**STYLE, "name": "stlye-transfer"}, UnknownNameError, "unknown attack 'stlye-transfer'; did you mean"),
    ({**STYLE, "strengths": [1.5]}, PlanError, r"opacity must lie in \[0, 1\], got 1.5"),
    ({**STYLE, "options": {"opactiy": 1}}, UnknownNameError, "did you mean 'opacity'"),
    ({**STYLE, "options": {"generator": "adian"}}, UnknownNameError, "did you mean 'adain'"),
    ({**STYLE, "options": {"styles": "tset"}}, UnknownNameError, "did you mean 'test'"),
    ({**STYLE, "options": {"styles": "."}, }, DataError, "holds no readable image"),
])
def test_an_attack_that_cannot_be_built_stops_the_audit_before_it_begins(subject, tmp_path, monkeypatch, attack, kind,
                                                                         words):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(kind, match=words):
        run_audit(make_plan(attacks=[attack]), subject, tmp_path / "run")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(("defence", "kind", "words"), [
    ({"label": "x", "model": "victm"}, UnknownNameError, "model of defence 'x' 'victm'; did you mean 'victim'"),
    ({"label": "x", "transforms": [{"name": "jpg"}]}, UnknownNameError, "did you mean 'jpeg'"),
    ({"label": "x", "transforms": [{"name": "jpeg", "options": {"quality": 500}}]}, PlanError, r"1\.\.100"),
])
def test_likewise_a_defence(subject, tmp_path, defence, kind, words):
    with pytest.raises(kind, match=words):
        run_audit(make_plan(defences=[defence]), subject, tmp_path / "run")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("who", ["victim", "other"])
@pytest.mark.parametrize(("classes", "words"), [(("a", "b"), "knows 2 classes .* the data has 3"),
                                                (("Pneumonia", "Normal", "Pneumothorax"), "class order of model"),
                                                (("a", "b", "c"), "class names of model")])
def test_a_model_of_other_classes_is_refused(subject, tmp_path, who, classes, words):
    with pytest.raises(ModelError, match=words):
        run_audit(make_plan(), with_models(subject, **{who: tiny_classifier(classes, 48)}), tmp_path / "run")
    assert files_in(tmp_path) == []


def test_a_plan_survives_yaml():
    plan = make_plan()
    assert parse_plan(AuditPlan, yaml.safe_load(plan_text(plan)), source="test") == plan


def test_options_may_have_any_key():
    assert parse_plan(Part, {"name": "x", "options": {"any": 1}}, source="test").options == {"any": 1}


@pytest.mark.parametrize("content", [b"attacks: [", b"\xff\xfe\x00", b"a: b: c", b""])
def test_a_file_that_is_no_plan_is_one_sentence(tmp_path, content):
    path = tmp_path / "plan.yaml"
    path.write_bytes(content)
    with pytest.raises(PlanError, match=r"plan\.yaml") as caught:
        read_plan(AuditPlan, path)
    assert "\n" not in str(caught.value)


def test_a_plan_that_is_not_there_is_one_sentence(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(PlanError, match="cannot read plan"):
            read_plan(AuditPlan, path)


@pytest.mark.parametrize("content", ["", "{", "{}", '{"name": 1}', "[]"])
def test_a_damaged_result_is_one_sentence(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(RadversaryError, match=r"result\.json") as caught:
        AuditResult.load(tmp_path / "result.json")
    assert "\n" not in str(caught.value)


def test_noise_is_a_plan_too():
    assert repr(make_plan(attacks=[NOISE]).attacks[0].build()) == "Noise(deviation=0.05)"
