from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from radversary.core.errors import (
    CancelledError,
    MissingColumnError,
    PlanError,
    RadversaryError,
    StorageError,
    UnknownNameError,
    UnreadableImageError,
    UnsafeModelError,
    WorkerError,
)
from radversary.execution.cancellation import Cancellation
from radversary.execution.progress import check_cancelled, reporting
from radversary.execution.work import Relay
from radversary.execution.workers import cores, in_workers


@dataclass(frozen=True)
class Sums:
    """Adds what it is opened with; some tasks do something else."""

    start: int

    def open(self) -> Callable[[object], object]:
        return self.do

    def do(self, task: object) -> object:
        if task == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "refuse":
            raise UnknownNameError("thing", "abc", ["abd"])
        if task == "threads":
            return torch.get_num_threads()
        if task == "pid":
            return os.getpid()
        if task == "wait":
            while True:
                check_cancelled()
                time.sleep(0.05)
        return self.start + int(task)


def done(*tasks: object, workers: int = 2) -> dict[object, object]:
    return dict(in_workers(Sums(10), tasks, "adding", workers=workers))


@pytest.mark.slow
def test_each_task_is_done_once_and_told():
    heard = []
    with reporting(Relay(lambda work: heard.append((work.done, work.total)))):
        assert done(1, 2, 3, "threads") == {1: 11, 2: 12, 3: 13, "threads": max(1, cores() // 2)}
    assert heard == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (4, 4)]


def test_nothing_to_do_starts_nothing_and_no_worker_is_refused():
    assert done() == {}
    with pytest.raises(PlanError, match="workers must be at least 1, got 0"):
        done(1, workers=0)


@pytest.mark.slow
def test_a_worker_that_dies_is_one_sentence():
    with pytest.raises(WorkerError, match="a worker process ended before its work was done"):
        done("die", 1)


@pytest.mark.slow
def test_an_error_arrives_as_it_was_raised():
    with pytest.raises(UnknownNameError, match="unknown thing 'abc'; did you mean 'abd'"):
        done("refuse", 1)


@pytest.mark.slow
def test_a_request_to_stop_reaches_a_task_under_way():
    token, started = Cancellation(), time.monotonic()

    def heard(work):
        if work.done == 1:
            token.cancel()

    with pytest.raises(CancelledError), reporting(Relay(heard, token)):
        done(1, "wait")
    assert time.monotonic() - started < 30


ORPHANS = """
import sys
from radversary.execution.workers import in_workers
from test_workers import Sums
if __name__ == "__main__":
    for task, result in in_workers(Sums(0), ["pid", "wait"], "waiting", workers=2):
        print(result, flush=True)
"""


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(tmp_path):
    (tmp_path / "main.py").write_text(ORPHANS)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen([sys.executable, tmp_path / "main.py"], stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONPATH": path})
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()


@pytest.mark.parametrize("error", [
    UnknownNameError("thing", "a", ["b"]), UnreadableImageError("x.png", "it is empty"), StorageError("full"),
    MissingColumnError("t.csv", "file", ["fil"]), UnsafeModelError("no", advice=("do this",))],
    ids=lambda error: type(error).__name__)
def test_errors_travel_between_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, RadversaryError)
    assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)
