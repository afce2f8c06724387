"""Jobs are cancelled, paused, resumed, tried again and handed on; they do what a test asks, in their own processes."""

from __future__ import annotations

import time

import pytest

from radversary.core.errors import StorageError
from radversary.service.catalogue.jobs import ask_for, change, lines_of
from radversary.service.jobs import child, sweeping
from radversary.service.jobs.states import State
from radversary.service.jobs.supervising import Ending, supervised
from radversary.service.jobs.worker import TRIES, JobWorker
from radversary.service.store.tables import Entry, Job, Worker
from service.conftest import MAINLY_POSTGRESQL, MAINLY_SQLITE, actor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fake_kinds")]

TERMINAL = (State.DONE, State.FAILED, State.CANCELLED, State.PAUSED)


@pytest.fixture
def quick(monkeypatch):
    """Back-off of a fifth of a second, and beats of a tenth."""
    monkeypatch.setattr(sweeping, "BACK_OFF", 0.2)
    monkeypatch.setattr("radversary.service.jobs.worker.BEAT", 0.1)


def ask(platform, *acts, **more):
    return ask_for(platform, actor(), "fake", {"acts": list(acts)}, title="fake", **more).id


def job_of(platform, name):
    with platform.database.session() as session:
        return session.get(Job, name)


