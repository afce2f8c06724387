"""An audit from registration to report, through the API and a worker."""

from __future__ import annotations

import json

import pytest

from radversary.auditing.result import AuditResult
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.service.jobs.kinds import AuditSpec
from radversary.service.jobs.states import State
from radversary.service.store.tables import Job
from radversary.study.presets import PRESETS, told_plan
from service.conftest import BOTH, PLAN, ended, registered
from service.things import everything_of


@pytest.mark.slow
def test_an_audit_is_registered_run_and_read(client, worker, shelf):
    model, dataset = registered(client, shelf)
    asked = client.post("/v1/audits", json={"model": model, "dataset": dataset, "plan": PLAN, "title": "May/June"})
    assert asked.status_code == 202, asked.text
    job = asked.json()["id"]
    done = ended(client, job)
    assert done["state"] == "done", done["error"]
    assert "%" in done["summary"]["clean"]
    result = client.get(f"/v1/jobs/{job}/result")
    assert AuditResult.model_validate(result.json()).cells
    assert client.get(f"/v1/jobs/{job}/scores").json()[0]["system"] == "none"
    report = client.get(f"/v1/jobs/{job}/files/report.html")
    assert report.headers["content-type"].startswith("text/html")
    assert (result.json()["name"], "<h1>May/June</h1>" in report.text) == ("May/June", True)
    assert client.get("/v1/comparisons", params={"run": job}).json()[0]["place"] == 1
    with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
        events = [line for line in stream.iter_lines() if line.startswith("event: job")]
    assert events


@pytest.mark.slow
def test_the_cost_of_a_plan_is_told_before_and_its_time_where_it_was_measured(client, platform, shelf):
    model, dataset = registered(client, shelf)
    asked = {"model": model, "dataset": dataset}
    cost = client.post("/v1/plans/cost", json={**asked, "plan": PLAN}).json()
    assert (cost["images"], cost["attacks"], cost["readings"], cost["unknown"], cost["seconds"]) == (
        12, 24, 24, [], None)  # one step: an answer and a gradient an image
    with platform.database.session() as session:
        session.add(Job(tenant="main", kind="audit", title="t", state=State.DONE, attempts=1, started=100.0,
                        ended=175.0, spec={"of": asked, "preset": "quick", "plan": {}}))
    assert client.post("/v1/plans/cost", json=asked).json()["seconds"] == 75.0
    assert client.post("/v1/plans/cost", json={"dataset": dataset}).json()["seconds"] is None
    wrong = client.post("/v1/plans/cost", json={"dataset": dataset, "plan": {**PLAN, "sed": 1}})
    assert (wrong.status_code, "did you mean 'seed'" in wrong.json()["detail"]) == (422, True)


@pytest.mark.slow
def test_a_battery_comes_before_the_attacks_of_a_plan_or_stands_alone(client, shelf):
    own = {"attacks": [{"label": "mine", "name": "fgsm", "strengths": [0.05]}]}
    both = client.post("/v1/plans/check", json={"plan": own, "battery": "quick"}).json()
    alone = client.post("/v1/plans/check", json={"preset": "quick"}).json()
    assert [item["label"] for item in both["attacks"]] == [*(item["label"] for item in alone["attacks"]), "mine"]
    assert client.post("/v1/plans/check", json={"battery": "standard"}).json()["battery"].endswith("/standard")
    twice = client.post("/v1/plans/check", json={"preset": "full", "battery": "quick"})
    assert (twice.status_code, "has the battery" in twice.json()["detail"]) == (422, True)
    spec = AuditSpec(model="m", source={}, plan=own, battery="quick")
    assert len(told_plan(spec.plan, spec.preset, spec.battery).attacks) == len(both["attacks"])


@pytest.mark.slow
def test_an_audit_is_called_by_its_title_then_by_its_plan_then_by_what_it_is_of(client, shelf):
    model, dataset = registered(client, shelf)
    of = {"model": model, "dataset": dataset}
    for more, title in (({"plan": {**PLAN, "name": "my plan"}, "title": "mine"}, "mine"),
                        ({"plan": {**PLAN, "name": "my plan"}}, "my plan"), ({"plan": PLAN}, "victim on phantoms")):
        assert client.post("/v1/audits", json={**of, **more}).json()["title"] == title


