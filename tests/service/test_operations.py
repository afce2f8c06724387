"""A platform is backed up whole, restored into an empty folder, checked, and made anew from its folders."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from radversary.cli.main import app
from radversary.core.errors import InputError
from radversary.service.catalogue.jobs import ask_for, change
from radversary.service.jobs.outcome import finished
from radversary.service.jobs.record import record_of, write_record
from radversary.service.jobs.states import State
from radversary.service.jobs.supervising import Ending
from radversary.service.jobs.tickets import Ticket, begin
from radversary.service.operations.backup import back_up, copied, restore
from radversary.service.operations.checking import faults_of
from radversary.service.operations.rebuilding import rebuild
from radversary.service.platform import Platform
from radversary.service.store.log import faults, length, note
from radversary.service.store.tables import Job, Model, SignIn, Worker
from service.conftest import BOTH, actor

pytestmark = pytest.mark.usefixtures("fake_kinds")


@pytest.fixture
def kept(platform, key):
    """A platform with a key, a job that is done, one that runs, one that waits, and an upload; returns the jobs."""
    key()
    names = [ask_for(platform, actor(), "fake", {"of": {"films": str(platform.settings.home / "tenants" / "films")}},
                     title=title).id for title in ("done", "runs", "waits")]
    for name in names[:2]:
        ticket = Ticket(name, 1, "worker")
        with platform.database.session() as session:
            job = begin(session, ticket)
        folder = platform.settings.folder("jobs", name)
        write_record(folder, record_of(job))
        (folder / "predictions.parquet").write_bytes(b"figures")
        if name == names[0]:
            write_record(folder, record_of(finished(platform.database, ticket, Ending(summary={"films": 3}))))
    (platform.settings.folder("tenants", "main", "uploads", "1") / "film.png").write_bytes(b"film")
    with platform.database.session() as session:
        session.add(Worker(id="worker", host="host", started=0.0, seen=1.0))
        session.add(SignIn(id="0" * 64, key_id="k", csrf="c", expires=9e9))
        session.add(Model(tenant="main", name="model", reference=str(platform.settings.folder("tenants", "main")),
                          card={}, sha256=""))
    return names


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_backup_restored_elsewhere_is_the_platform(platform, kept, tmp_path):
    made = back_up(platform.settings, tmp_path / "kept.tar", files=True)
    assert (made.jobs, made.path.stat().st_mode & 0o777) == (2, 0o600)
    settings = replace(platform.settings, home=tmp_path / "new")
    about = restore(settings, made.path)
    opened = Platform.open(settings)
    with opened.database.session() as session:
        assert (length(session), list(faults(session))) == (about["lines"], [])
        assert [session.get(Job, name).state for name in kept] == ["done", "running", "queued"]
        assert session.get(Job, kept[0]).spec["of"]["films"] == str(tmp_path / "new" / "tenants" / "films")
        assert [item.reference for item in session.query(Model)] == [str(tmp_path / "new" / "tenants" / "main")]
        assert (session.query(Worker).count(), session.query(SignIn).count()) == (0, 0)
    opened.close()
    for part in ("jobs", "tenants"):
        assert contents(platform.settings.home / part) == contents(settings.home / part)
    assert sorted(path.name for path in settings.home.iterdir()) == ["jobs", "store.sqlite", "tenants"]


@pytest.mark.slow
def test_a_backup_while_the_store_is_written_is_whole(platform, tmp_path):
    stop = threading.Event()

    def write():
        while not stop.is_set():
            with platform.database.session() as session:
                note(session, tenant="main", actor="tester", action="test", detail={"x": "y" * 500})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            made = back_up(platform.settings, tmp_path / f"{number}.tar", files=False)
            settings = replace(platform.settings, home=tmp_path / f"home{number}")
            about = restore(settings, made.path)
            opened = Platform.open(settings)
            with opened.database.session() as session:
                assert (length(session), list(faults(session))) == (about["lines"], [])
            opened.close()
    finally:
        stop.set()
        writer.join()


@pytest.mark.slow
def test_a_backup_that_fails_leaves_nothing(platform, kept, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("radversary.service.operations.backup.copied", full)
    with pytest.raises(Exception, match="no space left"):
        back_up(platform.settings, tmp_path / "out" / "kept.tar", files=True)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_a_backup_writes_over_nothing_and_is_restored_into_an_empty_home_alone(platform, kept, tmp_path):
    made = back_up(platform.settings, tmp_path / "kept.tar", files=False)
    with pytest.raises(InputError, match="writes over nothing"):
        back_up(platform.settings, made.path, files=False)
    with pytest.raises(InputError, match="is not empty"):
        restore(platform.settings, made.path)
    with pytest.raises(InputError, match="holds no platform"):
        back_up(replace(platform.settings, home=tmp_path / "none"), tmp_path / "none.tar", files=False)
    with pytest.raises(InputError, match="pg_dump"):
        back_up(replace(platform.settings, database="postgresql+psycopg://a@b/c"), tmp_path / "p.tar", files=False)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["cut", "text", "outside", "link", "no store", "no database", "empty"])
def test_what_is_no_backup_is_refused_and_leaves_the_home_empty(platform, kept, tmp_path, harm):
    archive, folder = back_up(platform.settings, tmp_path / "kept.tar", files=True).path, tmp_path / "unpacked"
    if harm in ("cut", "text", "empty"):
        content = archive.read_bytes()
        archive.write_bytes({"cut": content[:len(content) // 2], "text": b"words " * 500, "empty": b""}[harm])
    else:
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
        if harm == "no store":
            (folder / "store.sqlite").unlink()
        if harm == "no database":
            (folder / "store.sqlite").write_bytes(b"no database" * 1000)
        with tarfile.open(archive, "w") as opened:
            for path in folder.iterdir():
                opened.add(path, path.name)
            if harm == "outside":
                opened.add(folder / "backup.json", "../outside.json")
            if harm == "link":
                (folder / "link").symlink_to("/etc/passwd")
                opened.add(folder / "link", "jobs/link")
    with pytest.raises(InputError):
        restore(replace(platform.settings, home=tmp_path / "new"), archive)
    assert list((tmp_path / "new").iterdir()) == []
    assert not (tmp_path / "outside.json").exists()


def said(platform):
    return list(faults_of(platform.settings, platform.database))


@pytest.mark.slow
@BOTH
def test_a_sound_platform_has_no_fault(platform, kept):
    assert said(platform) == []


@pytest.mark.slow
def test_each_fault_is_said_in_a_line(platform, kept, key):
    from sqlalchemy import text

    home = platform.settings.home
    shutil.rmtree(home / "jobs" / kept[1])
    (home / "jobs" / kept[0] / "log.txt").write_text(f"curl -H 'Authorization: Bearer {key('viewer')}'")
    with platform.database.session() as session:
        session.execute(text("UPDATE log SET actor = 'nobody' WHERE number = 2"))
        session.execute(text("UPDATE models SET reference = '/not/there'"))
        session.execute(text(f"UPDATE jobs SET kind = 'audit' WHERE id = '{kept[0]}'"))
    found = said(platform)
    wanted = ("audit log: line 2 is not what was written", f"job {kept[0]} (done): result.json is not in its folder",
              f"job {kept[1]} (running): its folder is not there", "/not/there is not there",
              f"jobs/{kept[0]}/log.txt holds a key in clear text")
    assert [part for part in wanted if not any(part in line for line in found)] == []
    assert len(found) == 5
    assert not any("rv_" in line for line in found)


@pytest.mark.slow
def test_a_store_that_was_lost_is_made_anew_from_the_folders(platform, kept, tmp_path):
    home = tmp_path / "again"
    shutil.copytree(platform.settings.home / "jobs", home / "jobs")
    (home / "jobs" / "stray").mkdir()
    (home / "jobs" / kept[1] / "job.json").write_text(
        (home / "jobs" / kept[1] / "job.json").read_text().replace('"tenant": "main"', '"tenant": "other"'))
    opened = Platform.open(replace(platform.settings, home=home))
    found = rebuild(opened.settings, opened.database)
    assert (found.jobs, found.skipped) == (kept[:2], ["stray: it has no job.json"])
    assert rebuild(opened.settings, opened.database).jobs == []
    with opened.database.session() as session:
        done, ran = (session.get(Job, name) for name in kept[:2])
        assert (done.state, done.summary, done.title) == (State.DONE, {"films": 3}, "done")
        assert (ran.state, ran.tenant) == (State.PAUSED, "other")
        assert not list(faults(session))
    assert change(opened, actor(tenant="other"), kept[1], "resume").state == State.QUEUED
    opened.close()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": "x"}'])
def test_a_record_that_tells_of_no_job_is_passed_over(platform, content):
    (platform.settings.folder("jobs", "x") / "job.json").write_text(content)
    found = rebuild(platform.settings, platform.database)
    assert (found.jobs, len(found.skipped)) == ([], 1)


@pytest.mark.slow
def test_a_record_is_not_handed_out(client, platform, kept):
    assert client.get(f"/v1/jobs/{kept[0]}/files/job.json").status_code == 404


def run(*arguments):
    return CliRunner().invoke(app, ["admin", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_line_does_all_of_it(platform, kept, tmp_path):
    home = platform.settings.home
    assert run("check", "--home", home).exit_code == 0
    assert run("backup", tmp_path / "kept.tar", "--home", home).exit_code == 0
    assert run("restore", tmp_path / "kept.tar", "--home", tmp_path / "new").exit_code == 0
    shutil.rmtree(tmp_path / "new" / "jobs" / kept[0])
    checked = run("check", "--home", tmp_path / "new")
    assert (checked.exit_code, checked.stdout) == (1, f"job {kept[0]} (done): its folder is not there\n")
    token = run("key", "me", "--home", home).stdout.strip()
    assert platform.keyring.actor(token).name == "me"
    refused = run("check", "--home", tmp_path / "none")
    assert (isinstance(refused.exception, InputError), (tmp_path / "none").exists()) == (True, False)


def test_a_copy_of_a_store_needs_no_right_to_write_it(platform, tmp_path):
    copied(platform.settings.home / "store.sqlite", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes()[:15] == b"SQLite format 3"
    assert json.dumps(record_of(Job())).startswith("{")
