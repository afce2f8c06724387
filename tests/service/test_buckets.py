"""Two machines that share a database and a bucket, and no folder: an audit goes on elsewhere, with the same bytes."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from radversary.service.access.keys import give_key
from radversary.service.access.scopes import SYSTEM
from radversary.service.app import make_app
from radversary.service.catalogue.jobs import ask_for_screening
from radversary.service.jobs.states import ENDED, State
from radversary.service.operations.checking import faults_of
from radversary.service.platform import Platform
from radversary.service.store.tables import Job, Model
from service.conftest import PHANTOMS, PLAN, actor
from service.killing import PLAN as LONGER
from service.killing import differing, digests
from service.running import environment, within
from service.test_audits import phantom_png

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WORKER = ("import sys; from radversary.service.jobs import carrying; carrying.OFTEN = 0.2; "
          "from radversary.service.jobs.__main__ import main; sys.exit(main())")
"""A worker that stores what is finished five times a second."""


@pytest.fixture(scope="module")
def s3():
    """The address of an S3 server; credentials are in the environment, as on a real machine."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'radversary[s3]'")
    server = pytest.importorskip("moto.server", reason="no S3 server is installed: pip install 'moto[s3]' flask "
                                                       "flask-cors").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    within(60, lambda: answers(host, port))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("AWS_ACCESS_KEY_ID", "AKIATESTONLY"), ("AWS_SECRET_ACCESS_KEY", "s3-secret-of-the-test"),
                            ("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", f"http://{host}:{port}")):
            patch.setenv(name, value)
        yield f"http://{host}:{port}"
    server.stop()


def answers(host, port):
    """Whether somebody listens at a port."""
    with suppress(OSError), socket.create_connection((host, port), timeout=5):
        return True
    return False


@pytest.fixture
def bucket(s3, tmp_path):
    import s3fs

    name = f"films-{os.getpid()}-{time.time_ns()}"
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}/platform"


@contextmanager
def opened(settings):
    """A server of a platform in this process; yields the platform and a client."""
    platform = Platform.open(settings)
    with platform.database.session() as session:
        token = give_key(session, SYSTEM, "test", ["administrator"]).token
    with TestClient(make_app(platform), headers={"Authorization": f"Bearer {token}"}) as client:
        yield platform, client