def until(platform, name, *states, within=20.0):
    """Wait until a job is in a state; return it."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        job = job_of(platform, name)
        if job.state in states:
            return job
        time.sleep(0.05)
    raise AssertionError(f"the job is {job.state}, not {states}: {job.error}")


def lines(platform, name, which="runs"):
    path = platform.settings.home / "jobs" / name / which
    return path.read_text().splitlines() if path.exists() else []


def ends(platform, name):
    with platform.database.session() as session:
        return [line.action for line in session.query(Entry).filter_by(subject=name, actor="system")]


@MAINLY_SQLITE
def test_a_job_is_done_once(platform, worker):
    name = ask(platform, "talk")
    job = until(platform, name, *TERMINAL)
    assert (job.state, job.summary, job.attempts, job.error) == (State.DONE, {"runs": 1}, 1, "")
    assert (len(lines(platform, name)), ends(platform, name)) == (1, ["job.done"])
    with platform.database.session() as session:
        assert [line.text for line in lines_of(session, job)] == ["it goes on \\x00 so"]


@pytest.mark.parametrize(("wish", "state"), [("cancel", State.CANCELLED), ("pause", State.PAUSED)])
@pytest.mark.parametrize("act", ["wait", "deaf"])
def test_a_running_job_stops_within_5_seconds_and_goes_on_when_it_is_resumed(platform, worker, act, wish, state):
    name = ask(platform, act, "done")
    until(platform, name, State.RUNNING)
    while not lines(platform, name):
        time.sleep(0.05)
    begun = time.monotonic()
    change(platform, actor(), name, wish)
    until(platform, name, state, within=5.0)
    assert time.monotonic() - begun < 5
    assert (lines(platform, name, "ends"), ends(platform, name)) == ([], [f"job.{state}"])
    change(platform, actor(), name, "resume")
    assert until(platform, name, State.DONE).summary == {"runs": 2}
    assert ends(platform, name) == [f"job.{state}", "job.done"]


def test_a_job_that_is_told_to_stop_as_its_process_starts_stops(platform, worker):
    name = ask(platform, "wait")
    until(platform, name, State.RUNNING)
    change(platform, actor(), name, "cancel")
    until(platform, name, State.CANCELLED, within=5.0)


@pytest.mark.parametrize(("wish", "state"), [("cancel", State.CANCELLED), ("pause", State.PAUSED)])
def test_a_waiting_job_stops_at_once_and_runs_when_it_is_resumed(platform, worker, wish, state):
    first = ask(platform, "wait")
    until(platform, first, State.RUNNING)
    name = ask(platform, "done")
    assert change(platform, actor(), name, wish).state == state
    change(platform, actor(), first, "cancel")
    until(platform, first, State.CANCELLED)
    time.sleep(2)  # the worker takes the ticket from the queue and finds nothing to do
    assert lines(platform, name) == []
    change(platform, actor(), name, "resume")
    until(platform, name, State.DONE)


def test_jobs_run_by_priority_then_in_order(platform, worker):
    first = ask(platform, "wait")
    until(platform, first, State.RUNNING)
    names = [ask(platform, "done", priority=priority) for priority in (9, 5, 1, 5)]
    change(platform, actor(), first, "cancel")
    begun = [until(platform, name, State.DONE).started for name in names]
    assert sorted(range(4), key=begun.__getitem__) == [2, 1, 3, 0]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("act", ["disk", "killed", "half"])
def test_an_error_that_passes_is_tried_again(platform, worker, act):
    name = ask(platform, act, act, "done")
    job = until(platform, name, *TERMINAL)
    assert (job.state, job.error, job.summary, job.attempts) == (State.DONE, "", {"runs": 3}, 3), job.error
    assert ends(platform, name) == ["job.done"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("act", "said"), [("disk", "no space left on device"),
                                           ("half", "ended without a word (signal SIGKILL)")])
def test_one_that_does_not_pass_ends_the_job_after_some_tries(platform, worker, act, said):
    job = until(platform, ask(platform, act), *TERMINAL)
    assert (job.state, job.attempts) == (State.FAILED, TRIES)
    assert said in job.error
    assert (job.tries, change(platform, actor(), job.id, "resume").tries) == (TRIES, 0)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("act", "said"), [("input", "it does not fit"),
                                           ("fault", "an error of the program itself (ValueError)")])
def test_an_error_that_comes_again_is_not_tried_again(platform, worker, act, said):
    job = until(platform, ask(platform, act), *TERMINAL)
    assert (job.state, job.error, job.attempts) == (State.FAILED, said, 1)


def test_a_job_that_waits_for_its_next_try_can_be_cancelled_and_lets_others_pass(platform, worker, monkeypatch):
    monkeypatch.setattr(sweeping, "BACK_OFF", 60.0)
    name = ask(platform, "disk")
    while not job_of(platform, name).tries:
        time.sleep(0.05)
    assert job_of(platform, name).state == State.QUEUED
    until(platform, ask(platform, "done"), State.DONE)
    assert change(platform, actor(), name, "cancel").state == State.CANCELLED


@pytest.mark.usefixtures("quick")
def test_a_job_whose_folder_another_process_writes_waits_and_is_no_failure(platform, worker, monkeypatch):
    from radversary.storage.locks import locked

    monkeypatch.setattr(sweeping, "LATE", 0.2)
    monkeypatch.setattr("radversary.service.jobs.worker.TRIES", 1)
    name = ask(platform, "done")
    with locked(platform.settings.folder("jobs", name)):
        while job_of(platform, name).attempts < 2:
            time.sleep(0.05)
    job = until(platform, name, *TERMINAL)
    assert (job.state, lines(platform, name)) == (State.DONE, lines(platform, name)[:1])


@MAINLY_POSTGRESQL
def test_a_worker_that_is_stopped_puts_its_job_back(platform, settings):
    import threading

    made = JobWorker(settings)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        name = ask(platform, "wait", "done")
        while not lines(platform, name):
            time.sleep(0.05)
    finally:
        made.stop()
        thread.join(timeout=30)
    job = job_of(platform, name)
    assert (job.state, job.worker, job.error, lines(platform, name, "ends")) == (State.QUEUED, "", "", [])
    assert platform.engine.states([(name, job.ticket)]) == {(name, job.ticket): "ENQUEUED"}
    with platform.database.session() as session:
        assert session.query(Worker).count() == 0


@MAINLY_POSTGRESQL
def test_a_worker_that_lost_its_job_stops_and_says_nothing_of_it(platform, worker):
    name = ask(platform, "wait", "done")
    while not lines(platform, name):
        time.sleep(0.05)
    with platform.database.session() as session:  # as who took it for gone would do
        job = session.get(Job, name)
        job.state, job.worker, job.ticket = State.QUEUED, "", job.ticket + 1
    platform.engine.enqueue(name, 2, priority=5)
    assert until(platform, name, State.DONE, within=40).summary == {"runs": 2}
    assert ends(platform, name) == ["job.done"]


def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch):
    def refused(*_args, **_more):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refused)
    assert supervised({}, wish=str, tell=print).again == "error"


def test_what_a_process_says_of_errors():
    assert child.failure(StorageError("full"))["again"] == "error"
    assert Ending().again == ""
