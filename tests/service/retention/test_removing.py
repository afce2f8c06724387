"""What is removed is gone from every file of the platform, and the audit log says so."""

from __future__ import annotations

import io
import shutil
import time
import zipfile
from dataclasses import replace
from unittest.mock import Mock

import pytest
import torch

from radversary.core.errors import StorageError
from radversary.imaging.png import encode_png
from radversary.service.jobs.states import State
from radversary.service.operations.checking import faults_of
from radversary.service.platform import Platform
from radversary.service.retention import purging, removing
from radversary.service.retention.keeping import COPIES, DAY, sweep
from radversary.service.retention.removing import remove_dataset, remove_guard, remove_job
from radversary.service.store.monitoring_tables import Alert, Schedule
from radversary.service.store.tables import Dataset, Entry, Guard, Job, Line, Screening
from service.conftest import BOTH, PLAN, actor, ended
from service.monitoring.conftest import bundle, guard
from service.things import everything_of

__all__ = ["bundle", "guard"]  # fixtures

NAME = "PLANTED-Erika-19431224"


def made_film(number):
    """A film whose middle rows no other film has, as PNG."""
    return encode_png(torch.rand(1, 48, 48, generator=torch.Generator().manual_seed(900 + number)))


FILMS = [made_film(number) for number in range(12)]


def films_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, film in enumerate(FILMS):
            archive.writestr(f"{('Normal', 'Pneumonia')[number % 2]}/{NAME}-{number}.png", film)
    return out.getvalue()


def uploaded(client):
    """Upload films and register them; return the dataset's id and the path."""
    path = client.post("/v1/uploads/films.zip", content=films_zip()).json()["path"]
    made = client.post("/v1/datasets", json={"name": "films", "options": {"root": path}})
    assert made.status_code == 201, made.text
    return made.json()["id"], path


def holding(home):
    """Files under a home that hold a planted film or a planted name, or are named so."""
    marks = [NAME.encode(), *(film[60:160] for film in FILMS)]
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()
                  and (NAME in path.name or any(mark in path.read_bytes() for mark in marks)))


def purges(platform):
    with platform.database.session() as session:
        return [(line.subject, line.detail) for line in session.query(Entry).filter_by(action="purge")]


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_films_that_came_and_were_removed_are_in_no_file_of_the_platform(client, platform, shelf):
    home = platform.settings.home
    dataset, _ = uploaded(client)
    assert len(holding(home)) == 12
    model = client.post("/v1/models", json={"name": "victim", "path": str(shelf / "model")}).json()["id"]
    audit = client.post("/v1/audits", json={"model": model, "dataset": dataset, "plan": PLAN}).json()["id"]
    assert ended(client, audit)["state"] == "done"
    data = home / "jobs" / audit / COPIES
    assert any(data.rglob("*"))

    gone = sweep(platform.database)
    assert gone.files > 0
    assert not data.exists()
    assert client.get(f"/v1/jobs/{audit}/result").status_code == 200
    assert client.get(f"/v1/jobs/{audit}/scores").status_code == 200
    assert len([name for name in holding(home) if name.startswith("tenants")]) == 12  # the images are registered
    assert list(faults_of(platform.settings, platform.database)) == []

    first = client.delete(f"/v1/datasets/{dataset}").json()
    assert (first["files"], first["kept"]) == (12, 0)
    second = client.delete(f"/v1/jobs/{audit}").json()
    assert second["files"] > 3
    assert holding(home) == []
    assert not (home / "jobs" / audit).exists()
    assert client.get(f"/v1/jobs/{audit}").status_code == 404
    with platform.database.session() as session:
        assert session.query(Line).filter_by(job_id=audit).count() == 0
    told = dict(purges(platform)[-2:])
    assert {detail["left"] for detail in told.values()} == {0}
    assert NAME not in str(told)
    assert [line["number"] for line in client.get("/v1/log").json() if line["action"] == "purge"][-2:] == [
        *first["lines"], *second["lines"]]
    assert sweep(platform.database) == (0, 0)
    assert list(faults_of(platform.settings, platform.database)) == []
    (home / "jobs" / audit).mkdir()
    (home / "jobs" / audit / "x").write_text("back")
    assert any("was removed and is there again" in fault for fault in faults_of(platform.settings, platform.database))
    assert sweep(platform.database).files == 1


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_report_is_drawn_again_and_a_batch_leaves_its_verdicts_alone(client, platform, shelf, guard):
    home = platform.settings.home
    path = client.post("/v1/uploads/films.zip", content=films_zip()).json()["path"]
    batch = client.post(f"/v1/guards/{guard}/batches", json={"path": path}).json()["id"]
    assert ended(client, batch)["state"] == "done"
    sweep(platform.database)
    assert [name for name in holding(home) if not name.endswith("verdicts.jsonl")] == []
    assert len(client.get(f"/v1/jobs/{batch}/files/verdicts.jsonl").text.splitlines()) == 12
    model = client.post("/v1/models", json={"name": "victim", "path": str(shelf / "model")}).json()["id"]
    dataset, _ = uploaded(client)
    audit = client.post("/v1/audits", json={"model": model, "dataset": dataset, "plan": PLAN}).json()["id"]
    assert ended(client, audit)["state"] == "done"
    sweep(platform.database)
    drawn = client.post(f"/v1/jobs/{audit}/report").json()["id"]
    assert ended(client, drawn)["state"] == "done"


