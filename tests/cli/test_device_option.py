"""Every verb that runs a model takes --device, runs there and says the same as on the CPU."""

from __future__ import annotations

import json

import pytest
import torch
import typer
import yaml

from elsewhere import elsewhere
from radversary.classifiers.torch_module import TorchClassifier
from radversary.cli.main import app
from radversary.core.errors import PlanError
from radversary.study.audit_model import audit_model
from tiny_learned import OneEpoch

CLASSES = ("COVID", "Normal", "Pneumonia")
ATTACKS = [{"label": "noise", "name": "noise", "strengths": [0.1]},
           {"label": "step", "name": "fgsm", "strengths": [0.05]}]


@pytest.fixture
def far(monkeypatch):
    """Have --device far lead to the second device, and note how many passes of a model were there."""
    passes = []
    module_pass = TorchClassifier.logits

    def logits(self, images):
        passes.append(self.device.type == "meta")
        return module_pass(self, images)

    with elsewhere() as device:
        for place in ("execution.devices", "study.audit_model"):
            monkeypatch.setattr(f"radversary.{place}.select_device",
                                lambda name: device if name == "far" else torch.device("cpu"))
        monkeypatch.setattr(TorchClassifier, "logits", logits)
        yield passes


@pytest.fixture
def films(tmp_path, phantoms):
    listed = [path for path in sorted(phantoms.rglob("*.png")) if "masks" not in path.parts]
    for part, chosen in {"fit": listed[:12], "calibrate": listed[12:-4], "new": listed[-4:]}.items():
        (tmp_path / part).mkdir()
        for path in chosen:
            (tmp_path / part / path.name).write_bytes(path.read_bytes())
    return tmp_path


def both(radversary, passes, *words):
    """Run a verb there, then here, and return both outcomes; there every pass is made there, here none."""
    del passes[:]
    there = radversary(*words, "--device", "far")
    assert passes
    assert all(passes)
    del passes[:]
    here = radversary(*words, "--device", "cpu")
    assert not any(passes)
    return there, here


def classes_of(phantoms):
    return sorted(path.name for path in phantoms.iterdir() if path.is_dir() and path.name != "masks")


@pytest.mark.slow
def test_a_guard_is_fitted_calibrated_checked_and_asked_there(radversary, films, phantoms, make_model, far,
                                                               monkeypatch):
    torch.manual_seed(0)
    model, guard = make_model(*classes_of(phantoms)), films / "guard"
    use = ("--use", "energy", "--use", "neighbours")
    there, here = both(radversary, far, "detector", "fit", films / "fit", "--model", model, "--out", guard, *use)
    assert there == here
    there, here = both(radversary, far, "detector", "calibrate", films / "calibrate", "--detector", guard,
                       "--alpha", 0.2)
    assert there == here
    there, here = both(radversary, far, "screen", films / "new", "--detector", guard, "--json", "--heat-maps",
                       films / "heat")
    assert there.code in (0, 1)
    assert [json.loads(line)["p_value"] for line in there.out.splitlines()] == pytest.approx(
        [json.loads(line)["p_value"] for line in here.out.splitlines()])
    there, here = both(radversary, far, "detector", "check", films / "new", "--detector", guard)
    assert there == here
    assert radversary("data", "prepare", "folder", "--root", phantoms, "--out", films / "run", "--size", 48).code == 0
    for words in (("fit", films / "run", "--model", model, "--out", guard, "--part", "validation", *use),
                  ("calibrate", films / "run", "--detector", guard, "--part", "train", "--alpha", 0.2)):
        assert radversary("detector", *words).code == 0  # on none of the films that it is evaluated on
    plan = films / "plan.yaml"
    plan.write_text(yaml.safe_dump({"bootstrap": 100, "gallery": 1, "limit": 6, "attacks": [
        *ATTACKS, {"label": "aware", "name": "evasive-pgd", "options": {"steps": 2}}]}))
    for verb, given in (("evaluate", ("--detector", guard)), ("families", ("--model", model, "--train-images", 8))):
        monkeypatch.setattr("radversary.guard_evaluation.families.run.LearnedDetector", OneEpoch)
        found = radversary("detector", verb, films / "run", *given, "--plan", plan, "--out", films / verb,
                           "--device", "far")
        assert found.code == 0, found.err


