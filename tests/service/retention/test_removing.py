"""Who may removes what nothing needs, with its files; what stands in the way is said, and what is gone is proved."""

from __future__ import annotations

import shutil

import pytest

from radversary.service.monitoring.alerts import Kind as AlertKind
from radversary.service.monitoring.alerts import open_alert
from radversary.service.monitoring.streams import count_new
from radversary.service.retention.purging import mark
from radversary.service.retention.sweeping import Sweep
from radversary.service.retention.trees import Kind
from radversary.service.store.monitoring_tables import Alert, Channel, Delivery, Schedule, Stream
from radversary.service.store.tables import Dataset, Guard, Job, Line, Model, Screening
from service.conftest import BOTH
from service.monitoring.conftest import add_screenings, films
from service.retention.conftest import PLANTED, holders, job_of, lines, names_in, upload_of

pytestmark = pytest.mark.slow


def added(platform, row):
    with platform.database.session() as session:
        session.add(row)
    return row.id


def dataset_of(platform, root, tenant="main"):
    source = {"name": "auto", "options": {"root": str(platform.settings.home / root)}}
    return added(platform, Dataset(tenant=tenant, name="d", source=source, images=1, classes={}, notes=[]))


def model_of(platform, reference):
    return added(platform, Model(tenant="main", name="m", reference=str(reference), card={}, sha256="", warnings=[]))


def there(platform, kind, given):
    with platform.database.reading() as session:
        return session.get(kind, given) is not None


@BOTH
def test_what_was_uploaded_goes_with_what_it_was_registered_as(client, platform):
    for given, path in ((dataset_of, "datasets"), (lambda place, tree: model_of(place, place.settings.home / tree),
                                                   "models")):
        tree = upload_of(platform, names=("files/a.png", "files/b.png"))
        answer = client.delete(f"/v1/{path}/{given(platform, tree)}")
        assert answer.status_code == 200, answer.text
        line = lines(platform)[-1]
        assert answer.json() == {"files": 2, "bytes": line.detail["bytes"], "left": 0, "kept": "", "log": line.number}
        assert (line.subject, line.detail["left"]) == (tree[-24:], 0)
        assert not (platform.settings.home / tree).exists()
    assert client.get("/v1/log/check").json()["faults"] == []


def test_what_lies_in_a_folder_of_the_server_is_not_touched(client, platform, shelf):
    before = names_in(shelf / "model")
    answer = client.delete(f"/v1/models/{model_of(platform, shelf / 'model')}").json()
    assert (answer["files"], answer["left"], answer["kept"]) == (0, 0, "")
    assert names_in(shelf / "model") == before
    assert [line.number for line in lines(platform, "model.remove")] == [answer["log"]]


@pytest.mark.parametrize("namer", ["model", "dataset", "schedule", "running", "failed", "all of it"])
def test_an_upload_that_something_else_names_stays_until_nothing_does(client, platform, namer):
    tree = upload_of(platform, age=2 * 86400)
    path = str(platform.settings.home / tree / "files")
    spec = {"source": {"name": "auto", "options": {"root": path}}}
    rows = {"model": lambda: Model(tenant="main", name="m", reference=path, card={}, sha256="", warnings=[]),
            "dataset": lambda: Dataset(tenant="main", name="o", source=spec["source"], images=1, classes={}, notes=[]),
            "schedule": lambda: Schedule(tenant="main", name="s", cron="0 3 * * *", spec=spec, title="t",
                                         baseline="0" * 24, rules={}),
            "running": lambda: Job(tenant="main", kind="audit", title="t", spec=spec, state="running"),
            "failed": lambda: Job(tenant="main", kind="audit", title="t", spec=spec, state="failed", ended=9e9),
            "all of it": lambda: Model(tenant="main", name="m", reference=str(platform.settings.home / "tenants/main"),
                                       card={}, sha256="", warnings=[])}
    row = rows[namer]()
    added(platform, row)
    answer = client.delete(f"/v1/datasets/{dataset_of(platform, tree)}").json()
    assert (answer["files"], answer["left"], "go later" in answer["kept"]) == (0, 1, True)
    with platform.database.session() as session:  # so that the store is older than the upload
        session.execute(__import__("sqlalchemy").text("UPDATE log SET created = 1"))
    Sweep(platform.database).turn()
    assert names_in(platform.settings.home / tree) == ["files/Mustermann.png"]
    with platform.database.session() as session:
        session.delete(session.get(type(row), row.id))
    Sweep(platform.database).turn()
    assert not (platform.settings.home / tree).exists()


