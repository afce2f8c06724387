"""Visitors of the dashboard, signed in by role, over a platform with a model, data, a finished audit and a guard."""

from __future__ import annotations

import re
import shutil
import time

import pytest
from fastapi.testclient import TestClient

from radversary.service.app import make_app
from radversary.service.store.tables import Dataset, Guard, Job, Line, Model
from service.conftest import CLASSES, PHANTOMS
from service.dashboard.streamed import add_stream, add_watch

SCORE = {"value": 41.5, "letter": "D", "caps": ["G1"], "level": 1,
         "reasons": ["the measurement is suspect", "patients are not known"]}
ROLES = ("viewer", "operator", "auditor", "administrator")
PAGES = {"/": "read", "/models": "read", "/models/{model}": "read", "/data": "read", "/jobs": "read",
         "/jobs?state=failed": "read", "/jobs/{job}": "read", "/jobs/{failed}": "read", "/jobs/{running}": "read",
         "/jobs/{job}/evidence": "read", "/compare": "read", "/guards": "read",
         "/guards/{guard}": "read", "/settings": "read", "/monitoring": "read", "/screening/batches": "read",
         "/monitoring/{guard}": "read", "/monitoring/{guard}?back=day": "read", "/alerts": "read",
         "/schedules": "read", "/screening": "screen", "/screening/recent": "read", "/audits/new": "write",
         "/audits/new?model={model}": "write", "/audits/new?model={model}&dataset={dataset}": "write",
         "/keys": "log", "/log": "log", "/log/check": "log"}
"""Every page that needs no result, to the scope that it needs."""
MAY = {"viewer": {"read"}, "operator": {"read", "screen", "write"}, "auditor": {"read", "log"},
       "administrator": {"read", "screen", "write", "log"}}


@pytest.fixture
def app(platform):
    return make_app(platform)


@pytest.fixture
def visitor(app, key):
    """Signs somebody in: roles or scopes to a client that holds the cookie."""
    opened = []

    def make(*scopes, tenant="main"):
        client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
        opened.append(client)
        answer = client.post("/sign-in", data={"key": key(*scopes, tenant=tenant)})
        assert answer.status_code == 303, answer.text
        return client
    yield make
    for client in opened:
        client.close()


def word(client):
    """The session's word, as a page has it."""
    found = re.search(r'data-csrf="([\w-]+)"', client.get("/log", headers={"Accept": "text/html"}).text)
    return found[1]


@pytest.fixture
def things(platform):
    """Ids of a model, data, jobs of several states and a guard, noted as jobs note them."""
    now = time.time()
    with platform.database.session() as session:
        model = Model(tenant="main", name="<b>Reader</b>", reference="/nowhere", sha256="0" * 64, warnings=["it warns"],
                      card={"name": "m", "architecture": "small-cnn", "classes": list(CLASSES), "size": 48})
        data = Dataset(tenant="main", name="Phantoms", source=PHANTOMS, images=12, classes={"Normal": 12}, notes=[])
        session.add_all([model, data])
        session.flush()
        of = {"model": model.id, "dataset": data.id}
        spec = {"of": of, "preset": "quick", "plan": {}}
        made = {"job": Job(tenant="main", kind="audit", title="an audit", spec=spec, state="done", started=now - 75,
                           attempts=1, ended=now, summary={"clean": "90 %", "battery": "", "scores": {"none": SCORE}}),
                "older": Job(tenant="main", kind="audit", title="an older", spec=spec, state="done", created=now - 9999,
                             summary={"clean": "90 %", "battery": "", "scores": {"none": SCORE}}),
                "failed": Job(tenant="main", kind="audit", title="a failure", spec=spec, state="failed",
                              error="the disk is <full>"),
                "running": Job(tenant="main", kind="audit", title="it runs", spec=spec, state="running", started=now,
                               progress={"step": "attack", "done": 2, "total": 5, "left": 3.0})}
        guard = Guard(tenant="main", name="the guard", model_id=model.id, folder="/nowhere", promise={
            "alpha": 0.05, "promise": {"alpha": 0.05, "patients": {"all": 60}, "thresholds": {"all": 0.9},
                                       "bound_95": {"all": 0.08}, "pooled": [], "calibration_sha256": "0"}})
        session.add_all([*made.values(), guard])
        session.flush()
        session.add(Line(job_id=made["running"].id, text="warning: <i>of</i> a line"))
        ids = {"model": model.id, "dataset": data.id, "guard": guard.id,
               **{name: job.id for name, job in made.items()}}
        add_stream(session, guard.id, now=now)
        return {**ids, **add_watch(session, ids, now=now)}


@pytest.fixture(scope="session")
def chromium():
    """Debian's chromium, or any other that is on the path."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("NO CHROMIUM: pages were not opened in a browser (apt-get install chromium)")
    return found


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A run folder with a scored result, pictures and a report."""
    from audit_factory import audit_result
    from score_factory import World, weak

    from radversary.report.html import write_report

    folder = tmp_path_factory.mktemp("run")
    labels = World.of(60).labels
    scored = World.of(60, none=weak(labels), sturdy=weak(labels, epsilon=40 / 255, style=3.0)).result()
    scored.model_copy(update={"gallery": audit_result(folder, images=3).gallery}).save(folder / "result.json")
    write_report(folder)
    return folder
