"""Audits and guards of a model behind HTTP, whose server may die at any request."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_server import ModelServer, metadata, open_inference, plain, write_served
from random_parts import tiny_classifier

pytestmark = pytest.mark.slow

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")
VICTIM = tiny_classifier(CLASSES, 48)
CARD = {"classes": CLASSES, "size": 48, "output": "logits"}
PLAN = """
attacks:
- {label: worst, name: worst-style, strengths: [0.3], options: {generator: fourier, count: 2, style_size: 32, k: 2}}
defences: []
detectors: []
gallery: 0
probe_images: 0
bootstrap: 100
limit: 10
batch_size: 5
"""
TABLES = ("predictions.parquet", "outcomes.parquet")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("plan.yaml").write_text(PLAN, encoding="utf-8")
    return tmp_path


@pytest.fixture
def audit(here, phantoms, radversary):
    def run(out, *more):
        return radversary("audit", "--model", "lungs.http.json", "--root", phantoms, "--plan", "plan.yaml",
                          "--out", out, *more)
    return run


def tables(folder: str) -> list[bytes]:
    return [(Path(folder) / name).read_bytes() for name in TABLES]


def test_a_server_that_dies_ends_the_command_with_one_sentence_and_it_goes_on(here, audit):
    answer = open_inference(VICTIM.module, metadata([-1, 3, 48, 48]))
    with ModelServer(answer, lives=25) as server:
        port, url = server.port, f"{server.root}/v2/models/lungs"
        write_served(here / "lungs.http.json", url, CARD, retries=0)
        left = audit("run")
        assert (left.code, left.out) == (2, "")
        said = left.err.splitlines()[-1]
        assert said.startswith(f"error: model 'lungs' at {url} cannot be reached (")
        assert "give the same command again" in said
        assert "Traceback" not in left.err
        assert list(Path("run/units").rglob("*.parquet"))
        assert not Path("run/result.json").exists()
    with ModelServer(answer, port=port) as server:
        left = audit("run")
        assert left.code == 0, left.err
        assert Path("run/report.html").exists()


@pytest.mark.slow
def test_workers_ask_the_same_server(here, audit):
    with ModelServer(plain(VICTIM.module)) as server:
        write_served(here / "lungs.http.json", server.root, CARD)
        for workers in (1, 2):
            left = audit(f"run-{workers}", "--workers", workers)
            assert left.code == 0, left.err
    assert tables("run-1") == tables("run-2")


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_an_attack_that_follows_gradients_is_refused_by_name(here, audit, attack):
    Path("plan.yaml").write_text(f"attacks: [{{label: a, name: {attack}, options: {{epsilon: 0.05}}}}]\ndefences: []\n")
    with ModelServer(plain(VICTIM.module)) as server:
        write_served(here / "lungs.http.json", server.root, CARD)
        left = audit("none")
    assert left.code == 2
    assert "needs gradients but model 'lungs' gives only scores" in left.err


def shown(shows, network):
    return plain(network) if shows == "scores" else plain(lambda inputs: network(inputs).argmax(1), "labels")


@pytest.mark.parametrize("shows", ["scores", "labels"])
def test_it_is_guarded_from_fitting_to_verdicts(here, phantoms, radversary, shows):
    listed = [path for path in sorted(phantoms.rglob("*.png")) if "masks" not in path.parts]
    for part, chosen in {"fit": listed[:12], "calibrate": listed[12:36], "new": listed[-2:]}.items():
        Path(part).mkdir()
        for path in chosen:
            (Path(part) / path.name).write_bytes(path.read_bytes())

    with ModelServer(shown(shows, VICTIM.module)) as server:
        model = write_served(here / "lungs.http.json", f"{server.root}/predict", CARD, answers=shows)
        left = radversary("detector", "fit", "--use", "integrity", "fit", "--model", model, "--out", "guard")
        assert left.code == 0, left.err
        left = radversary("detector", "calibrate", "calibrate", "--detector", "guard", "--alpha", 0.2)
        assert left.code == 0, left.err
        asked = f"note: this guard asks the model at {server.root}/predict; the films that it looks at are sent there\n"
        assert left.err.startswith(asked)
        left = radversary("screen", "new", "--detector", "guard", "--json")
        assert left.code in (0, 1)
        assert len(left.out.splitlines()) == 2
        assert left.err.startswith(asked)
        server.answer = shown(shows, lambda inputs: -VICTIM.module(inputs))
        left = radversary("screen", "new", "--detector", "guard")
        assert left.code == 2
        assert "were set for another model" in left.err
    left = radversary("screen", "new", "--detector", "guard")
    assert left.code == 2
    assert "cannot be reached" in left.err
