"""Plans by name: what a person gives, and what is left of a plan for a model that gives little."""

from __future__ import annotations

import pytest
import yaml
from torch import nn

from radversary.auditing.plan import AuditPlan
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import Access
from radversary.study.audit_model import audit_model
from radversary.study.checks import check_audit
from radversary.study.presets import PRESETS, given_plan, left_out, preset, whole_preset

pytestmark = pytest.mark.slow

FIELDS = {"attacks": [{"label": "n", "name": "noise"}]}


class Scores(Classifier):
    """Reads how bright three stripes of an image are, and shows scores alone."""

    access = Access.SCORES

    def __init__(self) -> None:
        self.card = ModelCard(name="far", architecture="service", classes=("Normal", "Pneumonia", "Pneumothorax"),
                              size=48)

    def fingerprint(self) -> str:
        return "far"

    def logits(self, images):
        return 8 * nn.functional.adaptive_avg_pool2d(images[:, :1], (1, 3)).flatten(1)


@pytest.mark.parametrize("name", PRESETS)
def test_a_plan_by_name_can_be_run_and_keeps_every_attack_for_a_whole_model(name):
    whole = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), classes=("a", "b"), size=1)
    check_audit(whole_preset(name))
    assert given_plan(name) == name
    assert preset(name, whole) == whole_preset(name)
    assert left_out(name, whole) == ""


@pytest.mark.parametrize("name", PRESETS)
def test_attacks_that_need_more_than_a_model_gives_are_left_out_and_named(name):
    labels = {attack.label for attack in preset(name, Scores()).attacks}
    assert "worst of 10 styles" in labels
    assert labels == {attack.label for attack in whole_preset(name).attacks} - {"pgd"}
    assert left_out(name, Scores()) == ("model 'far' gives scores alone, so attacks of the plan "
                                        f"{name!r} were left out: pgd needs gradients")


def test_a_plan_is_given_in_any_form(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = given_plan(FIELDS)
    assert isinstance(plan, AuditPlan)
    for name in ("mine.yaml", "mine"):
        (tmp_path / name).write_text(yaml.safe_dump(FIELDS), encoding="utf-8")
        assert given_plan(name) == given_plan(tmp_path / name) == given_plan(plan) == plan
    (tmp_path / "quick").write_text("no plan", encoding="utf-8")
    assert given_plan("quick") == "quick"


@pytest.mark.parametrize(("given", "kind", "problem"), [
    ("standrad", UnknownNameError, "did you mean 'standard'"),
    ("absent.yaml", PlanError, "cannot read plan absent.yaml"),
    ({"attacks": []}, PlanError, "at least 1 item"),
    ({**FIELDS, "atacks": []}, UnknownNameError, "did you mean 'attacks'"),
])
def test_what_is_no_plan_is_refused(given, kind, problem):
    with pytest.raises(kind, match=problem):
        given_plan(given)


def test_an_audit_by_name_says_in_its_result_what_was_left_out(tmp_path):
    source = {"name": "phantoms", "options": {"count": 30, "size": 48}}
    with pytest.warns(UserWarning, match="far.* left out: pgd needs gradients"):
        result = audit_model("quick", Scores(), source, tmp_path / "run", device="cpu")
    assert any("left out: pgd needs gradients" in text for text in result.data.warnings)
    assert {"fourier", "worst of 10 styles", "noise"} <= {cell.condition.attack for cell in result.cells}
    assert "left out: pgd needs gradients" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