def test_an_audit_that_is_done_holds_nothing_back(client, platform):
    tree = upload_of(platform)
    job_of(platform, spec={"model": str(platform.settings.home / tree / "files")})
    answer = client.delete(f"/v1/models/{model_of(platform, platform.settings.home / tree / 'files')}").json()
    assert (answer["files"], answer["kept"]) == (1, "")


@BOTH
def test_a_job_goes_with_its_log_its_folder_its_alerts_and_its_films(client, platform):
    tree = upload_of(platform)
    job = job_of(platform, state="failed", kind="screening", spec={"films": str(platform.settings.home / tree)})
    with platform.database.session() as session:
        session.add(Channel(tenant="main", kind="mail", address="a@example.org"))
        session.add(Line(job_id=job, text="it goes on"))
        session.flush()
        open_alert(session, "main", AlertKind.JOB, job, "a job failed")
    answer = client.delete(f"/v1/jobs/{job}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["left"] == 0
    assert {line.subject for line in lines(platform)} == {job, tree[-24:]}
    assert holders(platform.settings.home / "jobs", PLANTED) == []
    assert client.get(f"/v1/jobs/{job}").status_code == 404
    with platform.database.reading() as session:
        for kind in (Line, Alert, Delivery, Job):
            assert session.query(kind).count() == 0, kind
    assert client.delete(f"/v1/jobs/{job}").status_code == 404


@pytest.mark.parametrize(("state", "says"), [("running", "running; cancel it first"), ("queued", "cancel it first"),
                                             ("paused", "cancel it first")])
def test_a_job_that_has_not_ended_is_not_removed(client, platform, state, says):
    job = job_of(platform, state=state)
    answer = client.delete(f"/v1/jobs/{job}")
    assert (answer.status_code, says in answer.json()["detail"]) == (409, True)
    assert there(platform, Job, job)
    assert (platform.settings.home / "jobs" / job / "result.json").exists()


def test_a_job_whose_work_is_used_is_not_removed(client, platform):
    made, baseline, drawn = job_of(platform, kind="guard"), job_of(platform), job_of(platform)
    home = platform.settings.home
    added(platform, Guard(tenant="main", name="g", model_id="0" * 24, folder=str(home / f"jobs/{made}/guard"),
                          promise={}))
    added(platform, Schedule(tenant="main", name="s", cron="0 3 * * *", spec={}, title="t", baseline=baseline,
                             rules={}))
    added(platform, Job(tenant="main", kind="report", title="t", state="queued",
                        spec={"of": {"job": drawn}, "run": str(home / "jobs" / drawn)}))
    for job, says in ((made, "a guard"), (baseline, "baseline of a schedule"), (drawn, "a job that has not ended")):
        answer = client.delete(f"/v1/jobs/{job}")
        assert (answer.status_code, says in answer.json()["detail"]) == (409, True), answer.text
        assert there(platform, Job, job)


@BOTH
def test_a_guard_goes_with_its_screenings_and_all_that_is_held_of_it(client, platform, guard, bundle):
    job = job_of(platform, kind="guard")
    folder = platform.settings.home / "jobs" / job / "guard"
    shutil.copytree(bundle[0], folder)
    with platform.database.session() as session:
        session.get(Guard, guard).folder = str(folder)
    other = added(platform, Guard(tenant="main", name="o", model_id="0" * 24, folder=str(bundle[0]), promise={}))
    for name in (guard, other):
        add_screenings(platform, name, [1.0, 9.0, None])
    count_new(platform.database)
    with platform.database.session() as session:
        open_alert(session, "main", AlertKind.DRIFT, guard, "drift")
    assert client.post(f"/v1/guards/{guard}/screenings", content=films(1)[0]).status_code == 201
    assert client.get(f"/v1/guards/{guard}/monitoring").status_code == 200
    answer = client.delete(f"/v1/guards/{guard}")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["files"] > 0, answer.json()["left"]) == (True, 0)
    assert not folder.exists()
    assert (folder.parent / "result.json").exists()
    assert client.app.state.guards._held == {}
    assert platform.overviews._values == {}
    assert client.post(f"/v1/guards/{guard}/screenings", content=films(1)[0]).status_code == 404
    with platform.database.reading() as session:
        assert {row.guard_id for row in session.query(Screening)} == {other}
        assert {row.id for row in session.query(Stream)} == {other}
        assert session.query(Alert).count() == 0
    assert client.delete(f"/v1/jobs/{job}").status_code == 200