@pytest.mark.slow
def test_a_guard_is_made_and_films_are_judged(client, worker, shelf, platform):
    model, _ = registered(client, shelf)
    dataset = client.post("/v1/datasets", json={"name": "clean", "source": "phantoms", "options": {
        "count": 120, "size": 48, "seed": 8}}).json()["id"]
    job = client.post("/v1/guards", json={"model": model, "dataset": dataset, "alpha": 0.2}).json()["id"]
    done = ended(client, job)
    assert done["state"] == "done", done["error"]
    (guard,) = client.get("/v1/guards").json()["items"]
    assert guard["model_id"] == model
    film = next((platform.settings.home / "jobs" / job).rglob("*.png"), None)
    film = film.read_bytes() if film else phantom_png()
    answer = client.post(f"/v1/guards/{guard['id']}/screenings", content=film)
    assert answer.status_code == 201, answer.text
    assert answer.json()["verdict"] in ("pass", "review")
    assert client.get("/v1/screenings").json()["items"][0]["id"] == answer.json()["id"]
    refused = client.post(f"/v1/guards/{guard['id']}/screenings", content=b"no film")
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.slow
def test_a_guard_is_evaluated_on_patients_that_it_has_not_seen(client, worker, shelf):
    model, _ = registered(client, shelf)
    of = {name: client.post("/v1/datasets", json={"name": name, "source": "phantoms", "options": {
        "count": 120, "size": 48, "seed": seed}}).json()["id"] for name, seed in (("made of", 8), ("others", 9))}
    made = client.post("/v1/guards", json={"model": model, "dataset": of["made of"], "alpha": 0.2}).json()["id"]
    assert ended(client, made)["state"] == "done"
    guard = client.get("/v1/guards").json()["items"][0]["id"]
    plan = {"attacks": [{"label": "step", "name": "fgsm", "strengths": [0.05]}], "bootstrap": 100, "gallery": 1}
    for name, patients in (("made of", 0.2), ("others", 0.8)):
        job = client.post(f"/v1/guards/{guard}/evaluations",
                          json={"dataset": of[name], "plan": plan, "title": f"on {name}"}).json()["id"]
        done = ended(client, job)
        assert done["state"] == "done", done["error"]
        assert (done["kind"], done["summary"]["worst"].partition(",")[0]) == ("guard-evaluation", "step")
        found = GuardEvaluationResult.model_validate(
            client.get(f"/v1/jobs/{job}/files/guard-evaluation.json").json())
        assert (found.name, found.alpha, [row.condition.attack for row in found.rows]) == (f"on {name}", 0.2, ["step"])
        assert found.images == pytest.approx(patients * 120, abs=12)
        assert f"<h1>on {name}</h1>" in client.get(f"/v1/jobs/{job}/files/guard-evaluation.html").text
        levels = client.get(f"/v1/guards/{guard}/levels").json()[0]["rows"]
        assert next(row for row in levels if row["level"] == 0.2)["evaluated"]["value"] == found.promises[0].rate.value


@pytest.mark.slow
@pytest.mark.parametrize(("change", "status", "said"), [
    ({"dataset": "0" * 24}, 404, "there is no dataset"),
    ({"battery": "quick", "plan": {"atacks": []}}, 422, "did you mean 'attacks'"),
    ({"plan": {"attacks": [{"label": "a", "name": "fgsn"}]}}, 422, "fgsm"),
    ({"plan": {"attacks": [{"label": "a", "name": "pgd", "surrogate": "/etc/x"}]}}, 422, "surrogate"),
    ({"plan": {"name": "/etc/x", "attacks": [{"label": "a", "name": "fgsm"}]}}, 422, "names no file"),
    ({"battery": "quik"}, 422, "battery")])
def test_an_evaluation_that_cannot_be_run_is_refused_in_a_sentence(client, platform, change, status, said):
    ids = everything_of(platform, "main")
    answer = client.post(f"/v1/guards/{ids['guard']}/evaluations", json={"dataset": ids["dataset"], **change})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert said in json.dumps(answer.json())


def phantom_png():
    import torch

    from radversary.imaging.png import encode_png

    return encode_png(torch.rand(1, 60, 50))


@pytest.mark.slow
@pytest.mark.parametrize(("change", "status", "said"), [
    ({"model": "0" * 24}, 404, "there is no model"), ({"dataset": "0" * 24}, 404, "there is no dataset"),
    ({"plan": {**PLAN, "atacks": []}}, 422, "did you mean 'attacks'"),
    ({"preset": "quik", "plan": None}, 422, "unknown preset"),
    ({"plan": {**PLAN, "defences": [{"label": "a", "model": "/etc"}]}}, 422, "names no file"),
    ({"workers": 0}, 422, "workers"), ({"extra": 1}, 422, "extra")])
def test_what_cannot_be_run_is_refused_in_a_sentence(client, shelf, change, status, said):
    model, dataset = registered(client, shelf)
    answer = client.post("/v1/audits", json={"model": model, "dataset": dataset, "plan": PLAN, **change})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert said in json.dumps(answer.json())
    assert client.get("/v1/jobs").json()["items"] == []


@pytest.mark.slow
@BOTH
def test_a_character_that_no_database_keeps_is_no_fault_of_the_server(client, shelf):
    model, dataset = registered(client, shelf)
    answers = [client.post("/v1/audits", json={"model": model, "dataset": dataset, "plan": PLAN, "title": "a\0b"}),
               client.post("/v1/keys", json={"name": "a\0b", "scopes": ["read"]}), client.get("/v1/models/a%00b"),
               client.get("/v1/jobs", params={"kind": "a\0"})]
    assert [answer.text for answer in answers if answer.status_code >= 500] == []


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_the_presets_can_be_asked_for(client, shelf, preset):
    model, dataset = registered(client, shelf)
    asked = client.post("/v1/audits", json={"model": model, "dataset": dataset, "preset": preset})
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")


@pytest.mark.slow
def test_who_has_no_key_is_told_so(client):
    answer = client.get("/v1/models", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()["detail"]) == (401, "give a key: Authorization: Bearer rv_…")


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["quick", "standard", "full"])
def test_every_preset_can_be_run_on_a_server(client, preset):
    answer = client.post("/v1/plans/check", json={"preset": preset})
    assert (answer.status_code, answer.json().get("battery")) == (200, f"battery-2026.1/{preset}"), answer.text
