"""The programs under ``examples/`` and the commands of the README run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import radversary as rv

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
COMMANDS = Path(sys.executable).parent
SAYS_NO = "exit code 1"
"""What a line of the README says beside a command that ends with 1, because it found a manipulation."""
FILMS = 600
"""Of the demonstration here; `radversary demo` draws 2,100."""
SMALL = "small-cnn"
"""The architecture of the demonstration here, which trains in a fraction of a ResNet-18's time."""
EXPORT = """
import torch
from my_model import build
torch.onnx.export(build().module, (torch.zeros(2, 3, 96, 96),), "lungs.onnx", dynamo=True, verbose=False,
                  dynamic_shapes=({0: torch.export.Dim("batch")},))
"""
"""Makes the ONNX file that the README's reader has."""


def run(folder, *words, code=0, timeout=600):
    environment = {**os.environ, "PATH": f"{COMMANDS}:{os.environ['PATH']}"}
    left = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout,
                          check=False)
    assert left.returncode == code, f"{' '.join(map(str, words))}: {left.stderr[-2000:]}"
    return left.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("examples")


def test_every_example_is_listed_and_tested():
    programs = {path.name for path in EXAMPLES.glob("*.py")}
    assert programs == set(re.findall(r"\]\((\w+\.py)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert programs == {"own_model.py", "add_an_attack.py", "findings_model.py", "guard_a_stream.py",
                        "own_preprocessing.py", "read_a_result.py"}


@pytest.mark.slow
def test_own_model_is_audited_and_its_result_read(place):
    said = run(place, sys.executable, EXAMPLES / "own_model.py", "mine")
    assert "pgd, ε 4/255" in said
    assert (place / "mine" / "report.html").is_file()
    read = run(place, sys.executable, EXAMPLES / "read_a_result.py", "mine")
    assert "clean accuracy" in read
    assert "worst case behind jpeg-75 (adaptive)" in read


@pytest.mark.slow
def test_an_attack_of_ones_own_is_audited(place):
    assert "vignette, darkness 1" in run(place, sys.executable, EXAMPLES / "add_an_attack.py", "vignette")


@pytest.mark.slow
def test_a_model_behind_its_own_preprocessing_is_audited(place):
    said = run(place, sys.executable, EXAMPLES / "own_preprocessing.py", "preprocessing")
    assert "pgd, ε 4/255" in said
    assert (place / "preprocessing" / "report.html").is_file()


@pytest.mark.slow
def test_a_guard_judges_a_stream(place):
    said = run(place, sys.executable, EXAMPLES / "guard_a_stream.py", "guard")
    attacked = re.findall(r"attacked +(\w+)", said)
    clean = re.findall(r"clean +(\w+)", said)
    assert (len(attacked), len(clean)) == (8, 8)
    assert attacked.count("review") > clean.count("review")


def readme_blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_readme_runs_as_it_is_written(tmp_path):
    """Every command in its order in one folder, after the first block's demonstration made small."""
    (program,) = readme_blocks("python")
    (tmp_path / re.match(r"# (\S+)", program)[1]).write_text(program, encoding="utf-8")
    run(tmp_path, sys.executable, "-c", EXPORT)
    demo = yaml.safe_load((ROOT / "src" / "radversary" / "study" / "plans" / "demo.yaml").read_text(encoding="utf-8"))
    demo["data"]["source"]["options"]["count"] = FILMS
    for model in demo["models"].values():
        model["training"]["architecture"] = SMALL
    (tmp_path / "demo.yaml").write_text(yaml.safe_dump(demo), encoding="utf-8")
    run(tmp_path, "radversary", "run", "demo.yaml", "--out", "runs/demo", timeout=1200)
    lines = [line for block in readme_blocks("sh") for line in block.splitlines() if line.startswith("radversary ")]
    assert len(lines) >= 10
    for line in lines:
        run(tmp_path, "bash", "-c", line, code=int(SAYS_NO in line))
    for made in ("runs/lungs/report.html", "runs/mine/report.html", "runs/mine/figures/thesis/index.html",
                 "evidence.png", "heat"):
        assert (tmp_path / made).exists(), made


@pytest.mark.slow
def test_a_model_of_findings_is_made_and_loaded(place):
    films, stream = place / "nih", np.random.default_rng(0)
    films.mkdir()
    lines = ["Image Index,Finding Labels,Patient ID"]
    for number in range(120):
        present = stream.random(2) < 0.4
        film = stream.integers(60, 120, (64, 64)) + 100 * present[0] * (np.mgrid[:64, :64][0] > 32)
        Image.fromarray(film.astype(np.uint8)).save(films / f"{number:08d}_000.png")
        names = [name for name, there in zip(("Effusion", "Pleural_Thickening"), present, strict=True) if there]
        lines.append(f"{number:08d}_000.png,{'|'.join(names) or 'No Finding'},{number}")
    (films / "labels.csv").write_text("\n".join(lines) + "\n")
    said = run(place, sys.executable, EXAMPLES / "findings_model.py", films, "--out", "model", "--epochs", "1")
    assert "Effusion" in said
    model = rv.load_model(place / "model" / "chest-findings.safetensors")
    assert model.card.classes == ("Effusion", "Pleural_Thickening")
    assert len(model.card.outputs) == 18
    assert set((place / "model" / "held-out.csv").read_text().splitlines()[1].split(",")) & {"validation", "test"}
