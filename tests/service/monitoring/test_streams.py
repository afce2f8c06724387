"""Screenings in the store: counted once each, whoever counts, whatever ends between."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from sqlalchemy import func, select

from radversary.service.monitoring import streams
from radversary.service.monitoring.sequential import State
from radversary.service.monitoring.streams import count, count_new
from radversary.service.monitoring.ticking import tick
from radversary.service.store.monitoring_tables import Alert, Stream
from radversary.service.store.tables import Screening
from service.monitoring.conftest import add_screenings, films


def state(platform, guard):
    with platform.database.session() as session:
        return State.model_validate(session.get(Stream, guard).state)


def numbers(platform, guard):
    with platform.database.session() as session:
        return session.scalars(select(Screening.number).where(Screening.guard_id == guard)
                               .order_by(Screening.id)).all()


@pytest.mark.slow
def test_screenings_are_counted_in_order_and_once(platform, guard):
    add_screenings(platform, guard, [1.0, None, 2.0])
    assert count_new(platform.database) == 3
    assert count_new(platform.database) == 0
    add_screenings(platform, guard, [3.0])
    assert count_new(platform.database) == 1
    found = state(platform, guard)
    assert (found.steps, found.refused) == (3, 1)
    assert sorted(numbers(platform, guard)) == [1, 2, 3, 4]


@pytest.mark.slow
def test_many_counters_count_as_one(platform, guard, monkeypatch):
    monkeypatch.setattr(streams, "TOGETHER", 7)
    add_screenings(platform, guard, np.random.default_rng(0).normal(size=60).tolist())
    threads = [threading.Thread(target=count_new, args=(platform.database,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(platform, guard).steps == 60
    assert sorted(numbers(platform, guard)) == list(range(1, 61))


@pytest.mark.slow
def test_a_counter_that_ends_half_way_has_counted_nothing(platform, guard, monkeypatch):
    add_screenings(platform, guard, [1.0, 2.0])

    def broken(*_given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(streams, "fired", broken)
        with pytest.raises(KeyboardInterrupt):
            count(platform.database, guard)
    assert numbers(platform, guard) == [None, None]
    assert count_new(platform.database) == 2
    assert state(platform, guard).steps == 2


@pytest.mark.slow
def test_in_parts_it_is_what_it_is_at_once(platform, guard, bundle):
    scores = np.random.default_rng(1).normal(size=40).tolist()
    add_screenings(platform, guard, scores[:15])
    count_new(platform.database)
    add_screenings(platform, guard, scores[15:], created=2000.0)
    count_new(platform.database)
    with platform.database.session() as session:
        rows = session.scalars(select(Screening).order_by(Screening.number)).all()
        known = streams.Reference.model_validate(session.get(Stream, guard).reference)
        whole = State().counted(known, [streams.Item(score=row.score, group="all", alarm=row.verdict == "review")
                                        for row in rows])
    assert whole == state(platform, guard)


@pytest.mark.slow
def test_drift_and_too_many_alarms_open_one_alert_each(platform, guard):
    for _ in range(3):
        add_screenings(platform, guard, [50.0] * 40)
        count_new(platform.database)
    with platform.database.session() as session:
        found = session.scalars(select(Alert).order_by(Alert.kind)).all()
    assert [(item.kind, item.subject, item.count) for item in found] == [("alarms", guard, 1), ("drift", guard, 1)]
    assert "promised 10.0 %" in found[0].says or "promised 10.0%" in found[0].says


def test_a_guard_without_files_does_not_stop_the_others(platform, guard, settings):
    add_screenings(platform, "f" * 24, [1.0])
    add_screenings(platform, guard, [1.0])
    tick(platform.database, settings)
    assert state(platform, guard).steps == 1


@pytest.mark.slow
def test_films_that_are_screened_come_into_the_stream(client, platform, guard):
    for film in films(5, seed=3):
        assert client.post(f"/v1/guards/{guard}/screenings", content=film).status_code == 201
    assert client.post(f"/v1/guards/{guard}/screenings", content=b"no film").status_code == 422
    shown = client.get(f"/v1/guards/{guard}/monitoring").json()
    assert (shown["films"], shown["refused"]["value"], shown["drift"]["counted"]) == (6, pytest.approx(1 / 6), 5)
    assert shown["alarms"]["n"] == 5
    assert shown["drift"]["reference"] == "the guard's calibration (n=45)"
    assert shown["latency"]["p50"]["n"] == 5
    with platform.database.session() as session:
        assert session.scalar(select(func.count()).where(Screening.score.is_not(None))) == 5


@pytest.mark.slow
def test_a_score_is_the_one_that_the_p_value_was_made_of(client, platform, guard, bundle):
    from radversary.screening.bundle import load_fusion

    for film in films(4, seed=5):
        client.post(f"/v1/guards/{guard}/screenings", content=film)
    with platform.database.session() as session:
        rows = session.scalars(select(Screening)).all()
    final = load_fusion(bundle[0]).final
    assert final.p_values([row.score for row in rows]).tolist() == [row.p_value for row in rows]


@pytest.mark.slow
def test_since_and_group_choose_films_but_not_what_the_tests_count(client, platform, guard):
    add_screenings(platform, guard, np.zeros(50).tolist(), created=1000.0)
    add_screenings(platform, guard, np.zeros(30).tolist(), created=5000.0)
    later = client.get(f"/v1/guards/{guard}/monitoring", params={"since": 4000, "reference": 40}).json()
    assert (later["films"], later["drift"]["counted"]) == (30, 80)
    assert later["predictions"]["classes"][0]["before"]["n"] == 40
    assert client.get(f"/v1/guards/{guard}/monitoring", params={"group": "PA"}).json()["films"] == 0


@pytest.mark.slow
def test_another_tenant_sees_nothing(client, guard, key):
    headers = {"Authorization": f"Bearer {key('viewer', tenant='other')}"}
    assert client.get(f"/v1/guards/{guard}/monitoring", headers=headers).status_code == 404
    assert client.get("/v1/alerts", headers=headers).json()["items"] == []
