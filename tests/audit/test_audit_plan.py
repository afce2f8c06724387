from __future__ import annotations

import pytest
import yaml
from tiny_audit import NOISE, STYLE, files_in, make_plan, with_models

from radversary.auditing.plan import AuditPlan
from radversary.auditing.result import AuditResult
from radversary.auditing.run import run_audit
from radversary.core.errors import DataError, ModelError, PlanError, RadversaryError, UnknownNameError
from radversary.storage.plans import Part, parse_plan, plan_text, read_plan
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


@pytest.mark.slow
@pytest.mark.parametrize(("attack", "kind", "words"), [
    ({**STYLE, "name": "stlye-transfer"}, UnknownNameError, "unknown attack 'stlye-transfer'; did you mean"),
    ({**STYLE, "strengths": [1.5]}, PlanError, r"opacity must lie in \[0, 1\], got 1.5"),
    ({**STYLE, "options": {"opactiy": 1}}, UnknownNameError, "did you mean 'opacity'"),
    ({**STYLE, "options": {"generator": "adian"}}, UnknownNameError, "did you mean 'adain'"),
    ({**STYLE, "options": {"styles": "tset"}}, UnknownNameError, "did you mean 'test'"),
    ({**STYLE, "options": {"styles": "."}, }, DataError, "holds no readable image"),
])
def test_an_attack_that_cannot_be_built_stops_the_audit_before_it_begins(inputs, tmp_path, monkeypatch, attack, kind,
                                                                         words):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(kind, match=words):
        run_audit(make_plan(attacks=[attack]), inputs, tmp_path / "run")
    assert files_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("defence", "kind", "words"), [
    ({"label": "x", "model": "victm"}, UnknownNameError, "model of defence 'x' 'victm'; did you mean 'victim'"),
    ({"label": "x", "transforms": [{"name": "jpg"}]}, UnknownNameError, "did you mean 'jpeg'"),
    ({"label": "x", "transforms": [{"name": "jpeg", "options": {"quality": 500}}]}, PlanError, r"1\.\.100"),
])
def test_likewise_a_defence(inputs, tmp_path, defence, kind, words):
    with pytest.raises(kind, match=words):
        run_audit(make_plan(defences=[defence]), inputs, tmp_path / "run")
    assert files_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("who", ["victim", "other"])
@pytest.mark.parametrize(("classes", "words"), [(("a", "b"), "knows 2 classes .* the data has 3"),
                                                (("Pneumonia", "Normal", "Pneumothorax"), "class order of model"),
                                                (("a", "b", "c"), "class names of model")])
def test_a_model_of_other_classes_is_refused(inputs, tmp_path, who, classes, words):
    with pytest.raises(ModelError, match=words):
        run_audit(make_plan(), with_models(inputs, **{who: tiny_classifier(classes, 48)}), tmp_path / "run")
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
    assert repr(make_plan(attacks=[NOISE]).attacks[0].build()) == "Noise(goal='untargeted', deviation=0.05)"


@pytest.mark.parametrize("changes", [
    {"seed": -1}, {"seed": 2**63}, {"bootstrap": 10**12}, {"batch_size": 10**12}, {"limit": 10**12},
    {"gallery": 10**12},
    {"attacks": [{**STYLE, "images": 10**12}]}])
def test_numbers_beyond_what_anybody_has_are_refused(changes):
    with pytest.raises(PlanError, match=r"than or equal to|less than"):
        parse_plan(AuditPlan, plan_of(**changes), source="test")


@pytest.mark.parametrize("options", [{"count": 10**12}, {"style_seed": -1}, {"style_seed": 2**63},
                                     {"style_seed": True}])
def test_so_are_those_of_a_part(options):
    attack = parse_plan(AuditPlan, plan_of(attacks=[{**STYLE, "options": options}]), source="test").attacks[0]
    with pytest.raises(PlanError, match=r"at most 1000000 \(got|a seed is a whole number from 0 to below 2\^63"):
        attack.build()


@pytest.mark.slow
@pytest.mark.parametrize(("text", "words"), [
    ("name: a\nname: b", "line 2: key 'name' stands twice"),
    ("name: !!bool maybe", "line 1: 'maybe' is no bool"), ("seed: !!int x", "line 1: 'x' is no int"),
    ("name: &a [*a]", "line 1: an alias stands inside"), ("attacks: " + "[" * 5000, "line 1: more than"),
    ("seed: 1.0e+999", "line 1: inf is no finite number"), ("1: 2", "line 1: a key must be text"),
    ("name: \x1b[31m", "special characters are not allowed"),
    ("name: !!python/name:os.system ''", "has no place here")])
def test_yaml_that_no_plan_needs_is_one_sentence_with_its_line(tmp_path, text, words):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(PlanError, match="is not valid YAML") as refused:
        read_plan(AuditPlan, tmp_path / "plan.yaml")
    assert words in str(refused.value)


def test_a_plan_that_is_no_text_or_too_long_is_refused(tmp_path):
    (tmp_path / "plan.yaml").write_bytes(b"name: \xff")
    with pytest.raises(PlanError, match="byte 6 is no UTF-8"):
        read_plan(AuditPlan, tmp_path / "plan.yaml")
    (tmp_path / "plan.yaml").write_bytes(b"#" * 2**21)
    with pytest.raises(PlanError, match="longer than"):
        read_plan(AuditPlan, tmp_path / "plan.yaml")
    with pytest.raises(PlanError, match="cannot read plan"):
        read_plan(AuditPlan, tmp_path)


def test_dates_in_a_plan_are_text(tmp_path):
    (tmp_path / "plan.yaml").write_text("name: 2020-13-45\nattacks: [{label: a, name: noise}]")
    assert read_plan(AuditPlan, tmp_path / "plan.yaml").name == "2020-13-45"


def test_a_sentence_about_a_plan_stays_short():
    with pytest.raises(PlanError) as refused:
        parse_plan(AuditPlan, plan_of(seed="x" * 70_000), source="test")
    assert len(str(refused.value)) < 500
