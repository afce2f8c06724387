"""An audit shared out among processes: the same bytes, one sentence where one dies, and where it is asked to stop."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tiny_audit import SIZE, files_in, make_plan

from radversary.auditing.pieces import UNITS, AuditJob
from radversary.auditing.run import run_audit
from radversary.auditing.setup import AuditInputs
from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import CancelledError, InputError, PlanError, UnknownNameError, WorkerError
from radversary.execution.cancellation import Cancellation
from radversary.execution.work import Relay
from radversary.storage.results import ResultCache
from radversary.study.placing import SavedInputs

TABLES = ("predictions.parquet", "detections.parquet")
PLAN = make_plan(attacks=[{"label": "noise", "name": "noise", "strengths": [0.1]},
                          {"label": "step", "name": "fgsm", "strengths": [0.05], "knowledge": ["adaptive"]}],
                 gallery=0, defences=[{"label": "jpeg", "transforms": [{"name": "jpeg"}]}])


@pytest.fixture(scope="module")
def saved(inputs, tmp_path_factory) -> AuditInputs:
    """The inputs with a victim that other processes can load."""
    folder = tmp_path_factory.mktemp("victim")
    victim = wrap(build_network("small-cnn", classes=3, seed=1), classes=inputs.images.classes, size=SIZE,
                  architecture="small-cnn")
    victim = save_classifier(victim, folder)
    rebuild = SavedInputs({"victim": folder}, {}, inputs.images.folder, inputs.report, "cpu")
    return replace(inputs, classifiers={"victim": victim}, rebuild=rebuild)


@pytest.fixture(scope="module")
def alone(saved, tmp_path_factory) -> Path:
    """The same audit by one process."""
    folder = tmp_path_factory.mktemp("alone")
    run_audit(PLAN, saved, folder)
    return folder


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in TABLES]


@pytest.mark.slow
def test_two_workers_give_the_bytes_of_one(saved, alone, tmp_path):
    heard = []
    run_audit(PLAN, saved, tmp_path, workers=2, progress=Relay(lambda work: heard.append((work.description, work.done,
                                                                                          work.total))))
    assert tables(tmp_path) == tables(alone)
    assert files_in(tmp_path) == files_in(alone)
    counted = [done for description, done, _ in heard if description.startswith("Attacking")]
    assert counted == sorted(counted)
    assert counted[-1] == len(list((tmp_path / UNITS).rglob("*.parquet")))


@pytest.mark.slow
def test_a_piece_is_measured_from_picklable_values(saved, alone, tmp_path, monkeypatch):
    handed = []
    monkeypatch.setattr("radversary.auditing.run.in_workers",
                        lambda job, pieces, *_given, **_options: handed.extend([job, *pieces]) or iter(()))
    with pytest.raises((KeyError, AttributeError, ValueError)):  # nobody measured anything
        run_audit(PLAN, saved, tmp_path, workers=2)
    job, *pieces = pickle.loads(pickle.dumps(handed))
    measure = job.open()
    for piece in pieces:
        measure(piece)
    monkeypatch.undo()
    run_audit(PLAN, saved, tmp_path)
    assert tables(tmp_path) == tables(alone)


@dataclass(frozen=True)
class Fatal:
    """Inputs that kill the second process that makes them."""

    saved: SavedInputs
    mark: Path

    def __call__(self) -> AuditInputs:
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            time.sleep(1.0)  # the first has measured something by then
            os.kill(os.getpid(), signal.SIGKILL)
        return self.saved()


@pytest.mark.slow
def test_a_killed_worker_is_one_sentence_and_what_was_finished_is_kept(saved, alone, tmp_path):
    fatal = replace(saved, rebuild=Fatal(saved.rebuild, tmp_path / "mark"))
    out = tmp_path / "out"
    with pytest.raises(WorkerError, match="a worker process ended before its work was done") as caught:
        run_audit(PLAN, fatal, out, workers=2)
    assert "\n" not in str(caught.value)
    assert not (out / "predictions.parquet").exists()
    cache = ResultCache(out / UNITS)
    assert all(len(cache.read(folder.name)) for folder in (out / UNITS).glob("*"))
    run_audit(PLAN, saved, out, workers=2)
    assert tables(out) == tables(alone)


@pytest.mark.slow
def test_a_request_to_stop_is_heard_and_the_next_call_goes_on(saved, alone, tmp_path):
    token, seen = Cancellation(), []

    def heard(work):
        if work.description.startswith("Attacking") and work.done == 2:
            seen.append(work.done)
            token.cancel()

    with pytest.raises(CancelledError):
        run_audit(PLAN, saved, tmp_path, workers=2, progress=Relay(heard, token))
    assert seen
    assert threading.active_count() < 20
    done = len(list((tmp_path / UNITS).rglob("*.parquet")))
    run_audit(PLAN, saved, tmp_path)
    assert len(list((tmp_path / UNITS).rglob("*.parquet"))) > done > 0
    assert tables(tmp_path) == tables(alone)


@dataclass(frozen=True)
class Refusing:
    """Inputs that cannot be made."""

    def __call__(self) -> AuditInputs:
        raise UnknownNameError("thing", "abc", ["abd"])


@pytest.mark.slow
def test_what_a_worker_is_refused_arrives_as_it_was_raised(saved, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown thing 'abc'; did you mean 'abd'"):
        run_audit(PLAN, replace(saved, rebuild=Refusing()), tmp_path, workers=2)


@pytest.mark.slow
def test_another_model_in_the_folder_is_refused(saved, tmp_path):
    other = wrap(build_network("small-cnn", classes=3, seed=2), classes=saved.images.classes, size=SIZE,
                 architecture="small-cnn")
    save_classifier(other, tmp_path / "other")
    wrong = replace(saved, rebuild=replace(saved.rebuild, models={"victim": tmp_path / "other"}))
    with pytest.raises(InputError, match="were changed while they were audited"):
        AuditJob.of(PLAN, wrong, tmp_path).open()


@pytest.mark.slow
def test_a_model_of_this_process_alone_is_refused_before_anything_is_written(inputs, tmp_path):
    with pytest.raises(PlanError, match=r"models that live in this process alone \(tiny\) cannot be shared out"):
        run_audit(make_plan(), inputs, tmp_path / "out", workers=2)
    with pytest.raises(PlanError, match="workers must be at least 1, got 0"):
        run_audit(make_plan(), inputs, tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()
