"""A disk that is nearly full, full or read-only, and a clock set back: work waits or is refused, and none is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from contextlib import contextmanager
from dataclasses import replace

import pytest

from radversary.service.catalogue.jobs import ask_for, change
from radversary.service.jobs import sweeping
from radversary.service.jobs.states import State
from radversary.service.platform import Platform
from radversary.service.store.log import faults
from radversary.service.store.tables import Job
from service.conftest import PHANTOMS, PLAN, actor, registered
from service.running import within

Usage = namedtuple("Usage", "total used free")


def state_of(platform, name):
    with platform.database.session() as session:
        return session.get(Job, name)


@pytest.mark.slow
def test_new_work_is_refused_below_the_reserve_and_what_is_there_is_still_shown(client, platform, shelf, monkeypatch):
    model, dataset = registered(client, shelf)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10, 10, 0))
    asked = [client.post("/v1/audits", json={"model": model, "dataset": dataset, "plan": PLAN}),
             client.post("/v1/models", json={"name": "again", "path": str(shelf / "model")}),
             client.post("/v1/datasets", json={"name": "again", "source": "phantoms", "options": PHANTOMS["options"]}),
             client.get("/readyz")]
    assert {(answer.status_code, answer.headers["content-type"]) for answer in asked} == {
        (507, "application/problem+json")}
    assert "the disk is nearly full" in asked[0].json()["detail"]
    assert [len(client.get(f"/v1/{kind}").json()["items"]) for kind in ("models", "datasets", "jobs")] == [1, 1, 0]
    assert client.get("/livez").status_code == 200


@pytest.mark.slow
@pytest.mark.usefixtures("fake_kinds")
def test_a_job_waits_for_room_and_is_no_failure(platform, worker, monkeypatch):
    monkeypatch.setattr(sweeping, "LATE", 0.5)
    whole = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10, 10, 0) if worker else None)
    monkeypatch.setattr(Platform, "check_room", lambda *_: None)
    name = ask_for(platform, actor(), "fake", {}, title="fake").id
    within(20, lambda: state_of(platform, name).attempts >= 2)
    assert "waits for room" in within(10, lambda: state_of(platform, name).error)
    monkeypatch.setattr(shutil, "disk_usage", whole)
    within(20, lambda: state_of(platform, name).state == State.DONE)
    assert (state_of(platform, name).error, state_of(platform, name).tries) == ("", 0)


@contextmanager
def mounted(folder, *options):
    """A small disk in memory; the test is skipped, loudly, where none may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_an_audit_that_meets_a_full_disk_goes_on_when_there_is_room(client, worker, platform, shelf, monkeypatch):
    monkeypatch.setattr(sweeping, "BACK_OFF", 0.5)
    model, dataset = registered(client, shelf)
    with mounted(platform.settings.home / "jobs", "-o", "size=40k") as disk:
        job = client.post("/v1/audits", json={"model": model, "dataset": dataset, "plan": PLAN}).json()["id"]
        within(90, lambda: state_of(platform, job).tries)
        assert "no space left" in within(20, lambda: state_of(platform, job).error)
        assert [path for path in disk.rglob(".*") if path.is_file() and path.name != ".lock"] == []  # no half files
        subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
        within(120, lambda: state_of(platform, job).state in ("done", "failed"))
        assert state_of(platform, job).error == ""
        assert client.get(f"/v1/jobs/{job}/scores").status_code == 200


def started(home, user=None):
    """Start a server that cannot; returns its exit code and what it says."""
    code = "from radversary.cli.main import run; run()"
    done = subprocess.run([sys.executable, "-c", code, "serve", "--home", str(home), "--port", "8979"],
                          capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    return done.returncode, done.stderr.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("made", [False, True], ids=["new", "used"])
def test_a_home_that_cannot_be_written_is_refused_in_a_sentence(tmp_path, settings, made):
    with mounted(tmp_path / "disk") as disk:
        if made:
            opened = Platform.open(replace(settings, home=disk / "home"))
            _ = opened.engine
            opened.close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        code, lines = started(disk / "home")
    assert code == 2, lines
    assert len(lines) == 1, lines
    assert ("cannot be written" if made else "Read-only file system") in lines[0]


@pytest.mark.slow
def test_a_first_key_is_not_lost_where_the_port_is_taken(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 8979))
        taken.listen()
        code, lines = started(tmp_path / "home")
    assert (code, len(lines)) == (2, 1), lines
    assert "nothing can listen" in lines[0]
    from radversary.service.serving import first_key
    from radversary.service.settings import Settings

    opened = Platform.open(Settings(home=tmp_path / "home"))
    assert first_key(opened).startswith("rv_")
    opened.close()


@pytest.mark.slow
@pytest.mark.usefixtures("fake_kinds")
def test_a_clock_that_is_set_back_harms_nothing(client, platform, worker, key, monkeypatch):
    monkeypatch.setattr(sweeping, "BACK_OFF", 0.5)
    token, whole = key("viewer", days=1), time.time
    before = ask_for(platform, actor(), "fake", {"acts": ["wait", "disk", "done"]}, title="before").id
    within(20, lambda: (platform.settings.home / "jobs" / before / "runs").exists())
    monkeypatch.setattr(time, "time", lambda: whole() - 3600)
    change(platform, actor(), before, "pause")
    within(6, lambda: state_of(platform, before).state == State.PAUSED)
    change(platform, actor(), before, "resume")
    after = ask_for(platform, actor(), "fake", {}, title="after").id
    within(40, lambda: all(state_of(platform, name).state == State.DONE for name in (before, after)))
    assert platform.keyring.actor(token).name == "test"
    assert {item["id"] for item in client.get("/v1/jobs").json()["items"]} == {before, after}
    with platform.database.session() as session:
        assert not list(faults(session))


