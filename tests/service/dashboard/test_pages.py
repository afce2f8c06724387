"""Every page opens for whoever may see it, with no button that may not be pressed, and asks no other host."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from sqlalchemy import text

from radversary import __version__
from radversary.service.dashboard.assets import STATIC, contents
from radversary.service.dashboard.pages import environment
from radversary.service.store import database
from service.dashboard.conftest import MAY, PAGES, ROLES, word

INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)
ELSEWHERE = re.compile(r"(?:src|href|action|hx-get|hx-post)=[\"']?(?:[a-z]+:)?//", re.IGNORECASE)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_every_page_opens_for_whom_it_is(visitor, things, role):
    client = visitor(role)
    for path, scope in PAGES.items():
        answer = client.get(path.format(**things), headers={"Accept": "text/html"})
        assert answer.status_code == (200 if scope in MAY[role] else 403), (path, answer.text)
        assert answer.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert not INLINE.search(answer.text), (path, INLINE.search(answer.text))
        assert not ELSEWHERE.search(answer.text), path
        if "write" not in MAY[role]:
            assert set(re.findall(r'<form method="post" action="([^"]*)"', answer.text)) <= {"/sign-out"}, path
        if "<main" in answer.text:
            assert all(text in answer.text for text in ('lang="en"', 'href="#content"', "<main", "<h1>")), path
        assert "<b>Reader</b>" not in answer.text
        assert "<main" not in answer.text or f"radversary {__version__}. Research" in answer.text
        assert "<i>of</i>" not in answer.text


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_an_empty_platform_says_what_comes_next(visitor, role):
    client = visitor(role)
    for path in ("/", "/models", "/data", "/jobs", "/compare", "/guards", "/monitoring", "/alerts", "/schedules"):
        assert 'class="empty"' in client.get(path).text, path


@pytest.mark.slow
def test_a_key_that_may_only_screen_comes_to_the_screening(visitor, things):
    client = visitor("screen")
    assert client.get("/").headers["location"] == "/screening"
    shown = client.get("/screening").text
    assert "the guard" in shown
    assert 'href="/models"' not in shown
    assert "/screening/recent" not in shown


@pytest.mark.slow
def test_figures_are_those_of_the_summary(visitor, things):
    shown = visitor("viewer").get("/").text
    assert "<b>41.5</b>" in shown
    assert ">D</span>" in shown
    assert "against it: G1" in shown
    assert "the disk is &lt;full&gt;" in shown
    assert "Took" not in shown


@pytest.mark.slow
def test_a_time_is_told_where_it_was_measured_and_no_other(visitor, things):
    shown = visitor("operator").get(f"/audits/new?model={things['model']}&dataset={things['dataset']}").text
    assert shown.count("Took") == 1
    assert shown.count("No time is known") == 2
    assert re.search(r"9 attacks, 14 conditions", shown)


@pytest.mark.slow
def test_what_belongs_to_others_is_not_there(visitor, things):
    client = visitor("administrator", tenant="other")
    for path in ("/models/{model}", "/jobs/{job}", "/jobs/{job}/evidence", "/jobs/{job}/report", "/jobs/{job}/live",
                 "/jobs/{job}/score", "/jobs/{job}/images", "/jobs/{job}/files/result.json"):
        answer = client.get(path.format(**things))
        assert answer.status_code == 404, path
        assert "an audit" not in answer.text
    assert "Reader" not in client.get("/").text + client.get("/models").text + client.get("/log").text


@pytest.mark.slow
def test_unknown_pages_say_so_as_pages_and_unknown_endpoints_as_problems(visitor):
    client = visitor("viewer")
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert (page.status_code, "There is no such page." in page.text) == (404, True)
    assert client.get("/v1/nothing", headers={"Accept": "text/html"}).json()["status"] == 404
    assert client.get("/models/nothing").status_code == 404


def test_parts_of_others_are_those_that_were_taken(visitor):
    known = json.loads((STATIC / "vendor" / "vendor.json").read_text())
    lying = {path.name for path in (STATIC / "vendor").iterdir()}
    assert lying == {*known, "vendor.json", *(item["licence_file"] for item in known.values())}
    for name, item in known.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == item["sha256"], name
        assert (STATIC / "vendor" / item["licence_file"]).read_text().strip()
    assert max(map(len, contents().values())) < 300_000


@pytest.mark.slow
def test_files_are_sent_with_their_kind_and_kept_by_their_hash(visitor, app):
    client = visitor("viewer")
    for where in re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/").text):
        answer = client.get(where)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True), where
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/pages.py").status_code == 404


def test_our_own_files_ask_no_other_host():
    for path in [*STATIC.glob("*.css"), *STATIC.glob("*.js"), *(STATIC.parent / "templates").iterdir()]:
        assert "http://" not in path.read_text(), path
        assert "https://" not in path.read_text(), path


def test_templates_escape_and_refuse_what_is_not_given():
    found = environment()
    assert found.autoescape is True
    assert found.undefined.__name__ == "StrictUndefined"
    assert found.from_string("{{ given }}").render(given="<i>") == "&lt;i&gt;"


@pytest.mark.slow
def test_progress_and_lines_are_told_as_events(visitor, things, platform):
    from radversary.service.store.tables import Job

    client = visitor("viewer")
    with platform.database.session() as session:
        session.get(Job, things["running"]).state = "paused"
    with client.stream("GET", f"/jobs/{things['running']}/live") as answer:
        text = "".join(answer.iter_text())
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [line for line in text.splitlines() if line.startswith("event")] == [
        "event: progress", "event: line", "event: ended"]
    assert 'value="2"' in text
    assert "&lt;i&gt;of&lt;/i&gt;" in text


@pytest.mark.slow
def test_the_log_is_checked_on_its_page(visitor, platform):
    client = visitor("auditor")
    assert "lines hold together" in client.get("/log/check", headers={"HX-Request": "true"}).text
    with platform.database.session() as session:
        from radversary.service.store.tables import Entry

        session.get(Entry, 1).action = "nothing"
    assert "The log was changed" in client.get("/log/check").text
    assert word(client)


@pytest.mark.slow
def test_pages_wait_for_no_writer(visitor, things, platform, monkeypatch):
    """Looked at while a writer holds the store; what would write waits, and is told that the store does not answer."""
    client = visitor("administrator")
    monkeypatch.setattr(database, "PATIENCE", 1)
    platform.database.engine.dispose()  # connections of more patience
    found = {}
    with platform.database.session() as writer:
        writer.execute(text("SELECT 1"))
        for path in PAGES:
            found[path] = client.get(path.format(**things), headers={"Accept": "text/html"}).status_code
        assert client.post(f"/alerts/{things['alert']}/close", data={"csrf": word(client)}).status_code == 503
    assert {path: status for path, status in found.items() if status != 200} == {}
