"""The client does what people do, sends again what it may, and raises what the server refused."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx
import pytest

from radversary.client import Client, rows
from radversary.client.errors import error_of
from radversary.client.events import events_in
from radversary.client.sending import Sender
from radversary.core.errors import InputError, MissingPartError, PlanError, RadversaryError, UnknownNameError
from radversary.service.api import administration, bodies
from radversary.service.errors import ForbiddenError, NotFoundError, SignInError, TooManyError
from service.conftest import CLASSES, PHANTOMS, PLAN
from service.things import everything_of


@pytest.mark.slow
def test_it_needs_no_pytorch_and_none_of_the_server_s_packages():
    heavy = ("torch", "pandas", "fastapi", "sqlalchemy", "dbos")
    code = f"import sys, radversary.client; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(("theirs", "ours"), [
    (bodies.ModelRow, rows.Model), (bodies.DatasetRow, rows.Dataset), (bodies.JobRow, rows.Job),
    (bodies.GuardRow, rows.Guard), (bodies.ScreeningRow, rows.Screening), (bodies.KeyRow, rows.Key),
    (bodies.RemovedBody, rows.Removed),
    (bodies.GivenKey, rows.GivenKey), (bodies.EntryRow, rows.Line), (administration.LogCheck, rows.LogCheck)])
def test_its_rows_are_the_server_s(theirs, ours):
    def shape(kind):
        return {name: field.annotation for name, field in kind.model_fields.items()}

    assert shape(ours) == shape(theirs)


@pytest.mark.slow
def test_an_audit_from_upload_to_report(live, key, worker, shelf, tmp_path):
    with Client(live, key()) as client:
        model = client.register_model("victim", client.upload(shelf / "model"))
        assert model.card["classes"] == list(CLASSES)
        dataset = client.register_dataset("phantoms", source="phantoms", **PHANTOMS["options"])
        job = client.audit(model.id, dataset.id, plan=PLAN)
        events = list(client.follow(job.id))
        assert events[-1].data["state"] == "done", events[-1]
        assert {event.kind for event in events} == {"job", "line"}
        assert client.wait(job.id).state == "done"
        assert client.result(job.id).cells
        assert client.scores(job.id)[0]["system"] == "none"
        assert client.compare(job.id)[0]["place"] == 1
        page = client.download(job.id, "report.html", tmp_path / "report.html")
        assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
        assert [found.id for found in client.jobs(state="done")] == [job.id]
        with pytest.raises(NotFoundError):
            client.download(job.id, "nothing.html", tmp_path / "nothing.html")
        assert [path.name for path in tmp_path.iterdir() if "nothing" in path.name] == []
        check_removal(client, job.id, model.id, dataset.id)


def check_removal(client, job, model, dataset):
    removed = client.forget_job(job)
    assert (removed.files > 5, removed.left, removed.kept) == (True, 0, "")
    (line,) = client.log(after=removed.log - 1)
    assert (line.action, line.subject, line.detail["files"]) == ("purge", job, removed.files)
    assert client.forget_model(model).files > 0
    assert client.forget_dataset(dataset).files == 0  # phantoms
    with pytest.raises(NotFoundError):
        client.forget_guard("0" * 24)
    assert list(client.jobs()) == []


@pytest.mark.slow
def test_keys_and_pages_and_the_log(live, key, platform):
    made = [everything_of(platform, "main") for _ in range(3)]
    with Client(live, key()) as client:
        assert {model.id for model in client.models()} == {item["model"] for item in made}
        given = client.give_key("viewer", "viewer", days=3)
        with Client(live, given.token) as viewer:
            assert [guard.id for guard in viewer.guards()] == [item["guard"] for item in reversed(made)]
            with pytest.raises(ForbiddenError, match="lacks the scope 'write'"):
                viewer.register_model("a", "/x")
        fresh = client.rotate_key(given.id)
        assert fresh.expires - given.expires < 60
        client.revoke_key(fresh.id)
        with Client(live, fresh.token) as late, pytest.raises(SignInError, match="unknown, expired or revoked"):
            list(late.models())
        assert client.check_log().faults == []
        assert [line.action for line in client.log()][-2:] == ["key.revoke", "key.revoke"]


@pytest.mark.slow
def test_what_the_server_refuses_is_raised_with_its_sentence(live, key, shelf):
    with Client(live, key()) as client:
        with pytest.raises(UnknownNameError, match="did you mean 'attacks'"):
            client.check_plan({**PLAN, "atacks": []})
        with pytest.raises(PlanError, match="unknown preset"):
            client.check_plan(preset="quik")
        with pytest.raises(NotFoundError, match=r"^there is no job 'x'$"):
            list(client.follow("x"))
        with pytest.raises(ForbiddenError, match="outside the folders"):
            client.register_model("a", "/etc")
        with pytest.raises(InputError, match="no file or folder"):
            client.upload(shelf / "nothing")


def test_who_gives_no_key_or_no_address_is_told_so(monkeypatch):
    monkeypatch.delenv("RADVERSARY_KEY", raising=False)
    with pytest.raises(InputError, match="RADVERSARY_KEY"):
        Client("http://localhost")
    with pytest.raises(InputError, match="begins with http"):
        Client("localhost:8000", "rv_a_b")
    monkeypatch.setenv("RADVERSARY_KEY", "rv_a_b\n")
    with Client("http://localhost/") as client:
        assert client.http.headers["Authorization"] == "Bearer rv_a_b"


def sender(answers):
    """A sender to a server that gives some answers, with the requests that came and the waits between them."""
    seen, waited = [], []

    def answer(request):
        seen.append(request)
        found = answers[len(seen) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    return Sender(httpx.Client(base_url="http://x", transport=httpx.MockTransport(answer)), retries=3,
                  sleep=waited.append), seen, waited


GOOD, BUSY, LOST = httpx.Response(200, json={}), httpx.Response(503), httpx.ConnectError("no")


def test_what_does_no_harm_is_sent_again_later_and_later():
    sending, seen, waited = sender([LOST, BUSY, BUSY, GOOD])
    assert sending.send("GET", "/v1/models").status_code == 200
    assert len(seen) == 4
    assert 0.25 <= waited[0] <= 0.75
    assert 1 <= waited[2] <= 3


def test_as_long_is_waited_as_the_server_says():
    sending, _, waited = sender([httpx.Response(429, headers={"Retry-After": "7"}), GOOD])
    sending.send("GET", "/v1/models")
    assert waited == [7.0]


def test_what_makes_something_is_sent_again_with_the_same_idempotency_key_only():
    sending, seen, _ = sender([LOST, GOOD])
    sending.send("POST", "/v1/models", json={}, headers={"Idempotency-Key": "k"})
    assert [request.headers["Idempotency-Key"] for request in seen] == ["k", "k"]
    sending, seen, waited = sender([LOST, GOOD])
    with pytest.raises(InputError, match=r"no platform answers at http://x"):
        sending.send("POST", "/v1/keys", json={})
    assert (len(seen), waited) == (1, [])


def test_what_was_refused_for_asking_too_often_is_sent_again_where_its_body_is_at_hand():
    often = httpx.Response(429, headers={"Retry-After": "2"})
    sending, seen, waited = sender([often, GOOD])
    sending.send("POST", "/v1/guards/g/screenings", content=b"film")
    assert ([request.read() for request in seen], waited) == ([b"film", b"film"], [2.0])
    sending, seen, _ = sender([often, GOOD])
    with pytest.raises(TooManyError):
        sending.send("POST", "/v1/uploads/a", content=iter([b"part"]))
    assert len(seen) == 1
    sending, seen, _ = sender([BUSY, GOOD])
    with pytest.raises(RadversaryError):
        sending.send("POST", "/v1/guards/g/screenings", content=b"film")
    assert len(seen) == 1


def test_it_gives_up_with_what_was_said_last():
    sending, seen, _ = sender([BUSY] * 3 + [httpx.Response(503, json={"detail": "the database does not answer"})])
    with pytest.raises(RadversaryError, match="the database does not answer"):
        sending.send("GET", "/v1/models")
    assert len(seen) == 4


@pytest.mark.parametrize(("status", "body", "kind"), [
    (422, {"detail": "no", "error": "PlanError"}, PlanError), (422, {"detail": "no"}, InputError),
    (404, {"detail": "no"}, NotFoundError), (501, {"detail": "no"}, MissingPartError),
    (422, {"detail": "no", "error": "annotations"}, InputError), (422, {"detail": "no", "error": "Path"}, InputError),
    (500, {"detail": "no"}, RadversaryError), (422, {"detail": "no", "error": 5}, InputError)])
def test_a_problem_is_the_error_that_it_was_made_of(status, body, kind):
    error = error_of(httpx.Response(status, json=body))
    assert (type(error), str(error)) == (kind, "no")


def test_a_proxy_s_page_is_an_error_too():
    assert str(error_of(httpx.Response(502, text="<html>"))) == "the server answers 502"
    assert error_of(httpx.Response(429, headers={"Retry-After": "2"}, text="x")).wait == 2.0
    assert isinstance(error_of(httpx.Response(429, text="x")), TooManyError)


def test_events_are_read_whatever_lies_between():
    text = ": alive\n\nid: 7\nevent: line\ndata: {\"text\":\ndata: \"a\"}\n\n"
    text += "event: job\ndata: {\"state\": \"done\"}\n\ndata: {"
    found = list(events_in(text.split("\n")))
    assert [(event.kind, event.id) for event in found] == [("line", "7"), ("job", "")]
    assert json.dumps(found[0].data) == '{"text": "a"}'