def test_a_guard_that_is_used_is_not_removed(client, platform, guard):
    for row in (Job(tenant="main", kind="screening", title="t", state="paused", spec={"of": {"guard": guard}}),
                Schedule(tenant="main", name="s", cron="0 3 * * *", spec={"of": {"guard": guard}}, title="t",
                         baseline="0" * 24, rules={})):
        name = added(platform, row)
        assert client.delete(f"/v1/guards/{guard}").status_code == 409
        assert there(platform, Guard, guard)
        with platform.database.session() as session:
            session.delete(session.get(type(row), name))
    assert client.delete(f"/v1/guards/{guard}").status_code == 200


def test_a_film_that_is_judged_while_its_guard_goes_is_not_noted(client, platform, guard, monkeypatch):
    from radversary.service.catalogue import screenings

    described = screenings.describe

    def removing(row, seen):
        described(row, seen)
        with platform.database.session() as session:
            session.delete(session.get(Guard, guard))
    monkeypatch.setattr(screenings, "describe", removing)
    assert client.post(f"/v1/guards/{guard}/screenings", content=films(1)[0]).status_code == 404
    with platform.database.reading() as session:
        assert session.query(Screening).count() == 0


def test_only_an_administrator_of_the_tenant_removes_jobs_and_guards(client, platform, key, guard):
    job, tree = job_of(platform), upload_of(platform)
    data = dataset_of(platform, tree)
    for token, status in ((key("operator"), 403), (key("administrator", tenant="other"), 404)):
        for path in (f"jobs/{job}", f"guards/{guard}"):
            answer = client.delete(f"/v1/{path}", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status, answer.text
    for token, status in ((key("viewer"), 403), (key("operator", tenant="other"), 404)):
        answer = client.delete(f"/v1/datasets/{data}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status
    assert there(platform, Job, job)
    assert there(platform, Guard, guard)
    assert (platform.settings.home / tree).exists()
    assert lines(platform) == []


def test_what_is_to_be_removed_cannot_be_asked_for(client, platform, guard):
    tree = upload_of(platform)
    with platform.database.session() as session:
        mark(session, "main", tree, Kind.UPLOAD, "tester")
    answer = client.post(f"/v1/guards/{guard}/batches", json={"path": str(platform.settings.home / tree / "files")})
    assert (answer.status_code, "were removed" in answer.json()["detail"]) == (409, True)
    with platform.database.reading() as session:
        assert session.query(Job).count() == 0


def test_a_file_that_stays_is_a_refusal_and_goes_with_the_next_sweep(client, platform, monkeypatch):
    tree = upload_of(platform)
    data = dataset_of(platform, tree)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", lambda _path: (_ for _ in ()).throw(PermissionError))
        answer = client.delete(f"/v1/datasets/{data}")
    assert (answer.status_code, "could not be removed" in answer.json()["detail"]) == (503, True)
    assert lines(platform) == []
    Sweep(platform.database).turn()
    assert len(lines(platform)) == 1
    assert not (platform.settings.home / tree).exists()