@contextmanager
def machine(settings, name):
    """A machine with a worker and a home of its own."""
    home = settings.home.parent / name
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(home), "--device", "cpu", "--reserve", "1", "--silence", "3"],
        env={**environment(settings), "RADVERSARY_BLOBS": settings.blobs}, stdin=subprocess.PIPE,
        start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def uploaded(client, shelf):
    """Upload the model, register it and phantoms; return their ids."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted((shelf / "model").iterdir()):
            archive.write(path, f"model/{path.name}")
    place = client.post("/v1/uploads/model.zip", content=content.getvalue())
    assert place.status_code == 201, place.text
    model = client.post("/v1/models", json={"name": "victim", "path": place.json()["path"]})
    assert model.status_code == 201, model.text
    data = client.post("/v1/datasets", json={"name": "phantoms", "source": "phantoms", "options": PHANTOMS["options"]})
    return model.json()["id"], data.json()["id"]


def ask(client, ids, plan):
    return client.post("/v1/audits", json={"model": ids[0], "dataset": ids[1], "plan": plan}).json()["id"]


def state_of(platform, job):
    with platform.database.session() as session:
        return session.get(Job, job).state


def done(platform, job, seconds=120):
    assert within(seconds, lambda: (state := state_of(platform, job)) in ENDED and state, every=0.2) == State.DONE


def units(platform, job):
    return {name for name in platform.blobs.state(f"jobs/{job}") if name.startswith("units/")}


def whole(platform, job, folder):
    platform.blobs.fetch(f"jobs/{job}", folder)
    return folder


@pytest.mark.long
def test_an_audit_whose_worker_is_killed_goes_on_on_another_machine_with_the_same_bytes(
        settings, postgres, bucket, shelf, tmp_path):
    shared = replace(settings, database=postgres.fresh())
    with opened(shared) as (platform, client), machine(shared, "home"):
        job = ask(client, uploaded(client, shelf), LONGER)
        done(platform, job)
        wanted = digests(shared.home / "jobs" / job)
    apart = replace(settings, home=tmp_path / "server", database=postgres.fresh(), blobs=bucket)
    with opened(apart) as (platform, client):
        ids = uploaded(client, shelf)
        with machine(apart, "first") as first:
            job = ask(client, ids, LONGER)
            within(60, lambda: units(platform, job), every=0.02)
            first.kill()
            first.wait()
        kept = units(platform, job)
        assert state_of(platform, job) == State.RUNNING
        before = {name: platform.blobs.state(f"jobs/{job}")[name] for name in kept}
        with machine(apart, "second"):
            done(platform, job)
        assert not (tmp_path / "server/jobs" / job / "units").exists()
        after = platform.blobs.state(f"jobs/{job}")
        assert {name: after[name] for name in kept} == before, "what was finished was done again"
        assert differing(wanted, digests(whole(platform, job, tmp_path / "whole"))) == set()
        assert client.get(f"/v1/jobs/{job}/result").status_code == 200
        report = client.post(f"/v1/jobs/{job}/report").json()["id"]
        with machine(apart, "third"):
            done(platform, report)
        assert client.get(f"/v1/jobs/{job}/files/report.html").status_code == 200
        assert list(faults_of(apart, platform.database)) == []
        check_missing(platform, apart, job)
    check_secrets(tmp_path)


def check_missing(platform, settings, job):
    """A content that is lost is found, and so is an upload."""
    name = next(iter(platform.blobs.bucket.under(f"jobs/{job}/content")))
    platform.blobs.bucket.remove([f"jobs/{job}/content/{name}"])
    with platform.database.session() as session:
        reference = session.query(Model).one().reference
    assert reference.startswith("blobs:/tenants/main/uploads/")
    platform.blobs.forget(platform.settings.home / reference.removeprefix("blobs:/").rpartition("/")[0])
    found = list(faults_of(settings, platform.database))
    assert any(f"job {job}: 1 contents are missing" in fault for fault in found)
    assert any("(victim): nothing of it is at" in fault for fault in found)


def check_secrets(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"s3-secret-of-the-test" not in path.read_bytes(), path


def test_an_upload_that_cannot_be_stored_leaves_nothing(settings, bucket, shelf, monkeypatch):
    apart = replace(settings, blobs=bucket)
    with opened(apart) as (platform, client):
        monkeypatch.setattr(platform.blobs.bucket, "write", refused)
        assert client.post("/v1/uploads/a.png", content=b"film").status_code >= 500
        monkeypatch.undo()
        assert list(apart.folder("tenants", "main", "uploads").iterdir()) == []
        assert platform.blobs.bucket.under("tenants/main/uploads") == {}


def refused(*_given):
    from radversary.core.errors import StorageError

    raise StorageError("the bucket cannot be reached")


@pytest.mark.long
def test_a_job_that_is_paused_goes_on_and_jobs_leave_no_folder_of_their_work(settings, shelf, tmp_path):
    apart = replace(settings, blobs=f"file://{tmp_path}/bucket")
    with opened(apart) as (platform, client), machine(apart, apart.home.name):
        ids = uploaded(client, shelf)
        job = ask(client, ids, LONGER)
        within(60, lambda: units(platform, job), every=0.02)
        client.post(f"/v1/jobs/{job}/pause")
        within(20, lambda: state_of(platform, job) == State.PAUSED)
        kept = units(platform, job)
        assert kept
        client.post(f"/v1/jobs/{job}/resume")
        done(platform, job)
        assert kept <= units(platform, job)
        other = ask(client, ids, PLAN)
        done(platform, other)
        within(20, lambda: not list(apart.home.joinpath("work").glob("[0-9a-f]*")))


@pytest.mark.long
def test_a_guard_made_on_one_machine_judges_on_others(settings, postgres, shelf, tmp_path):
    apart = replace(settings, home=tmp_path / "server", database=postgres.fresh(), blobs=f"file://{tmp_path}/bucket")
    films = io.BytesIO()
    with zipfile.ZipFile(films, "w") as archive:
        for number in range(3):
            archive.writestr(f"films/{number}.png", phantom_png())
    with opened(apart) as (platform, client):
        model, _ = uploaded(client, shelf)
        data = client.post("/v1/datasets", json={"name": "clean", "source": "phantoms", "options": {
            "count": 120, "size": 48, "seed": 8}}).json()["id"]
        with machine(apart, "first"):
            done(platform, client.post("/v1/guards", json={"model": model, "dataset": data, "alpha": 0.2}).json()["id"])
        (guard,) = client.get("/v1/guards").json()["items"]
        answer = client.post(f"/v1/guards/{guard['id']}/screenings", content=phantom_png())
        assert answer.status_code == 201, answer.text
        assert client.get(f"/v1/guards/{guard['id']}/monitoring").status_code == 200
        path = client.post("/v1/uploads/films.zip", content=films.getvalue()).json()["path"]
        job = ask_for_screening(platform, actor(), guard["id"], path).id
        with machine(apart, "second"):
            done(platform, job)
        lines = client.get(f"/v1/jobs/{job}/files/verdicts.jsonl")
        assert len(lines.text.splitlines()) == 3
        assert list(faults_of(apart, platform.database)) == []
