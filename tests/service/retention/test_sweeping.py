"""What a sweep removes by itself: working copies of ended jobs, uploads that nothing names."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from radversary.core.errors import InputError
from radversary.service.blobs import BucketBlobs
from radversary.service.catalogue.jobs import ask_for, change
from radversary.service.errors import ConflictError
from radversary.service.operations.checking import faults_of
from radversary.service.platform import Platform
from radversary.service.retention.sweeping import Sweep, sweeping_for
from radversary.service.serving import worker_command
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.store.retention_tables import Purge
from radversary.service.store.tables import Job
from service.conftest import BOTH, actor
from service.retention.conftest import (
    PLANTED,
    RUN,
    holders,
    job_of,
    lines,
    names_in,
    upload_of,
    written,
)
from service.running import within

DAY = 86_400.0
DONE = ["figures/film.png", "job.json", "report.html", "result.json"]


def swept(platform, *, retention=0.0):
    """Sweep as a process does that was started with a retention."""
    settings = replace(platform.settings, retention=retention)
    database = Database(settings)
    Sweep(database).turn()
    database.close()


def aged(platform):
    """Have the store be older than any upload."""
    with platform.database.session() as session:
        session.execute(text("UPDATE log SET created = 1"))


def of(platform, job):
    with platform.database.reading() as session:
        return session.get(Job, job)


@pytest.mark.slow
def test_working_copies_go_when_a_job_is_done_and_all_else_stays(either):
    job, tree = job_of(either), upload_of(either)
    batch = job_of(either, kind="screening", spec={"films": str(either.settings.home / tree / "files")},
                   names=("verdicts.jsonl",))
    swept(either)
    assert names_in(either.settings.home / "jobs" / job) == DONE
    assert names_in(either.settings.home / "jobs" / batch) == ["job.json", "verdicts.jsonl"]
    assert not (either.settings.home / tree).exists()
    assert of(either, job).cleared is not None
    if either.settings.blobs:
        assert sorted(either.blobs.state(f"jobs/{job}")) == DONE
        assert either.blobs.bucket.below(tree) == {}
        assert holders(either.settings.home.parent / "bucket", b"Mustermann") == []
    assert sorted(line.detail["kind"] for line in lines(either)) == ["copies", "upload"]
    before = len(lines(either))
    swept(either)
    assert len(lines(either)) == before


@pytest.mark.slow
@BOTH
def test_retention_counts_from_the_end_and_a_day_longer_where_a_job_can_be_resumed(platform):
    jobs = {(state, days): job_of(platform, state=state, ended=days * DAY)
            for state in ("done", "failed", "cancelled") for days in (1.9, 2.1, 3.1)}
    jobs |= {(state, 9.0): job_of(platform, state=state, ended=9 * DAY) for state in ("running", "paused", "queued")}
    swept(platform, retention=2.0)
    cleared = {key for key, job in jobs.items() if of(platform, job).cleared is not None}
    assert cleared == {("done", 2.1), ("done", 3.1), ("failed", 3.1), ("cancelled", 3.1)}
    for (state, days), job in jobs.items():
        expected = sorted([*RUN, "job.json"]) if (state, days) not in cleared else DONE if state == "done" else [
            "job.json"]
        assert names_in(platform.settings.home / "jobs" / job) == expected, (state, days)


@pytest.mark.slow
def test_a_resumed_job_begins_from_the_start(either):
    spec = {"of": {}, "run": str(either.settings.home / "jobs" / "1")}
    job = job_of(either, state="failed", kind="report", spec=spec, ended=2 * DAY)
    swept(either)
    assert names_in(either.settings.home / "jobs" / job) == ["job.json"]
    assert change(either, actor(), job, "resume").state == "queued"
    assert of(either, job).cleared is None
    folder = written(either.blobs.workplace(job), "units/1.npz")
    swept(either)
    assert names_in(folder)[-1:] == ["units/1.npz"], "what it makes now is not taken for what was removed"
    with either.database.reading() as session:
        assert session.query(Purge).count() == 0


@pytest.mark.slow
def test_a_job_is_not_resumed_while_its_files_go_or_once_what_it_reads_is_gone(platform, monkeypatch):
    tree = upload_of(platform)
    job = job_of(platform, state="failed", kind="screening", spec={"films": str(platform.settings.home / tree)},
                 ended=2 * DAY)
    from radversary.service.retention import sweeping

    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "carry_out", lambda *_given: None)
        swept(platform)
    with pytest.raises(ConflictError, match="being removed"):
        change(platform, actor(), job, "resume")
    swept(platform)
    with pytest.raises(ConflictError, match="were removed"):
        change(platform, actor(), job, "resume")
    assert of(platform, job).state == "failed"


@pytest.mark.slow
def test_a_run_of_which_a_report_is_drawn_waits(platform):
    job = job_of(platform)
    spec = {"of": {"job": job}, "run": str(platform.settings.home / "jobs" / job)}
    report = ask_for(platform, actor(), "report", spec, title="r").id
    swept(platform)
    assert of(platform, job).cleared is None
    with platform.database.session() as session:
        session.get(Job, report).state = "done"
    swept(platform)
    assert names_in(platform.settings.home / "jobs" / job) == DONE


@pytest.mark.slow
def test_an_upload_that_nothing_names_stays_for_a_day(either):
    old, young, named = upload_of(either, age=1.1 * DAY), upload_of(either, age=0.9 * DAY), upload_of(either,
                                                                                                     age=2 * DAY)
    arriving = upload_of(either, age=1.1 * DAY)
    written(either.settings.home / arriving, "upload.zip")
    job_of(either, kind="screening", spec={"films": str(either.settings.home / named / "files")})
    swept(either, retention=9.0)
    assert (either.settings.home / old).exists(), "the store is younger than the upload"
    with either.database.session() as session:
        from radversary.service.store.log import note
        note(session, tenant="main", actor="system", action="begin")
    aged(either)
    swept(either, retention=9.0)
    assert [(either.settings.home / tree).exists() for tree in (old, young, named, arriving)] == [
        False, True, True, True]


@pytest.mark.slow
def test_two_batches_of_one_upload_are_both_waited_for(platform):
    tree = upload_of(platform)
    spec = {"films": str(platform.settings.home / tree)}
    job_of(platform, kind="screening", spec=spec, names=())
    waits = job_of(platform, kind="screening", spec=spec, names=(), state="running")
    swept(platform)
    assert (platform.settings.home / tree).exists()
    with platform.database.session() as session:
        session.get(Job, waits).state = "done"
    swept(platform)
    assert not (platform.settings.home / tree).exists()


@pytest.mark.slow
def test_other_machines_lose_their_copies_too(settings, tmp_path):
    shared = replace(settings, blobs=f"file://{tmp_path}/bucket", database="", home=tmp_path / "one")
    one = Platform.open(shared)
    other = BucketBlobs(replace(shared, home=tmp_path / "two"))
    tree, job = upload_of(one), job_of(one)
    other.place(f"blobs:/{tree}")
    other.job(job)
    gone = written(tmp_path / "two/work" / job, "data/film")
    database = Database(replace(shared, home=tmp_path / "two", database="", retention=0.0))
    database.engine.dispose()
    database.engine, database._sessions, database._readers = (getattr(one.database, name) for name in (
        "engine", "_sessions", "_readers"))  # one store, as with PostgreSQL
    sweep = Sweep(database)
    batch = job_of(one, kind="screening", spec={"films": str(tmp_path / "one" / tree)}, names=())
    assert holders(tmp_path / "two", PLANTED)
    swept(one)
    sweep.turn()
    assert of(one, batch).cleared is not None
    assert not (tmp_path / "two" / tree).exists()
    assert not gone.exists()
    assert holders(tmp_path, b"Mustermann") == []
    one.close()


@pytest.mark.slow
def test_what_a_late_worker_writes_again_goes_again(either):
    job = job_of(either)
    swept(either)
    with either.database.session() as session:
        from radversary.service.retention.purging import mark
        from radversary.service.retention.trees import Kind
        session.delete(session.get(Job, job))
        mark(session, "main", f"jobs/{job}", Kind.JOB, "tester")
    swept(either)
    folder = written(either.settings.home / "jobs" / job, "units/late.npz")
    if either.settings.blobs:
        either.blobs.put(f"jobs/{job}", folder, 1)
    swept(either)
    assert holders(either.settings.home.parent, PLANTED) == []
    assert [line.detail["kind"] for line in lines(either)] == ["copies", "job", "job"]


@pytest.mark.slow
def test_check_finds_what_should_not_be_there_and_nothing_in_what_was_cleared(either):
    job, tree = job_of(either, kind="report"), upload_of(either)
    batch = job_of(either, kind="report", spec={"films": str(either.settings.home / tree)}, names=())
    swept(either)
    assert list(faults_of(either.settings, either.database)) == []
    assert of(either, batch).cleared is not None
    written(either.settings.home / "jobs" / job, "data/again")
    written(either.settings.home / tree, "again")
    stray = written(either.settings.home / "jobs" / "stray", "film")
    os.utime(stray, (1.0, 1.0))
    lost = upload_of(either, age=2 * DAY)
    aged(either)
    found = [fault for fault in faults_of(either.settings, either.database) if "audit log" not in fault]
    assert len(found) == 4, found
    for says in (f"copies {job}: it was removed, and", f"upload {tree[-24:]}: it was removed, and", "jobs/stray: there "
                 "is no such job", f"{lost}: nothing names that upload"):
        assert any(fault.startswith(says) for fault in found), (says, found)


@pytest.mark.slow
def test_check_finds_what_should_be_gone_long_ago(platform):
    tree = upload_of(platform)
    with platform.database.session() as session:
        session.add(Purge(tenant="main", tree=tree, kind="upload", actor="a", created=time.time() - 7200))
    (fault,) = faults_of(platform.settings, platform.database)
    assert fault == f"upload {tree[-24:]}: it is to be removed for over an hour, and could not be yet"


@pytest.mark.slow
def test_a_process_sweeps_at_once_and_ends_with_its_block(platform):
    job = job_of(platform)
    with sweeping_for(replace(platform.settings, retention=0.0)):
        within(20, lambda: names_in(platform.settings.home / "jobs" / job) == DONE)


def test_workers_are_told_the_retention(settings):
    command = worker_command(replace(settings, retention=2.5))
    assert command[command.index("--retention") + 1] == "2.5"


@pytest.mark.parametrize("days", [-1.0, float("nan"), float("inf"), 40_000.0])
def test_a_retention_that_is_none_is_refused(tmp_path, days):
    with pytest.raises(InputError, match="retention is 0 to 36500 days"):
        Settings(home=tmp_path, retention=days)