def job(platform, *, state=State.DONE, kind="audit", ended=None, spec=None, tenant="main"):
    row = Job(tenant=tenant, kind=kind, title="t", spec=spec or {}, state=state, ended=ended or time.time())
    with platform.database.session() as session:
        session.add(row)
    folder = platform.settings.folder("jobs", row.id, COPIES)
    (folder / "film.npy").write_bytes(b"film")
    return row.id, folder


@BOTH
@pytest.mark.slow
def test_copies_of_films_go_when_a_job_is_done_and_a_day_after_one_failed(platform):
    now = time.time()
    kept = {state: job(platform, state=state, ended=now - 60)[1] for state in State}
    sweep(platform.database, now)
    assert {state for state, folder in kept.items() if not folder.exists()} == {State.DONE}
    sweep(platform.database, now + DAY)
    assert {state for state, folder in kept.items() if folder.exists()} == {State.QUEUED, State.RUNNING, State.PAUSED}
    assert [detail["part"] for _, detail in purges(platform)] == [COPIES] * 3


@pytest.mark.slow
def test_retention_keeps_copies_for_days(settings):
    platform = Platform.open(replace(settings, retention=2.0))
    now = time.time()
    _, folder = job(platform, ended=now)
    sweep(platform.database, now + 1.9 * DAY)
    assert folder.exists()
    sweep(platform.database, now + 2.1 * DAY)
    assert not folder.exists()
    platform.close()


@pytest.mark.slow
def test_a_folder_from_which_a_report_is_being_drawn_waits(platform):
    audit, folder = job(platform)
    drawing, _ = job(platform, kind="report", state=State.QUEUED, spec={"of": {"job": audit}})
    sweep(platform.database)
    assert folder.exists()
    with platform.database.session() as session:
        session.get(Job, drawing).state = State.DONE
    sweep(platform.database)
    assert not folder.exists()


@pytest.mark.slow
def test_an_upload_that_nobody_used_goes_after_a_day_and_one_that_the_store_does_not_know_stays(client, platform):
    path = client.post("/v1/uploads/film.png", content=FILMS[0]).json()["path"]
    other = platform.settings.folder("tenants", "main", "uploads", "0" * 24)  # of a store that was lost
    (other / "film.png").write_bytes(b"film")
    sweep(platform.database)
    assert len(holding(platform.settings.home)) == 1
    sweep(platform.database, time.time() + 1.1 * DAY)
    assert holding(platform.settings.home) == []
    assert other.exists()
    assert client.post("/v1/models", json={"name": "m", "path": path}).status_code == 422


@pytest.mark.slow
def test_what_another_needs_stays(client, platform):
    dataset, path = uploaded(client)
    again = client.post("/v1/datasets", json={"name": "again", "options": {"root": path}}).json()["id"]
    assert client.delete(f"/v1/datasets/{dataset}").json() == {"files": 0, "bytes": 0, "kept": 1, "lines": []}
    assert len(holding(platform.settings.home)) == 12
    assert client.delete(f"/v1/datasets/{again}").json()["files"] == 12
    assert holding(platform.settings.home) == []


