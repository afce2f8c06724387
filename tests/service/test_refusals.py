"""Requests that cannot be read, or whose texts and numbers cannot be kept: refused in a sentence."""

from __future__ import annotations

import json

import pytest

from radversary.core.errors import StorageError
from radversary.service.api.limits import BODY
from radversary.service.faults import places_of

JSON = {"Content-Type": "application/json"}


def refused(answer, status):
    """Check that an answer is a problem document with a sentence; return the sentence."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    found = answer.json()
    assert found["status"] == status
    assert len(found["detail"]) > 8
    return found["detail"]


@pytest.mark.slow
@pytest.mark.parametrize(("body", "headers", "status", "said"), [
    (b'{"name": "a", "pa', JSON, 422, "the body is no JSON"), (b"", JSON, 422, "body: Field required"),
    (b"[" * 100_000, JSON, 400, "nested too deeply"), (b"[" * 300 + b"]" * 300, JSON, 422, "send a JSON object"),
    (b'{"name": "\xff"}', JSON, 400, "no UTF-8"), (b'{"name": ' + b"9" * 5000 + b"}", JSON, 400, "cannot be read"),
    (b'{"name": "a", "path": "/x"}', {"Content-Type": "text/plain"}, 422, "Content-Type: application/json"),
    (b"<x/>", {"Content-Type": "application/xml"}, 422, "Content-Type: application/json"),
    (b"null", JSON, 422, "body: "), (b'{"name": "a", "path": 5}', JSON, 422, "body.path: "),
    (b'{"name": "a", "path": "/x", "other": 1}', JSON, 422, "body.other: ")])
def test_a_body_that_cannot_be_read_is_refused(client, body, headers, status, said):
    assert said in refused(client.post("/v1/models", content=body, headers=headers), status)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a\0b", "a\x1b[31mb", "\u202egnp.exe", "\ud800", " ", "", "x" * 201, "a\nb"])
def test_a_name_that_is_not_plain_is_refused(client, shelf, name):
    body = json.dumps({"name": name, "path": str(shelf / "model")})
    assert "body.name: " in refused(client.post("/v1/models", content=body, headers=JSON), 422)
    body = json.dumps({"name": name, "scopes": ["read"]})
    assert "body.name: " in refused(client.post("/v1/keys", content=body, headers=JSON), 422)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Röntgen", "胸部", "می‌خواهم", "👩‍⚕️", " kept without spaces "])
def test_a_name_in_any_language_is_kept(client, name):
    body = {"name": name, "source": "phantoms", "options": {"count": 4, "size": 32}}
    assert client.post("/v1/datasets", json=body).json()["name"] == name.strip()


@pytest.mark.slow
@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", str(2**53 + 1), '"a\\u0000b"', '"\\ud800"',
                                   '{"\\u0000": 1}', '{"a": ' * 60 + "1" + "}" * 60 + "x"])
def test_values_that_cannot_be_kept_are_refused(client, value):
    for path, body in (("plans/check", f'{{"plan": {{"seed": {value}}}}}'),
                       ("datasets", f'{{"name": "a", "source": "phantoms", "options": {{"count": {value}}}}}')):
        refused(client.post(f"/v1/{path}", content=body, headers=JSON), 422)


@pytest.mark.slow
def test_phantoms_that_would_fill_the_machine_are_refused(client):
    body = {"name": "a", "source": "phantoms", "options": {"count": 10**9, "size": 4096}}
    assert "more than a server draws" in refused(client.post("/v1/datasets", json=body), 422)


@pytest.mark.slow
def test_a_body_of_json_has_a_limit_whether_or_not_its_length_is_told(client):
    body = b'{"name": "' + b"a" * BODY + b'"}'
    assert f"{BODY} bytes" in refused(client.post("/v1/models", content=body, headers=JSON), 413)
    told = iter([body[:500_000], body[500_000:]])  # sent in chunks
    assert f"{BODY} bytes" in refused(client.post("/v1/models", content=told, headers=JSON), 413)
    assert client.post("/v1/models", content=body, headers=JSON).headers["x-content-type-options"] == "nosniff"


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/v1/nothing", 404), ("PUT", "/v1/models", 405), ("GET", "/v1/models/a%00b", 404),
    ("GET", "/v1/models/" + "a" * 5000, 404), ("GET", "/v1/models?cursor=zz", 422),
    ("GET", "/v1/models?cursor=%00", 422), ("GET", "/v1/models?limit=0", 422), ("GET", "/v1/jobs?state=odd", 422),
    ("GET", "/v1/jobs?kind=%00", 422), ("GET", "/v1/screenings?guard=%00", 422), ("GET", "/v1/log?after=-1", 422),
    ("GET", "/v1/log?after=" + "9" * 30, 422), ("GET", "/v1/comparisons", 422), ("GET", "/v1/jobs/x/events", 404),
    ("POST", "/v1/jobs/x/explode", 422)])
def test_an_address_that_leads_nowhere_is_refused(client, method, path, status):
    refused(client.request(method, path), status)


@pytest.mark.slow
@pytest.mark.parametrize("token", ["", "x", "rv_", "rv__", "rv_" + "0" * 24 + "_a", "rv_\x80_a", "rv_" + "0" * 3000])
def test_what_is_no_key_is_refused(client, token):
    answer = client.get("/v1/models", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
    refused(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.slow
def test_a_report_of_a_job_without_result_is_refused_and_one_with_it_is_drawn(client, platform):
    from service.things import everything_of

    job = everything_of(platform, "main")["job"]
    assert client.post(f"/v1/jobs/{job}/report").status_code == 202
    (platform.settings.home / "jobs" / job / "result.json").unlink()
    assert "has no result" in refused(client.post(f"/v1/jobs/{job}/report"), 409)


def test_a_log_of_a_fault_says_where_and_not_what():
    def fails():
        try:
            int("Erika Mustermann")
        except ValueError as error:
            raise StorageError("Mustermann.png") from error

    with pytest.raises(StorageError) as found:
        fails()
    said = places_of(found.value)
    assert "Mustermann" not in said
    assert [line for line in said.split("\n") if line[0] != " "] == ["ValueError", "StorageError"]
    assert "test_refusals.py" in said


@pytest.mark.slow
def test_a_fault_of_the_program_is_a_problem_and_its_text_stays_in_it(client, platform, monkeypatch, caplog):
    from radversary.service.api import registered

    monkeypatch.setattr(registered, "page_of", lambda *_a, **_k: {}["Mustermann"])
    said = refused(client.get("/v1/models"), 500)
    assert said == "an error of the program itself (KeyError); its log says more"
    assert "Mustermann" not in caplog.text
    assert "fault at GET /" in caplog.text
