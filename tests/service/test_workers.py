"""Workers are killed, stopped and frozen, and their database goes away: each job is done, and ends once."""

from __future__ import annotations

import signal

import pytest

from radversary.service.catalogue.jobs import ask_for, change
from radversary.service.jobs.states import ENDED, State
from radversary.service.store.log import faults
from radversary.service.store.tables import Entry, Job, Worker
from service.conftest import MAINLY_POSTGRESQL, actor
from service.running import ended, start_worker, within, workers

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fake_kinds")]


def ask(platform, *acts):
    return ask_for(platform, actor(), "fake", {"acts": list(acts)}, title="fake").id


def state_of(platform, name):
    with platform.database.session() as session:
        return session.get(Job, name).state


def runs(platform, name, which="runs"):
    path = platform.settings.home / "jobs" / name / which
    return path.read_text().splitlines() if path.exists() else []


def check_ended_once(platform, names):
    with platform.database.session() as session:
        assert not list(faults(session))
        for name in names:
            assert session.get(Job, name).state == State.DONE
            lines = session.query(Entry).filter_by(subject=name, actor="system")
            assert [line.action for line in lines] == ["job.done"]


@MAINLY_POSTGRESQL
def test_two_workers_share_the_jobs_and_do_each_once(platform, settings):
    names = [ask(platform, "done") for _ in range(8)]
    with workers(settings, 2):
        within(60, lambda: all(state_of(platform, name) in ENDED for name in names))
    check_ended_once(platform, names)
    assert [len(runs(platform, name)) for name in names] == [1] * 8


@MAINLY_POSTGRESQL
def test_the_other_takes_over_from_a_worker_that_was_killed(platform, settings):
    with workers(settings, 2):
        name = ask(platform, "wait", "done")
        within(40, lambda: runs(platform, name))
        with platform.database.session() as session:
            slot = int(session.get(Job, name).worker.split("/")[1])
            numbers = {item.id.split("/")[1] for item in session.query(Worker)}
        assert len(numbers) == 2
        lock = next(settings.home.joinpath("workers").glob(f"*-{slot}.lock"))
        assert lock.is_file()
        _kill_holder(lock)
        within(settings.silence + 15, lambda: state_of(platform, name) == State.DONE)
    check_ended_once(platform, [name])
    assert (len(runs(platform, name)), len(runs(platform, name, "ends"))) == (2, 1)


def _kill_holder(lock):
    """Kill the process that has a lock file open."""
    import os
    from pathlib import Path

    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if int(folder.parent.name) != os.getpid() and any(item.readlink() == lock for item in folder.iterdir()):
                os.kill(int(folder.parent.name), signal.SIGKILL)
                return
        except OSError:
            continue
    raise AssertionError("nobody holds it")


def test_a_worker_that_is_started_again_takes_over_at_once(platform, settings):
    with workers(settings, 1) as (first,):
        name = ask(platform, "wait", "done")
        within(40, lambda: runs(platform, name))
        ended(first)
        with workers(settings, 1):
            within(20, lambda: state_of(platform, name) == State.DONE)
    check_ended_once(platform, [name])


def test_a_frozen_worker_that_wakes_up_leaves_its_job_to_who_took_it(platform, settings):
    with workers(settings, 1) as (frozen,):
        name = ask(platform, "wait", "wait", "done")
        within(40, lambda: runs(platform, name))
        frozen.send_signal(signal.SIGSTOP)  # its child goes on, and holds the folder
        with workers(settings, 1):
            within(settings.silence + 20, lambda: _ticket(platform, name) > 1)
            frozen.send_signal(signal.SIGCONT)
            within(60, lambda: len(runs(platform, name)) == 2)
            change(platform, actor(), name, "pause")
            within(10, lambda: state_of(platform, name) == State.PAUSED)
            change(platform, actor(), name, "resume")
            within(40, lambda: state_of(platform, name) == State.DONE)
            assert frozen.poll() is None
    assert len(runs(platform, name)) == 3


def _ticket(platform, name):
    with platform.database.session() as session:
        return session.get(Job, name).ticket


def test_a_worker_that_is_told_to_end_leaves_its_job_to_others_at_once(platform, settings):
    with workers(settings, 1) as (first,):
        name = ask(platform, "wait", "done")
        within(40, lambda: runs(platform, name))
        assert ended(first, hard=False) == 0
        assert state_of(platform, name) == State.QUEUED
        with workers(settings, 1):
            within(20, lambda: state_of(platform, name) == State.DONE)
    check_ended_once(platform, [name])


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_database_that_is_restarted_in_the_middle_of_a_job_loses_nothing(platform, settings, postgres, how):
    with workers(settings, 1) as (worker,):
        name, after = ask(platform, "short"), ask(platform, "done")
        within(40, lambda: runs(platform, name))
        postgres.stop(how)
        within(20, lambda: runs(platform, name, "ends"))  # the job goes on, and ends while there is no database
        postgres.start()
        within(60, lambda: _all_done(platform, [name, after]))
        assert worker.poll() is None
    check_ended_once(platform, [name, after])
    assert len(runs(platform, name)) == 1


def _all_done(platform, names):
    return all(state_of(platform, name) == State.DONE for name in names)


def test_a_worker_without_a_store_says_so_in_a_sentence(settings, tmp_path, capfd):
    from dataclasses import replace

    process = start_worker(replace(settings, database="postgresql+psycopg://nobody@127.0.0.1:9/none"), real=True)
    assert process.wait(timeout=60) == 2
    said = capfd.readouterr().err
    assert said.startswith("worker: the database cannot be used")
    assert "Traceback" not in said