@pytest.mark.slow
def test_a_model_is_audited_there_and_its_predictions_are_the_same_bytes(radversary, films, phantoms, make_model, far):
    torch.manual_seed(0)
    plan, model = films / "plan.yaml", make_model(*classes_of(phantoms))
    plan.write_text(yaml.safe_dump({"attacks": ATTACKS, "bootstrap": 100, "gallery": 1, "false_alarms": 0.2, "limit": 6,
                                    "probe_images": 0,
                                    "defences": [{"label": "jpeg", "transforms": [{"name": "jpeg"}]}]}))
    for device in ("far", "cpu"):
        del far[:]
        found = radversary("audit", "--model", model, "--root", phantoms, "--plan", plan, "--out", films / device,
                           "--device", device)
        assert found.code == 0, found.err
        assert set(far) == {device == "far"}
    there, here = ((films / device / "predictions.parquet").read_bytes() for device in ("far", "cpu"))
    assert there == here


@pytest.mark.slow
def test_images_are_attacked_and_compared_there(radversary, film, tmp_path, far):
    for device in ("far", "cpu"):
        assert radversary("attack", film, "--name", "noise", "--out", tmp_path / device, "--size", 64,
                          "--device", device).code == 0
    there, here = (tmp_path / device / "film-1.png" for device in ("far", "cpu"))
    assert there.read_bytes() == here.read_bytes()
    found = [radversary("detect", film, there, "--evidence", tmp_path / "evidence.png", "--device", device)
             for device in ("far", "cpu")]
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("words", [
    ("audit", "--model", "{model}", "--root", "{phantoms}"), ("attack", "{film}"), ("detect", "{film}", "{film}"),
    ("screen", "{film}", "--detector", "{guard}"), ("detector", "fit", "{film}", "--model", "{model}"),
    ("detector", "calibrate", "{film}", "--detector", "{guard}"),
    ("detector", "check", "{film}", "--detector", "{guard}"),
    ("train", "stylizer", "--out", "{none}"), ("demo", "--out", "{none}")], ids=" ".join)
def test_a_device_that_is_not_there_is_one_sentence(radversary, words, film, phantoms, make_model, tmp_path):
    places = {"film": film, "phantoms": phantoms, "model": make_model("a", "b"), "none": tmp_path / "none",
              "guard": tmp_path / "guard"}
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "guard.json").write_text("{}")
    found = radversary(*(word.format(**places) for word in words), "--device", "cuda:99")
    assert found.code == 2
    assert found.err.strip() == "error: device 'cuda:99' is not available here; use 'auto' or 'cpu'"


def test_every_verb_that_computes_with_models_takes_a_device():
    def verbs(command, words=()):
        inner = getattr(command, "commands", None)
        if inner is None:
            return {" ".join(words): {option for given in command.params for option in given.opts}}
        return {name: options for word, own in inner.items() for name, options in verbs(own, (*words, word)).items()}

    lacking = {name for name, options in verbs(typer.main.get_command(app)).items() if "--device" not in options}
    assert lacking == {"report", "compare", "score", "gate", "seal", "verify", "export", "figures", "list",
                       "data prepare", "data check", "data phantoms", "model describe", "admin backup", "admin restore",
                       "admin rebuild", "admin check", "admin key"}


def test_the_library_says_the_same(tmp_path):
    from radversary.auditing.plan import AuditPlan

    with pytest.raises(PlanError, match="device 'meta' is not available here"):
        audit_model(AuditPlan.model_validate({"attacks": ATTACKS}), tmp_path, {"name": "folder"}, tmp_path / "out",
                    device="meta")
