"""Figures for Prometheus and the log of requests: what is in them, and what never is."""

from __future__ import annotations

import json
import logging

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from radversary.service.app import make_app
from radversary.service.requests_log import LOG
from radversary.service.store.tables import Job, Model
from service.monitoring.conftest import films


def samples(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {(sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text) for sample in family.samples}


@pytest.mark.slow
def test_films_are_counted_by_verdict(client, guard):
    assert ("last_success_timestamp",) in samples(client)
    for film in films(3):
        client.post(f"/v1/guards/{guard}/screenings", content=film)
    client.post(f"/v1/guards/{guard}/screenings", content=b"no film")
    client.post(f"/v1/guards/{'0' * 24}/screenings", content=films(1)[0])
    found = samples(client)
    by = {name[1]: value for name, value in found.items() if name[0] == "screen_requests_total"}
    assert by.pop("refused") == 1
    assert sum(by.values()) == 3
    assert found["screen_latency_seconds_count",] == 4
    assert found["last_success_timestamp",] > 1e9


@pytest.mark.slow
def test_the_store_s_figures_are_there_by_tenant_alone(client, platform, key):
    with platform.database.session() as session:
        session.add(Job(tenant="main", kind="audit", title="Planted", spec={}, state="queued"))
        session.add(Model(tenant="main", name="Planted", reference="/Planted", card={}, sha256="a" * 64))
    found = samples(client)
    assert (found["jobs", "queued"], found["jobs", "failed"]) == (1, 0)
    assert found["model_info", "a" * 64] == 1
    other = samples(client, Authorization=f"Bearer {key('viewer', tenant='other')}")
    assert other["jobs", "queued"] == 0
    assert not [name for name in other if name[0] == "model_info"]
    assert "Planted" not in client.get("/metrics").text
    assert "tenant" not in client.get("/metrics").text


@pytest.mark.slow
def test_figures_need_a_key_that_reads(client, key):
    assert client.get("/metrics", headers={"Authorization": ""}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": f"Bearer {key('screen')}"}).status_code == 403


@pytest.mark.slow
def test_two_applications_share_no_figures(client, platform, guard, key):
    client.post(f"/v1/guards/{guard}/screenings", content=films(1)[0])
    with TestClient(make_app(platform), headers={"Authorization": f"Bearer {key()}"}) as second:
        assert samples(second)["screen_latency_seconds_count",] == 0


@pytest.fixture
def lines():
    """Lines of the log of requests while a test runs."""
    class Kept(logging.Handler):
        def emit(self, record):
            found.append(json.loads(record.getMessage()))

    found, handler = [], Kept()
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    yield found
    LOG.removeHandler(handler)
    LOG.setLevel(logging.NOTSET)


@pytest.mark.slow
def test_a_request_is_a_line_without_what_it_was_about(client, lines, key):
    token = key("viewer")
    client.get("/v1/models/Ms-Planted", headers={"Authorization": f"Bearer {token}"})
    client.get("/v1/jobs/x/files/Ms-Planted.png")
    client.get("/nowhere/Ms-Planted?name=Planted")
    client.post("/v1/guards/Planted/screenings", content=b"Planted")
    assert [(line["status"], line["method"]) for line in lines] == [
        (404, "GET"), (404, "GET"), (404, "GET"), (404, "POST")]
    assert lines[0]["route"] == "/v1/models/{model}"
    assert lines[0]["key"] == token.split("_")[1]
    assert lines[2]["route"] == ""
    assert all(line["milliseconds"] > 0 for line in lines)
    assert "Planted" not in json.dumps(lines)
    assert token.split("_", 2)[2] not in json.dumps(lines)


@pytest.mark.slow
def test_nothing_is_written_where_nobody_switched_it_on(client, capfd):
    client.get("/livez")
    assert capfd.readouterr().err == ""
