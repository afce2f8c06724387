"""A platform in a folder, with keys, a small model and phantoms; jobs are done where a test starts a worker."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi.testclient import TestClient

from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.service.access.keys import give_key
from radversary.service.access.scopes import SYSTEM, Actor, scopes_named
from radversary.service.app import make_app
from radversary.service.platform import Platform
from radversary.service.settings import Settings
from service import fakes
from service import postgres as postgresql

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")
PHANTOMS = {"name": "phantoms", "options": {"count": 12, "size": 48, "seed": 3}}
PLAN = {"attacks": [{"label": "step", "name": "fgsm", "strengths": [0.05]}], "bootstrap": 100, "gallery": 0,
        "probe_images": 0, "false_alarms": 0.2}
"""What audits a few phantoms in seconds."""


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """A folder of the server with a saved model of three classes, which may be registered."""
    folder = tmp_path_factory.mktemp("shelf")
    save_classifier(wrap(build_network("small-cnn", classes=3, seed=1), classes=CLASSES, size=48,
                         architecture="small-cnn"), folder / "model")
    return folder


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server for the whole session."""
    server = postgresql.started()
    yield server
    server.end()


BOTH = pytest.mark.parametrize("settings", ["sqlite", "postgresql"], indirect=True)
"""Runs a test on each database."""
MAINLY_SQLITE = pytest.mark.parametrize("settings", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)],
                                        indirect=True)
MAINLY_POSTGRESQL = pytest.mark.parametrize("settings", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"],
                                            indirect=True)
"""Run a test on one database, and on the other one before a release."""


@pytest.fixture
def settings(request, tmp_path, shelf):
    """Settings of a platform; on the database that the test is given by ``BOTH``, else on SQLite."""
    given = getattr(request, "param", "sqlite")
    url = request.getfixturevalue("postgres").fresh() if given == "postgresql" else ""
    return Settings(home=tmp_path / "home", database=url, roots=(shelf,), reserve=1, device="cpu", silence=3.0,
                    retention=30.0)


@pytest.fixture
def platform(settings):
    opened = Platform.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def key(platform):
    """Makes a key: names of scopes or roles, and a tenant, to its token."""
    def make(*scopes, tenant="main", days=None):
        with platform.database.session() as session:
            return give_key(session, SYSTEM, "test", scopes or ("administrator",), tenant=tenant, days=days).token
    return make


def actor(*scopes, tenant="main"):
    """Somebody with some scopes or roles."""
    return Actor(tenant=tenant, id="tester", name="tester", scopes=scopes_named(scopes or ("administrator",)))


@pytest.fixture
def client(platform, key):
    """A client of the API that brings an administrator's key."""
    with TestClient(make_app(platform), headers={"Authorization": f"Bearer {key()}"},
                    raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def live(platform):
    """The address of a server of this process, on a port of its own."""
    with served(platform, socket.create_server(("127.0.0.1", 0))) as address:
        yield address


@contextmanager
def served(platform, listening):
    """A server of this process at a socket, until the block is left; its address."""
    server = uvicorn.Server(uvicorn.Config(make_app(platform), log_level="error", log_config=None,
                                           timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def worker(settings):
    """A worker in a thread of this process, until the test ends."""
    from radversary.service.jobs.worker import JobWorker

    made = JobWorker(settings)
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.stop()
    thread.join(timeout=30)


@pytest.fixture
def fake_kinds(monkeypatch):
    """Jobs of the kind ``fake`` do what a test asks: see :mod:`service.fakes`."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    fakes.known(monkeypatch)


def ended(client, job, *, within=120):
    """Wait until a job has ended; return what the API says of it."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        found = client.get(f"/v1/jobs/{job}").json()
        if found["state"] in ("done", "failed", "cancelled", "paused"):
            return found
        time.sleep(0.1)
    raise AssertionError(f"the job did not end: {found}")


def registered(client, shelf):
    """Register the model and the phantoms; return their ids."""
    model = client.post("/v1/models", json={"name": "victim", "path": str(shelf / "model")})
    assert model.status_code == 201, model.text
    dataset = client.post("/v1/datasets", json={"name": "phantoms", "source": "phantoms",
                                                "options": PHANTOMS["options"]})
    assert dataset.status_code == 201, dataset.text
    return model.json()["id"], dataset.json()["id"]
