"""Audits by a schedule: asked for once each time, judged once against their baseline."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import func, select, update

from radversary.core.errors import InputError
from radversary.service.jobs.states import State
from radversary.service.monitoring import schedules
from radversary.service.monitoring.schedules import ask_due, following, judge_ended, verdict_on
from radversary.service.platform import Platform
from radversary.service.store.monitoring_tables import Alert, Schedule
from radversary.service.store.tables import Job
from service.conftest import PLAN, ended, registered


@pytest.fixture
def baseline(platform):
    """The id of an audit that has ended well."""
    with platform.database.session() as session:
        job = Job(tenant="main", kind="audit", title="before", spec={}, state=State.DONE)
        session.add(job)
    return job.id


@pytest.fixture
def schedule(client, shelf, baseline):
    """The id of a schedule."""
    model, dataset = registered(client, shelf)
    made = client.post("/v1/schedules", json={"model": model, "dataset": dataset, "plan": PLAN, "cron": "30 2 * * 1",
                                              "baseline": baseline, "max_drop": 5.0})
    assert made.status_code == 201, made.text
    assert made.json()["due"] > time.time()
    return made.json()["id"]


def make_due(platform):
    with platform.database.session() as session:
        session.execute(update(Schedule).values(due=time.time() - 1))


def jobs(platform):
    with platform.database.session() as session:
        return session.scalar(select(func.count()).select_from(Job).where(Job.state == State.QUEUED))


def end(platform, job, state=State.DONE):
    with platform.database.session() as session:
        session.get(Job, job).state = state


@pytest.mark.slow
def test_many_workers_ask_once(platform, settings, schedule):
    make_due(platform)
    asked, others = [], [Platform.open(settings) for _ in range(4)]
    threads = [threading.Thread(target=lambda other=other: asked.extend(ask_due(other.database))) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert len(asked) == jobs(platform) == 1
    assert ask_due(platform.database) == []


@pytest.mark.slow
def test_a_worker_that_ends_between_has_asked_for_nothing(platform, schedule, monkeypatch):
    make_due(platform)
    real = schedules.note_job

    def killed(*given, **named):
        real(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(schedules, "note_job", killed)
        with pytest.raises(KeyboardInterrupt):
            ask_due(platform.database)
    assert jobs(platform) == 0
    assert len(ask_due(platform.database)) == 1


@pytest.mark.slow
def test_the_next_one_waits_for_the_one_before(platform, schedule):
    make_due(platform)
    (job,) = ask_due(platform.database)
    make_due(platform)
    assert ask_due(platform.database) == []
    end(platform, job)
    make_due(platform)
    assert len(ask_due(platform.database)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_an_audit_is_judged_once_and_a_broken_rule_opens_an_alert(platform, settings, schedule, monkeypatch, kept):
    make_due(platform)
    (job,) = ask_due(platform.database)
    assert judge_ended(platform.database, settings) == 0
    end(platform, job)
    monkeypatch.setattr(schedules, "verdict_on", lambda *_given: (kept, ["kept: a: b", "kept" if kept else "BROKEN"]))
    assert judge_ended(platform.database, settings) == 1
    assert judge_ended(platform.database, settings) == 0
    with platform.database.session() as session:
        found = session.get(Schedule, schedule)
        alerts = session.scalars(select(Alert)).all()
    assert (found.judged, found.kept) == (job, kept)
    assert [alert.kind for alert in alerts] == ([] if kept else ["audit"])
    assert kept or "broke 1 of 2 rules" in alerts[0].says


def test_what_cannot_be_judged_is_not_kept(settings):
    kept, (line,) = verdict_on(settings, "1" * 24, "2" * 24, {"max_drop": 5.0})
    assert (kept, line.startswith("it could not be judged: ")) == (False, True)


@pytest.mark.slow
def test_a_baseline_is_accepted(client, platform, schedule, baseline):
    make_due(platform)
    (job,) = ask_due(platform.database)
    assert client.post(f"/v1/schedules/{schedule}/accept", json={"job": job}).status_code == 409
    end(platform, job)
    assert client.post(f"/v1/schedules/{schedule}/accept", json={"job": job}).json()["baseline"] == job
    assert client.delete(f"/v1/schedules/{schedule}").status_code == 204
    assert client.get("/v1/schedules").json()["items"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("change", "said"), [
    ({"cron": "every day"}, "five fields"), ({"cron": "0 0 31 2 *"}, "five fields"), ({"cron": "* * * * * *"}, "five"),
    ({"baseline": "0" * 24}, "there is no job"), ({"max_drop": None}, "a rule to keep"),
    ({"model": "0" * 24}, "there is no model"), ({"plan": {**PLAN, "atacks": []}}, "did you mean 'attacks'")])
def test_what_cannot_be_scheduled_is_refused(client, shelf, baseline, change, said):
    model, dataset = registered(client, shelf)
    answer = client.post("/v1/schedules", json={"model": model, "dataset": dataset, "plan": PLAN, "cron": "0 3 * * *",
                                                "baseline": baseline, **change})
    assert answer.status_code in (404, 422), answer.text
    assert said in answer.json()["detail"]
    assert client.get("/v1/schedules").json()["items"] == []


def test_a_time_is_the_next_one():
    assert following("0 3 * * *", 0.0) == 3 * 3600
    assert following("0 3 * * *", 3 * 3600) == 27 * 3600
    with pytest.raises(InputError):
        following("61 * * * *", 0.0)


@pytest.mark.slow
def test_a_schedule_is_kept_from_end_to_end(client, worker, platform, settings, shelf):
    model, dataset = registered(client, shelf)
    asked = {"model": model, "dataset": dataset, "plan": PLAN}
    first = client.post("/v1/audits", json=asked).json()["id"]
    assert ended(client, first)["state"] == "done"
    made = client.post("/v1/schedules", json={**asked, "cron": "0 3 * * *", "baseline": first, "max_drop": 0.0})
    make_due(platform)
    (job,) = ask_due(platform.database)
    assert ended(client, job)["state"] == "done"
    assert judge_ended(platform.database, settings) == 1
    (found,) = client.get("/v1/schedules").json()["items"]
    assert (found["id"], found["kept"], found["job_id"]) == (made.json()["id"], True, job)
    assert found["verdicts"][0].startswith("kept: no drop beyond 0 points")
