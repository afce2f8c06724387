"""What is removed on a page is removed with its files, by whom it may be, and the page says how much is gone."""

from __future__ import annotations

import pytest

from radversary.service.store.tables import Dataset, Guard, Job, Model
from service.dashboard.conftest import word
from service.retention.conftest import job_of, upload_of

pytestmark = pytest.mark.slow


def pressed(client, path):
    """Press a button of a form; return the page that follows."""
    answer = client.post(path, data={"csrf": word(client)})
    assert answer.status_code == 303, answer.text
    return client.get(answer.headers["location"]).text


def uploaded(platform):
    """A model and data that were uploaded; returns their ids."""
    trees = [str(platform.settings.home / upload_of(platform, names=("files/a.png", "files/b.png"))) for _ in range(2)]
    with platform.database.session() as session:
        rows = [Model(tenant="main", name="m", reference=trees[0], card={}, sha256="", warnings=[]),
                Dataset(tenant="main", name="d", source={"name": "auto", "options": {"root": trees[1]}}, images=1,
                        classes={}, notes=[])]
        session.add_all(rows)
    return [row.id for row in rows]


def test_an_operator_removes_models_and_data_and_is_told_what_is_gone(visitor, platform):
    client = visitor("administrator")
    model, data = uploaded(platform)
    for path in (f"/models/{model}/remove", f"/data/{data}/remove"):
        shown = pressed(client, path)
        assert "2 files of" in shown
        assert "of the audit log" in shown
        assert "nothing is left" in shown


def test_an_administrator_removes_jobs_and_guards_and_nobody_else_sees_the_buttons(visitor, platform, things):
    job = job_of(platform)
    for role, shown in (("viewer", False), ("operator", False), ("auditor", False), ("administrator", True)):
        client = visitor(role)
        for path in (f"/jobs/{job}", f"/guards/{things['guard']}"):
            assert (f'action="{path}/remove"' in client.get(path).text) == shown, (role, path)
    assert f'action="/jobs/{things["running"]}/remove"' not in client.get(f"/jobs/{things['running']}").text
    assert "9 files of" in pressed(client, f"/jobs/{job}/remove")
    assert "It had no files here" in pressed(client, f"/guards/{things['guard']}/remove")
    with platform.database.reading() as session:
        assert (session.get(Job, job), session.get(Guard, things["guard"])) == (None, None)


def test_what_is_said_is_what_the_log_of_the_tenant_says(visitor, platform):
    platform_lines = uploaded(platform)
    client = visitor("administrator")
    client.post(f"/models/{platform_lines[0]}/remove", data={"csrf": word(client)})
    assert "2 files of" in client.get("/jobs?removed=1-2-3-4-5-6").text
    other = visitor("viewer", tenant="other")
    assert "files of" not in other.get("/jobs?removed=1-2-3-4-5-6").text
    assert other.get("/jobs?removed=a").status_code == 422


def test_what_stands_in_the_way_is_said(visitor, things):
    client = visitor("administrator")
    answer = client.post(f"/jobs/{things['running']}/remove", data={"csrf": word(client)})
    assert (answer.status_code, "cancel it first" in answer.text) == (409, True)


def test_the_settings_say_how_long_copies_stay(visitor):
    assert "30 days after their job is done" in visitor("viewer").get("/settings").text
