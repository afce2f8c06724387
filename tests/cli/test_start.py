"""Help, lists and refusals do not wait for heavy libraries: which modules a process has imported when it ends."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest
import torch
import yaml

HEAVY = {"torch", "monai", "lightning", "kornia", "torchmetrics", "pandas", "scipy", "sklearn", "matplotlib"}

ALL_AT_ONCE = """
import contextlib, io, json, sys
from radversary.cli import console, main
found = []
for words in json.load(sys.stdin):
    sys.argv, code = ["radversary", *words], 0
    out, err = io.StringIO(), io.StringIO()
    console.RESULTS.file, console.NOTES.file = out, err
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main.run()
        except SystemExit as left:
            code = left.code
    packages = sorted({name.partition(".")[0] for name in sys.modules})
    found.append([words, code, out.getvalue(), err.getvalue(), packages])
print(json.dumps(found))
"""
"""Runs commands one after the other in a process that has imported nothing else."""

CARD = {"name": "m", "architecture": "resnet18", "classes": ["a", "b"], "size": 48}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with models, plans and images that are wrong in one way each."""
    tmp_path = tmp_path_factory.mktemp("start")
    weights = {"head.weight": torch.zeros(2, 2)}
    torch.save(weights, tmp_path / "weights.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"a": 1}))
    for name, card in {"bare": None, "odd": {**CARD, "clases": []}, "low": {**CARD, "size": 0}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"\x00")
        if card is not None:
            (tmp_path / name / "card.json").write_text(json.dumps(card))
    (tmp_path / "void").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "something.bin").write_bytes(b"a model of some kind")
    audit = {"attacks": [{"label": "x", "name": "fgsm"}]}
    plans = {"key": {**audit, "atacks": []}, "attack": {"attacks": [{"label": "x", "name": "fgms"}]},
             "option": {"attacks": [{"label": "x", "name": "pgd", "options": {"stepps": 3}}]},
             "defence": {**audit, "defences": [{"label": "d", "transforms": [{"name": "jpeg",
                                                                             "options": {"qualty": 75}}]}]}}
    data = {"source": {"name": "folder", "options": {"root": str(tmp_path / "none")}}}
    plans |= {f"study-{name}": {**plan, "models": {"victim": {}}, "data": data}
              for name, plan in {"data": audit, **plans}.items()}
    for name, plan in plans.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(plan))
    return tmp_path


AUDIT = ("audit", "--root", ".", "--model")


SHOWN = [("--help",), ("--version",), ("audit", "--help"), ("detector", "fit", "--help"), ("model", "--help"),
         ("model", "describe", "--help"), ("model", "check", "--help"), ("list", "attacks"),
         ("list", "classifiers"), ("list",), ("export", "--help")]

REFUSED = [
    (("nonsense",), "No such command"), (("audit", "--modle", "x"), "No such option"),
    (("list", "atacks"), "did you mean 'attacks'"),
    ((*AUDIT, "model", "--plan", "key.yaml"), "did you mean 'attacks'"),
    ((*AUDIT, "model", "--plan", "attack.yaml"), "did you mean 'fgsm'"),
    ((*AUDIT, "model", "--plan", "option.yaml"), "did you mean 'steps'"),
    ((*AUDIT, "model", "--plan", "defence.yaml"), "did you mean 'quality'"),
    (("run", "study-key.yaml"), "did you mean 'attacks'"), (("run", "study-attack.yaml"), "did you mean 'fgsm'"),
    (("run", "study-option.yaml"), "did you mean 'steps'"), (("run", "study-defence.yaml"), "did you mean 'quality'"),
    (("run", "study-data.yaml"), "there is no folder"),
    ((*AUDIT, "none"), "there is no model at none"), ((*AUDIT, "none.py:build"), "there is no file none.py"),
    ((*AUDIT, "json:build"), "add --allow-code"), ((*AUDIT, "model", "--plan", "quik"), "did you mean 'quick'"),
    ((*AUDIT, "weights.pt"), "can run code when it is loaded"),
    ((*AUDIT, "plain.pt"), "can run code when it is loaded"),
    ((*AUDIT, "void"), "holds no model.safetensors"), ((*AUDIT, "bare"), "has no card"),
    ((*AUDIT, "odd"), "did you mean 'classes'"), ((*AUDIT, "low"), "input should be greater than 0"),
    (("audit", "--root", "none", "--model", "model"), "there is no folder none"),
    (("audit", "--data", "folder", "--root", ".", "--model", "model", "--option", "clases=1"),
     "did you mean 'classes'"),
    (("data", "prepare", "foldr", "--out", "out"), "did you mean 'folder'"),
    (("data", "prepare", "csv", "--labels", "none.csv", "--out", "out"), "there is no table none.csv"),
    (("data", "check", "none"), "holds no prepared images"),
    (("attack", "none.png"), "none.png does not exist"), (("attack", "key.yaml", "--name", "fgms"), "did you mean"),
    (("detect", "none.png", "none.png"), "none.png does not exist"),
    (("screen", "key.yaml", "--detector", "none"), "holds no guard.json"),
    (("detector", "fit", "none", "--model", "model", "--use", "energie"), "did you mean 'energy'"),
    (("detector", "fit", ".", "--model", "none"), "there is no model at none"),
    (("model", "describe", "none"), "there is no model at none"),
    (("score", "none"), "has no result.json"), (("score", "none", "--profile", "mirs"), "did you mean 'mirs-1.0'"),
    (("gate", "none", "--min-score", "5"), "has no result.json"), (("gate", "none", "--min", "a@b:1"), "a floor is"),
    (("model", "describe", "odd"), "--force writes over it"),
    (("model", "describe", "weights.pt"), "can run code when it is loaded"),
    (("model", "describe", "bare", "--size", "large"), "--size must be a side"),
    (("model", "check", "bare"), "has no card"), (("model", "check", "none"), "there is no model at none"),
    (("report", "none"), "holds no result.json"), (("compare", "none"), "has no result.json"),
    (("figures", "none"), "has no result.json"),
    (("export", "none", "--format", "sbom"), "has no result.json"),
    (("export", "none", "--format", "smob"), "did you mean 'sbom'"),
]


@pytest.fixture(scope="module")
def outcomes(place):
    """Run all commands in one process; return exit code, both outputs and the packages imported so far, by command."""
    before = sorted(place.rglob("*"))
    words = [*SHOWN, *(words for words, _ in REFUSED)]
    done = subprocess.run([sys.executable, "-c", ALL_AT_ONCE], cwd=place, input=json.dumps(words), text=True,
                          capture_output=True, timeout=120, check=True)
    assert sorted(place.rglob("*")) == before
    return {tuple(given): rest for given, *rest in json.loads(done.stdout)}


@pytest.mark.slow
@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_help_and_lists_wait_for_no_heavy_library(outcomes, words):
    code, out, err, imported = outcomes[words]
    assert (code, err) == (0, "")
    assert out.strip()
    assert not HEAVY & set(imported)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), REFUSED, ids=str)
def test_refusals_wait_for_no_heavy_library(outcomes, words, said):
    code, _, err, imported = outcomes[words]
    assert code == 2
    assert said in err
    assert not HEAVY & set(imported)


@pytest.mark.slow
def test_the_list_of_models_says_what_access_each_kind_gives(outcomes):
    rows = (line.split("│")[1:-1] for line in outcomes["list", "classifiers"][1].splitlines())
    found = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows if row}
    assert found["folder"][0] == "gradients"
    assert found["code"][0] == "by its model"
    assert found["folder"][1].startswith("A saved model: a folder of")
