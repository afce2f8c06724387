"""What goes out of a run by any export names no image, site, source or path."""

from __future__ import annotations

import json

import pytest
import yaml
from run_factory import DISTRIBUTIONS, NAMES, write_naming_run

from radversary.auditing.result import AuditResult
from radversary.core.errors import InputError
from radversary.report.exports.chai import chai_card
from radversary.report.exports.facts import Run
from radversary.report.exports.huggingface import hub_card
from radversary.report.exports.maker_card import MakerCard
from radversary.report.exports.mlflow_facts import metrics_of, parameters_of, tags_of
from radversary.report.exports.mlflow_store import client_at, files_of, log_run, texts_of
from radversary.report.exports.sbom import bill_of_materials
from radversary.report.naming import PSEUDONYMISED


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that names whatever it may; do not write there."""
    folder = tmp_path_factory.mktemp("run")
    write_naming_run(folder)
    return Run.read(folder)


@pytest.mark.slow
def test_the_names_are_in_the_run(run):
    text = "".join(path.read_text("utf-8", "replace") for path in run.folder.iterdir() if path.is_file())
    assert not [name for name in NAMES if name not in text]


@pytest.mark.slow
@pytest.mark.parametrize("document", [
    lambda run: bill_of_materials(run)[0], lambda run: chai_card(run, MakerCard())[0],
    lambda run: hub_card(run, MakerCard())[0], lambda run: run.result.model_dump_json(),
    lambda run: json.dumps([metrics_of(run), parameters_of(run), tags_of(run), texts_of(run)], ensure_ascii=False)],
    ids=["sbom", "chai", "huggingface", "result", "mlflow"])
def test_no_document_holds_one(run, document):
    text = document(run)
    assert len(text) > 500
    assert not [name for name in NAMES if name in text]


@pytest.mark.slow
def test_what_is_sent_in_place_of_the_files_is_read_as_they_are_and_has_the_same_figures(run, tmp_path):
    texts, whole = texts_of(run), AuditResult.load(run.folder / "result.json")
    (tmp_path / "result.json").write_text(texts["result.json"], encoding="utf-8")
    found = AuditResult.load(tmp_path / "result.json")
    assert (found.cells, found.detections, found.defences) == (whole.cells, whole.detections, whole.defences)
    assert found.data.characteristics["site"] == {"site 2": 3, "site 1": 3}
    assert found.readings.characteristics["source"].values == ("source 1", "unknown")
    assert found.readings.characteristics["sex"] == whole.readings.characteristics["sex"]
    plan = yaml.safe_load(texts["plan.yaml"])
    assert plan["data"]["source"] == {"name": "folder", "options": {"root": "[removed]", "size": 64}}
    assert plan["attacks"][0]["strengths"] == [0.01, 0.02]
    environment = json.loads(texts["environment.json"])
    assert environment["command"][:4] == ["radversary", "audit", "--root", "[removed]"]
    assert environment["distributions"] == DISTRIBUTIONS


@pytest.mark.slow
def test_files_as_they_lie_are_sent_only_where_that_is_wished_for_or_they_are_a_copy(run):
    assert files_of(run, identifiers=False) == ()
    assert set(files_of(run, identifiers=True)) == {"result.json", "report.html", "plan.yaml", "environment.json"}
    assert files_of(Run(run.folder, run.result, pseudonymised=True), identifiers=False) == ("report.html",)


def test_a_copy_is_known_by_its_provenance(run, tmp_path):
    provenance = {**run.result.provenance, PSEUDONYMISED: "ids are pseudonyms"}
    run.result.model_copy(update={"provenance": provenance}).save(tmp_path / "result.json")
    assert (Run.read(tmp_path).pseudonymised, run.pseudonymised) == (True, False)


@pytest.mark.slow
@pytest.mark.parametrize("identifiers", [False, True])
def test_the_artefacts_in_the_store_name_nobody_unless_that_is_wished_for(run, tmp_path, identifiers):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    kept = log_run(run, uri, identifiers=identifiers)
    sent = {item.path for item in client_at(uri).list_artifacts(kept.run_id)}
    assert ("report.html" in sent) == identifiers
    assert {"result.json", "plan.yaml", "environment.json"} <= sent
    text = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode("utf-8", "replace")
    assert bool([name for name in NAMES if name in text]) == identifiers


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_said_in_one_short_sentence_at_once(run, monkeypatch):
    from time import perf_counter

    import mlflow  # noqa: F401 - which takes its time to import

    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    started = perf_counter()
    with pytest.raises(InputError) as refused:
        log_run(run, "http://ward:secret@127.0.0.1:9")
    assert perf_counter() - started < 5
    assert str(refused.value) == ("no MLflow server answers at http://127.0.0.1:9; start it, or give another "
                                  "--tracking-uri")
