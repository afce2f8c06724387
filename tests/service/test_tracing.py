"""Traces as a collector gets them: what was done and how long it took, and nothing that anybody typed or sent."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time

import pytest
from fastapi.testclient import TestClient
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from radversary.service import tracing
from radversary.service.app import make_app
from radversary.service.catalogue.jobs import ask_for
from radversary.service.jobs.states import State
from radversary.service.jobs.worker import JobWorker
from radversary.service.platform import Platform
from radversary.service.store.tables import Job
from radversary.service.tracing import ATTRIBUTES, UNTRACED, Untraced, in_the_way, tracing_for
from service.collector import collecting
from service.conftest import actor
from service.monitoring.conftest import bundle, films, guard
from service.running import within

__all__ = ["bundle", "guard"]  # fixtures

PLANTED = "MUSTERMANN-PID74219"
TRACE, ABOVE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector(monkeypatch):
    """A collector that the environment names."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    with collecting() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.address)
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")  # which would send much more
        yield made


@pytest.fixture
def traced(platform, collector):
    """The platform, sending traces."""
    return dataclasses.replace(platform, tracing=tracing_for("radversary-server"))


@pytest.fixture
def asked(traced, key):
    """A client of the traced platform."""
    with TestClient(make_app(traced), headers={"Authorization": f"Bearer {key()}"},
                    raise_server_exceptions=False) as opened:
        yield opened


@pytest.mark.slow
def test_a_request_is_a_span_below_its_caller_s(asked, traced, collector):
    asked.get("/v1/models", headers={"traceparent": f"00-{TRACE}-{ABOVE}-01", "tracestate": f"x={PLANTED}"})
    asked.get("/v1/models/" + "0" * 24)
    traced.tracing.close()
    ((found, span),) = collector.named("GET /v1/models")
    assert found == {"http.request.method": "GET", "http.route": "/v1/models", "http.response.status_code": 200}
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.kind) == (TRACE, ABOVE, span.SPAN_KIND_SERVER)
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    ((missing, _),) = collector.named("GET /v1/models/{model}")
    assert missing["http.response.status_code"] == 404
    assert collector.services() == {"radversary-server"}


@pytest.mark.slow
def test_a_screening_s_parts_lie_within_its_request(asked, traced, guard, collector):
    assert asked.post(f"/v1/guards/{guard}/screenings", content=films(1)[0]).status_code == 201
    traced.tracing.close()
    ((_, request),) = collector.named("POST /v1/guards/{guard}/screenings")
    parts = [collector.named(f"screening.{part}") for part in ("decode", "look", "judge")]
    assert [len(part) for part in parts] == [1, 1, 1]
    spans = [part[0][1] for part in parts]
    assert {span.parent_span_id for span in spans} == {request.span_id}
    times = [moment for span in spans for moment in (span.start_time_unix_nano, span.end_time_unix_nano)]
    assert times == sorted(times)
    assert request.start_time_unix_nano <= times[0] <= times[-1] <= request.end_time_unix_nano


@pytest.mark.slow
def test_nothing_that_was_planted_is_in_a_span(asked, traced, guard, collector):
    header = {"X-Patient": PLANTED, "User-Agent": PLANTED, "Cookie": f"session={PLANTED}", "Referer": f"/{PLANTED}",
              "tracestate": f"x={PLANTED}", "baggage": f"name={PLANTED}", "Host": PLANTED, "Idempotency-Key": PLANTED}
    for method, path, body in (
            ("GET", f"/v1/models/{PLANTED}?patient={PLANTED}", b""), ("GET", f"/{PLANTED}", b""),
            ("GET", f"/v1/screenings?guard={PLANTED}", b""), (PLANTED, "/v1/models", b""),
            ("POST", "/v1/models", f'{{"name": "{PLANTED}", "path": "/{PLANTED}"}}'.encode()),
            ("POST", f"/v1/uploads/{PLANTED}.zip", PLANTED.encode()), ("GET", f"/static/{PLANTED}.css", b""),
            ("POST", f"/v1/guards/{guard}/screenings?name={PLANTED}", PLANTED.encode())):
        asked.request(method, path, content=body, headers=header)
        asked.request(method, path, content=body, headers={**header, "Authorization": f"Bearer {PLANTED}"})
    token = asked.headers["Authorization"].partition(" ")[2]
    traced.tracing.close()
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)  # nobody else notes anything
    assert len(collector.spans()) >= 16
    for body in collector.bodies:
        for word in (PLANTED, PLANTED.lower(), "PID74219", token, "testclient"):
            assert word.encode() not in body
    for _, found, span in collector.spans():
        assert found.keys() <= ATTRIBUTES
        assert not span.events
        assert not span.trace_state
        assert not span.status.message


