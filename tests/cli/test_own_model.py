"""A model of a person's own code on the command line; what merely names code in a file runs nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

CODE = dedent("""
    from pathlib import Path
    import torch
    from radversary.classifiers import wrap

    def build():
        Path("imported").touch()
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(3 * 64, 3))
        return wrap(network, classes=["Normal", "Pneumonia", "Pneumothorax"], size=48, name="mine")

    bare = torch.nn.Flatten()
""")
PLAN = "attacks: [{label: fgsm, name: fgsm, options: {epsilon: 0.05}}]\ndefences: []\ngallery: 0\nprobe_images: 0\n"


@pytest.fixture
def code(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "my_model.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_an_audit_of_ones_own_code_knows_its_weights(code, phantoms, radversary):
    left = radversary("audit", "--model", "my_model.py:build", "--allow-code", "--root", phantoms,
                      "--plan", "plan.yaml", "--out", "run")
    assert left.code == 0, left.err
    facts = json.loads(Path("run/result.json").read_text(encoding="utf-8"))
    assert len(facts["provenance"]["victim sha256"]) == 64


@pytest.mark.slow
def test_workers_import_the_same_code(code, phantoms, radversary):
    for workers in (1, 2):
        left = radversary("audit", "--model", "my_model.py:build", "--allow-code", "--root", phantoms, "--plan",
                          "plan.yaml", "--out", f"run-{workers}", "--workers", workers)
        assert left.code == 0, left.err
    assert Path("run-1/predictions.parquet").read_bytes() == Path("run-2/predictions.parquet").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["my_model.py:absent", "my_model.py:bare", "my_model.py", "absent.py:build",
                                       "absent.module:build"])
def test_what_gives_no_model_ends_a_command_with_one_sentence(code, phantoms, radversary, reference):
    for words in (("audit", "--model", reference, "--allow-code", "--root", phantoms, "--out", "none"),
                  ("detector", "fit", phantoms, "--model", reference, "--allow-code", "--out", "none")):
        left = radversary(*words)
        assert (left.code, left.out) == (2, "")
        assert left.err.startswith("error: ")
        assert left.err.count("\n") == 1
        assert not Path("none").exists()


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["my_model.py:build", "my_model:build", "my_model.py"])
def test_code_that_is_not_allowed_is_not_run(code, phantoms, radversary, reference):
    for words in (("audit", "--model", reference, "--root", phantoms, "--out", "none"),
                  ("detector", "fit", phantoms, "--model", reference, "--out", "none"),
                  ("detector", "families", code, "--model", reference, "--out", "none")):
        left = radversary(*words)
        assert (left.code, left.out, left.err.count("\n")) == (2, "", 1)
        assert f"{reference} is Python code" in left.err
        assert "add --allow-code" in left.err
        assert not Path("imported").exists()
        assert not Path("none").exists()


@pytest.mark.slow
def test_a_bundle_holds_no_code(code, phantoms, radversary):
    left = radversary("detector", "fit", phantoms, "--model", "my_model.py:build", "--allow-code", "--out", "bundle")
    assert left.code == 2
    assert "model 'mine' (Sequential) cannot be saved" in left.err
    assert not Path("bundle").exists()


@pytest.mark.slow
@pytest.mark.parametrize("plan", [
    "attacks: [{label: fgsm, name: fgsm, surrogate: 'my_model.py:build'}]\n",
    "attacks: [{label: fgsm, name: fgsm}]\ndefences: [{label: other, model: 'my_model:build'}]\n",
])
def test_a_plan_that_names_code_runs_nothing(code, phantoms, radversary, make_model, plan):
    Path("plan.yaml").write_text(plan, encoding="utf-8")
    left = radversary("audit", "--model", make_model("Normal", "Pneumonia", "Pneumothorax"), "--root", phantoms,
                      "--plan", "plan.yaml", "--out", "none")
    assert left.code == 2
    assert "which is Python code; a plan names models that load without running code" in left.err
    assert not Path("imported").exists()
    assert not Path("none").exists()
