"""An audit of a model behind HTTP, whose server dies, comes back, or comes back as another model."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tiny_audit import SIZE, files_in, make_plan, with_models

from model_server import ModelServer, metadata, open_inference
from radversary.auditing.run import run_audit
from radversary.classifiers.card import make_card
from radversary.classifiers.http_files import Served
from radversary.classifiers.http_model import HttpClassifier
from radversary.core.errors import ModelError
from random_parts import tiny_classifier

pytestmark = pytest.mark.slow

TABLES = ("predictions.parquet", "detections.parquet", "outcomes.parquet")
FOURIER = {"generator": "fourier", "count": 2, "style_size": 32}
STYLE = {"label": "style", "name": "style-transfer", "strengths": [0.3], "options": FOURIER}
WORST = {"label": "worst", "name": "worst-style", "strengths": [0.3], "options": {**FOURIER, "k": 2}}
PLAN = make_plan(attacks=[STYLE, WORST],
                 defences=[{"label": "jpeg", "transforms": [{"name": "jpeg"}]}], gallery=0, limit=10)
FACTS = metadata([-1, 3, SIZE, SIZE])


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in TABLES]


@pytest.fixture
def audit(inputs, tmp_path):
    """Audit the model behind a server; every call connects anew, as another process would."""
    def run(server, out):
        card = make_card("a test", {"name": "tiny", "architecture": "Sequential", "classes": inputs.images.classes,
                                    "size": SIZE})
        victim = HttpClassifier(Served(url=f"{server.root}/v2/models/lungs", card=card, retries=0))
        run_audit(PLAN, with_models(inputs, victim=victim), tmp_path / out)
        return tmp_path / out
    return run


def answering(inputs, seed=0):
    return open_inference(tiny_classifier(inputs.images.classes, SIZE, seed=seed).module, FACTS)


def test_a_server_that_dies_costs_nothing_that_was_measured(inputs, audit, tmp_path):
    answer = answering(inputs)
    with ModelServer(answer) as server:
        port, whole = server.port, audit(server, "whole")
        posts = len(server.posts())
    kept = [0]
    for _ in range(2):  # it dies, is started again, and dies once more
        with ModelServer(answer, port=port, lives=25) as server, pytest.raises(
                ModelError, match=r"^model 'tiny' at http://127.0.0.1.* cannot be reached"):
            audit(server, "stopped")
        assert files_in(tmp_path / "stopped") == ["plan.yaml"]
        rows = [len(pd.read_parquet(path)) for path in (tmp_path / "stopped" / "units").rglob("*.parquet")]
        kept.append(sum(rows))
    assert kept[0] < kept[1] < kept[2]
    with ModelServer(answer, port=port) as server:
        stopped = audit(server, "stopped")
        assert len(server.posts()) < posts  # what was measured is not asked again
    assert tables(stopped) == tables(whole)
    assert files_in(stopped) == files_in(whole)


def test_another_model_behind_the_address_is_measured_anew(inputs, audit, tmp_path):
    with ModelServer(answering(inputs)) as server:
        port = server.port
        audit(server, "used")
    with ModelServer(answering(inputs, seed=5), port=port) as server:
        assert tables(audit(server, "used")) == tables(audit(server, "fresh"))


def test_its_figures_are_those_of_the_same_model_in_this_process(inputs, audit, tmp_path):
    with ModelServer(answering(inputs)) as server:
        remote = audit(server, "remote")
    local = with_models(inputs, victim=tiny_classifier(inputs.images.classes, SIZE))
    run_audit(PLAN, local, tmp_path / "local")
    for name in TABLES:
        found, expected = (pd.read_parquet(folder / name) for folder in (remote, tmp_path / "local"))
        assert len(found) > 0
        same = [column for column in expected.columns if column not in ("identity", "key", "seconds")]
        pd.testing.assert_frame_equal(found[same], expected[same], rtol=1e-4, atol=1e-5)
    queries = [[item["queries"] for item in json.loads((folder / "result.json").read_text())["outcomes"]]
               for folder in (remote, tmp_path / "local")]
    assert queries[0] == queries[1]
    assert max(queries[0]) > 0