@pytest.mark.slow
def test_a_span_of_an_error_says_its_class_alone(traced, collector):
    with pytest.raises(ValueError, match=PLANTED), traced.tracing.span("screening.decode", {"patient": PLANTED}):
        raise ValueError(PLANTED)
    traced.tracing.close()
    ((name, found, span),) = collector.spans()
    assert (name, found, span.status.code) == ("screening.decode", {"error.type": "ValueError"}, StatusCode.ERROR.value)
    assert PLANTED.encode() not in b"".join(collector.bodies)


@pytest.mark.slow
def test_bytes_that_are_no_text_do_no_harm(asked, traced, collector):
    assert asked.get("/livez?\xff", headers={b"traceparent": b"\xff", b"user-agent": b"\xff"}).status_code == 200
    traced.tracing.close()
    assert len(collector.named("GET /livez")) == 1


@pytest.mark.slow
def test_each_try_at_a_job_is_a_span(platform, settings, collector, fake_kinds):
    worker = JobWorker(settings, tracing=tracing_for("radversary-worker"))
    thread = threading.Thread(target=worker.run)
    thread.start()
    names = [ask_for(platform, actor(), "fake", {"acts": list(acts)}, title=PLANTED).id
             for acts in (["done"], ["input"], ["killed", "done"])]

    def states():
        with platform.database.reading() as session:
            return [session.get(Job, name).state for name in names]

    try:
        within(60, lambda: states() == [State.DONE, State.FAILED, State.DONE])
    finally:
        worker.stop()
        thread.join(timeout=30)
    found = sorted((names.index(found["job.id"]), found["job.attempt"], found["job.state"])
                   for found, _ in collector.named("job"))
    assert found == [(0, 1, "done"), (1, 1, "failed"), (2, 1, "queued"), (2, 2, "done")]
    assert {found["job.kind"] for found, _ in collector.named("job")} == {"fake"}
    assert collector.services() == {"radversary-worker"}
    assert PLANTED.encode() not in b"".join(collector.bodies)


def test_without_a_collector_nothing_is_traced(monkeypatch):
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert tracing_for("radversary-server") is UNTRACED
    assert in_the_way() == ""
    with Untraced().span("job") as note:
        note("job.state", "done")


@pytest.mark.slow
@pytest.mark.parametrize("state", ["absent", "silent"])
def test_a_collector_that_does_not_answer_holds_nobody_up(settings, monkeypatch, collector, state):
    if state == "absent":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    collector.waits.clear()
    platform = Platform.open(settings, tracing_for("radversary-server"))
    began = time.monotonic()
    client = TestClient(make_app(platform))
    assert [client.get("/livez").status_code for _ in range(50)] == [200] * 50
    platform.close()
    assert time.monotonic() - began < 8.0


@pytest.mark.slow
def test_a_collector_without_the_extra_is_told_in_a_sentence(tmp_path, collector):
    code = """if True:
        import sys
        sys.modules["opentelemetry.sdk"] = None  # FastAPI brings the rest
        import radversary.service.serving, radversary.service.jobs.child
        from radversary.service.tracing import UNTRACED, tracing_for
        assert tracing_for("radversary-server") is UNTRACED
        from radversary.cli.main import run
        run()"""
    done = subprocess.run([sys.executable, "-c", code, "worker", "--home", "/proc/nowhere"], check=False,
                          capture_output=True, text=True)
    assert done.stderr.splitlines()[0] == ("OTEL_EXPORTER_OTLP_ENDPOINT is set, but no traces are sent: they need "
                                           "pip install 'radversary[otel]'")
    assert "Traceback" not in done.stderr
