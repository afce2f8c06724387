"""The Hugging Face card: rules of the Hub's metadata by hand, and the Hub's own client as another reader."""

from __future__ import annotations

import re

import pytest
import yaml
from huggingface_hub import ModelCard
from run_factory import write_run
from score_factory import World

from radversary.report.exports.facts import Run
from radversary.report.exports.huggingface import hub_card
from radversary.report.exports.maker_card import Hub, MakerCard
from radversary.scoring.profile import load_profile

SHOWN = re.compile(r"\(95 % interval (0\.\d{3}|1\.000) to (0\.\d{3}|1\.000), n = \d+\)$")


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path)
    return Run.read(tmp_path)


def front(text):
    start, head, _ = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(head)


@pytest.mark.slow
def test_metadata_has_what_the_hub_requires(run):
    head = front(hub_card(run, MakerCard())[0])
    (model,) = head["model-index"]
    assert model["name"] == "ResNet-50, ImageNet start"
    assert head["license"] == "apache-2.0"
    assert head["pipeline_tag"] == "image-classification"
    for result in model["results"]:
        assert result["task"]["type"] == "image-classification"
        assert isinstance(result["dataset"]["type"], str)
        assert isinstance(result["dataset"]["name"], str)
        for metric in result["metrics"]:
            assert isinstance(metric["type"], str)
            assert isinstance(metric["value"], float)
            assert SHOWN.search(metric["name"])
            assert metric["type"] in head["metrics"]
    conditions = [result["dataset"]["config"] for result in model["results"]]
    assert len(set(conditions)) == len(conditions) == 3


@pytest.mark.slow
def test_the_hub_s_own_client_reads_the_same_figures(run):
    found = ModelCard(hub_card(run, MakerCard(hub=Hub(dataset="ward/films")))[0]).data.eval_results
    clean = run.view.clean("none").performance
    by_type = {item.metric_type: item.metric_value for item in found if item.dataset_config == "untouched images"}
    assert by_type == {"accuracy": round(clean.accuracy.value, 4), "recall": round(clean.recall.value, 4),
                       "f1": round(clean.f1.value, 4), "roc_auc": round(clean.auroc.value, 4)}
    assert {item.dataset_type for item in found} == {"ward/films"}
    assert 0.31 in [item.metric_value for item in found]


@pytest.mark.slow
def test_every_row_of_the_table_has_interval_and_n(run):
    text, _ = hub_card(run, MakerCard())
    rows = [line for line in text.splitlines() if line.startswith("| ") and "attacker knows" not in line]
    assert len(rows) == 1 + 2 * 4  # clean and worst of four systems, and all attacks together once
    for row in rows:
        assert re.search(r"\| \d+\.\d \| \d+\.\d to \d+\.\d \| \d+ \|$", row), row
    assert "oracle (oracle)" in text
    assert "No security score" in text


@pytest.mark.slow
def test_a_score_and_its_caps_are_shown(tmp_path):
    World.of(10).result().save(tmp_path / "result.json")
    run = Run.read(tmp_path)
    text, _ = hub_card(run, MakerCard())
    (score,) = run.scores
    assert f"| no defence | {score.value:.1f} |" in text


@pytest.mark.slow
def test_the_score_is_that_of_ones_own_profile(tmp_path):
    World.of(10).result().save(tmp_path / "result.json")
    own = load_profile().model_copy(update={"name": "ward"})
    run = Run.read(tmp_path, own)
    assert run.scores[0].profile == own.title != load_profile().title
    assert f"({own.title})" in hub_card(run, MakerCard())[0]


@pytest.mark.slow
def test_gaps_are_named_and_closed_by_the_card(run):
    text, gaps = hub_card(run, MakerCard())
    assert "## Intended use\n\nNot stated." in text
    assert len(gaps) == 6
    maker = MakerCard.model_validate({
        "summary": "s", "use": {"intended_use": "u", "out_of_scope": "o"}, "warnings": {"risks": "r"},
        "development": {"data": "d"}, "hub": {"dataset": "a/b", "license": "other", "license_name": "own"}})
    text, gaps = hub_card(run, maker)
    assert gaps == []
    assert front(text)["license_name"] == "own"


@pytest.mark.slow
def test_no_labels_no_model_index(tmp_path):
    write_run(tmp_path, labels="own readings")
    text, gaps = hub_card(Run.read(tmp_path), MakerCard())
    assert "model-index" not in front(text)
    assert "| Stability |" in text
    assert any(gap.startswith("model-index") for gap in gaps)


@pytest.mark.slow
def test_names_of_strangers_break_neither_metadata_nor_table(tmp_path):
    hostile = "x\n---\n| <script> ` \x1b[31m"
    write_run(tmp_path, model={"name": hostile, "sha256": hostile, "licence": hostile, "trained_on": hostile})
    text, _ = hub_card(Run.read(tmp_path), MakerCard())
    assert front(text)["pipeline_tag"] == "image-classification"
    assert "<script>" not in text.split("---\n", 2)[2]
    assert "\x1b" not in text