@BOTH
@pytest.mark.slow
def test_a_guard_goes_with_its_stream_its_alerts_and_its_bundle(platform):
    made = everything_of(platform, "main")
    other = everything_of(platform, "main")
    folder = platform.settings.folder("jobs", made["job"], "guard")
    (folder / "card.json").write_text("{}")
    with platform.database.session() as session:
        session.get(Guard, made["guard"]).folder = str(folder)
        session.add(Alert(tenant="main", kind="drift", subject=made["guard"], says="s", state="open", last=0.0))
    removed = remove_guard(platform, actor(), made["guard"])
    assert (removed.files, folder.exists()) == (1, False)
    with platform.database.session() as session:
        assert [row.guard_id for row in session.query(Screening)] == [other["guard"]]
        assert session.query(Alert).filter_by(subject=made["guard"]).count() == 0
        assert session.get(Guard, made["guard"]) is None


@BOTH
@pytest.mark.slow
def test_what_is_needed_or_goes_on_is_not_removed(platform, client):
    made = everything_of(platform, "main")
    answers = {}

    def asked(what, given):
        answer = client.delete(f"/v1/{what}/{given}")
        return answer.status_code, answer.json().get("detail", "")

    answers["baseline"] = asked("jobs", made["job"])
    with platform.database.session() as session:
        session.delete(session.get(Schedule, made["schedule"]))
        session.get(Guard, made["guard"]).folder = str(platform.settings.home / "jobs" / made["job"] / "guard")
        going = Job(tenant="main", kind="screening", title="t", spec={"of": {"guard": made["guard"]}}, state="running")
        session.add(going)
    answers["guard"] = asked("jobs", made["job"])
    answers["running"] = asked("jobs", going.id)
    answers["needed"] = asked("guards", made["guard"])
    assert {code for code, _ in answers.values()} == {409}
    assert "a schedule compares with that job" in answers["baseline"][1]
    assert "remove the guard first" in answers["guard"][1]
    assert "cancel it first" in answers["running"][1]
    assert "a job that has not ended needs that guard" in answers["needed"][1]


@pytest.mark.slow
def test_what_cannot_be_removed_is_said_and_the_next_sweep_finishes(platform, client, monkeypatch):
    dataset, _ = uploaded(client)
    with monkeypatch.context() as patch:
        patch.setattr(purging.shutil, "rmtree", lambda *_args, **_named: None)
        answer = client.delete(f"/v1/datasets/{dataset}")
    assert (answer.status_code, "could be removed" in answer.json()["detail"]) == (503, True)
    assert client.get(f"/v1/datasets/{dataset}").status_code == 404
    assert len(holding(platform.settings.home)) == 12
    sweep(platform.database, time.time() + 1.1 * DAY)
    assert holding(platform.settings.home) == []


@pytest.mark.slow
def test_two_sweeps_at_once_are_one(platform, settings):
    from concurrent.futures import ThreadPoolExecutor

    for _ in range(5):
        job(platform)
    others = [Platform.open(settings) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda other: sweep(other.database), others))
    assert sum(gone.files for gone in found) == 5
    assert len(purges(platform)) == 5
    for other in others:
        other.close()


@pytest.mark.slow
def test_a_removal_that_was_killed_half_way_is_finished(platform, monkeypatch):
    given, folder = job(platform)
    with monkeypatch.context() as patch:
        patch.setattr(removing, "purge", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            remove_job(platform, actor(), given)
    assert folder.exists()
    assert sweep(platform.database).files == 1
    assert not folder.parent.exists()


@pytest.mark.slow
def test_another_tenant_removes_nothing(platform):
    made = everything_of(platform, "theirs")
    for remove, kind in ((remove_job, "job"), (remove_guard, "guard"), (remove_dataset, "dataset")):
        with pytest.raises(Exception, match="there is no"):
            remove(platform, actor(tenant="mine"), made[kind])
    with platform.database.session() as session:
        assert session.query(Dataset).count() == 1


def test_a_purge_that_leaves_something_is_an_error(platform, monkeypatch):
    _, folder = job(platform)
    monkeypatch.setattr(shutil, "rmtree", lambda *_args, **_named: None)
    with pytest.raises(StorageError, match="not all of job"):
        purging.purge(platform.blobs, f"jobs/{folder.parent.name}")
