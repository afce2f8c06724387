"""A run in a real MLflow store in an SQLite file, read back with MLflow's client."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from run_factory import PLAN, write_run
from score_factory import World

from radversary.core.errors import InputError
from radversary.report.exports.facts import Run
from radversary.report.exports.mlflow_facts import flattened, metrics_of, named, parameters_of
from radversary.report.exports.mlflow_store import client_at, default_uri, log_run

KEY = "ab12" * 16


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with one exported run: the run folder and the store's address."""
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    (folder / "report.html").write_text("<html></html>")
    return folder, f"sqlite:///{folder / 'mlflow.db'}"


@pytest.fixture(scope="module")
def logged(store):
    kept = log_run(Run.read(store[0]), store[1])
    return kept, client_at(store[1])


def runs(client):
    place = client.get_experiment_by_name("radversary").experiment_id
    return client.search_runs([place])


@pytest.mark.slow
def test_metrics_parameters_and_tags_come_back(store, logged):
    kept, client = logged
    result = Run.read(store[0]).result
    data = client.get_run(kept.run_id).data
    cell = result.cell("fourier", 1.0, "jpeg-75").performance.accuracy
    where = "accuracy/jpeg-75/fourier 1/oblivious"
    made = [data.metrics[where + end] for end in ("", ".low", ".high", ".n")]
    assert made == [cell.value, cell.low, cell.high, cell.n]
    assert len(data.metrics) == 4 * len(result.cells)
    assert (data.params["plan.attacks.0.options.steps"], data.params["plan.seed"]) == ("10", "42")
    assert data.params["hash.test set sha256"] == "9b" * 32
    assert data.tags["radversary.audit_key"] == KEY
    assert client.get_run(kept.run_id).info.status == "FINISHED"


@pytest.mark.slow
def test_artefacts_lie_beside_the_run(store, logged):
    kept, client = logged
    sent = {item.path for item in client.list_artifacts(kept.run_id)}
    assert sent == {"result.json", "plan.yaml", "environment.json"}
    plan = (store[0] / "mlflow-artefacts" / kept.run_id / "artifacts" / "plan.yaml").read_text()
    assert yaml.safe_load(plan) == yaml.safe_load(PLAN)


@pytest.mark.slow
def test_a_second_export_doubles_nothing(store, logged):
    kept, client = logged
    again = log_run(Run.read(store[0]), store[1])
    assert (again.run_id, again.new, kept.new) == (kept.run_id, False, True)
    assert len(runs(client)) == 1


@pytest.mark.slow
def test_an_export_that_was_cut_off_is_taken_up(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    write_run(tmp_path)
    run, uri = Run.read(tmp_path), default_uri(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            log_run(run, uri)
    kept = log_run(run, uri)
    (found,) = runs(client_at(uri))
    assert (kept.new, found.info.run_id, found.info.status) == (True, kept.run_id, "FINISHED")
    history = client_at(uri).get_metric_history(kept.run_id, "accuracy/none/clean 0/oblivious")
    assert len(history) == 1


@pytest.mark.slow
def test_a_store_that_refuses_is_one_sentence(tmp_path):
    write_run(tmp_path)
    with pytest.raises(InputError, match="MLflow at") as refused:
        log_run(Run.read(tmp_path), "nonsense://ward:secret@place")
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_score_and_its_parts_are_metrics(tmp_path):
    World.of(10).result().save(tmp_path / "result.json")
    run = Run.read(tmp_path)
    found = metrics_of(run)
    (score,) = run.scores
    assert found["score/none"] == score.value
    assert {name for name in found if name.startswith("score/none/")} == {f"score/none/{part.key}"
                                                                          for part in score.parts}


@pytest.mark.slow
def test_a_plan_is_flattened_to_leaves(tmp_path):
    write_run(tmp_path)
    found = parameters_of(Run.read(tmp_path))
    assert found["plan.attacks.0.strengths"] == "0.01, 0.02"
    assert found["plan.limit"] == "None"
    assert list(flattened({}, "plan")) == []


@pytest.mark.slow
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
def test_names_are_such_that_mlflow_takes_and_keeps_apart(texts):
    from mlflow.utils.validation import _validate_metric_name

    made = [named(["accuracy", text], ".low") for text in texts]
    for name in made:
        _validate_metric_name(name)
    assert len(set(made)) == len(texts)
