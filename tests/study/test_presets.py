"""Plans by name: what a person gives, and what is left of a plan for a model that gives little."""

from __future__ import annotations

import pytest
import yaml
from torch import nn

from radversary.auditing.plan import AuditPlan
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import Access
from radversary.storage.plans import plan_text
from radversary.study.audit_model import audit_model
from radversary.study.checks import check_audit
from radversary.study.presets import PRESETS, chosen_plan, given_plan, whole_preset

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
def test_a_plan_by_name_can_be_run(name):
    check_audit(whole_preset(name))
    assert given_plan(name) == name
    assert whole_preset(name).battery == f"battery-2026.1/{name}"


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
    with pytest.warns(UserWarning, match="far.* left out: apgd needs gradients"):
        result = audit_model("quick", Scores(), source, tmp_path / "run", device="cpu")
    assert any("left out: apgd needs gradients" in text for text in result.data.warnings)
    assert {"fourier", "worst of 10 styles", "noise"} <= {cell.condition.attack for cell in result.cells}
    assert "left out: apgd needs gradients" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_battery_stands_before_the_attacks_of_a_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(FIELDS), encoding="utf-8")
    plan = chosen_plan(str(file), "quick")
    assert [attack.label for attack in plan.attacks] == [*(a.label for a in whole_preset("quick").attacks), "n"]
    file.write_text(yaml.safe_dump({"gallery": 2}), encoding="utf-8")
    assert chosen_plan(str(file), "quick").attacks == whole_preset("quick").attacks  # a file without any of its own
    assert chosen_plan(str(file), "quick").gallery == 2
    assert chosen_plan(None, "full") == "full"
    assert chosen_plan(None, None) == "quick"
    file.write_text(plan_text(plan), encoding="utf-8")
    for given in ("standard", str(file)):
        with pytest.raises(PlanError, match=r"has the battery .* already"):
            chosen_plan(given, "full")
    with pytest.raises(UnknownNameError, match="unknown battery 'ful'; did you mean 'full'"):
        chosen_plan(str(file), "ful")
