"""A batch of films comes into its guard's stream as single films do: each once, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import sys

import pytest
from sqlalchemy import func, select

from radversary.service.catalogue.jobs import ask_for_screening
from radversary.service.jobs.states import State
from radversary.service.monitoring.streams import count_new
from radversary.service.store.monitoring_tables import Stream
from radversary.service.store.tables import Entry, Job, Screening
from service.conftest import MAINLY_SQLITE, actor, ended
from service.monitoring.conftest import films
from service.running import ended as end_of
from service.running import start_worker, within

FIGURES = ("film", "verdict", "p_value", "score", "cue", "prediction", "group", "confidence")


def laid(shelf, name, contents):
    """Write films into a folder of the shelf, named so that their order is that of the list."""
    folder = shelf / name
    folder.mkdir(exist_ok=True)
    for place, content in enumerate(contents):
        (folder / f"Smith_{place:05d}.png").write_bytes(content)
    return folder


def rows(platform, guard):
    with platform.database.reading() as session:
        return session.scalars(select(Screening).where(Screening.guard_id == guard).order_by(Screening.id)).all()


@pytest.mark.slow
def test_a_batch_is_noted_as_the_same_films_one_by_one(client, platform, guard, shelf, worker):
    given = [*films(6, seed=11), b"no film"]
    folder = laid(shelf, "some", given)
    for film in given:
        client.post(f"/v1/guards/{guard}/screenings", content=film)
    single = rows(platform, guard)
    asked = client.post(f"/v1/guards/{guard}/batches", json={"path": str(folder)})
    job = ended(client, asked.json()["id"])
    assert (job["state"], job["summary"]["films"], job["summary"]["refused"]) == ("done", 7, 1), job["error"]
    together = [row for row in rows(platform, guard) if row.id not in {item.id for item in single}]
    for one, other in zip(single, together, strict=True):
        for name in FIGURES:
            before, now = getattr(one, name), getattr(other, name)
            assert now == (pytest.approx(before, abs=1e-6) if isinstance(before, float) else before), name
        assert other.milliseconds > 0
    shown = client.get(f"/v1/guards/{guard}/monitoring").json()
    assert (shown["films"], shown["drift"]["counted"]) == (14, 12)
    assert client.get(f"/v1/jobs/{job['id']}/files/screenings.jsonl").status_code == 404
    assert "Smith" not in (platform.settings.home / "jobs" / job["id"] / "screenings.jsonl").read_text()
    lines = client.get(f"/v1/jobs/{job['id']}/files/verdicts.jsonl").text.splitlines()
    assert [json.loads(line)["image"] for line in lines] == [f"Smith_{place:05d}.png" for place in range(7)]
    assert str(shelf) not in "".join(lines)


@pytest.mark.slow
def test_near_equal_films_of_a_batch_are_no_attack_by_queries(client, platform, guard, shelf, worker):
    folder = laid(shelf, "equal", films(1, seed=2) * 40)
    job = client.post(f"/v1/guards/{guard}/batches", json={"path": str(folder)}).json()["id"]
    assert ended(client, job)["summary"]["films"] == 40
    with platform.database.reading() as session:
        assert not session.scalar(select(func.count()).where(Entry.action == "screening.near-duplicates"))


@pytest.mark.slow
@MAINLY_SQLITE
def test_each_film_counts_once_where_the_batch_is_killed_and_goes_on(settings, platform, guard, shelf, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    given = films(700, seed=4)
    job = ask_for_screening(platform, actor(), guard, str(laid(shelf, "many", given))).id

    def seen():
        with platform.database.reading() as session:
            return session.get(Job, job)
    first = start_worker(settings, real=True)
    within(60, lambda: seen().progress.get("done", 0) > 0)
    end_of(first)  # and its child with it
    assert rows(platform, guard) == []
    assert seen().state == State.RUNNING
    second = start_worker(settings, real=True)
    try:
        within(120, lambda: seen().state == State.DONE)
    finally:
        end_of(second, hard=False)
    found = rows(platform, guard)
    assert (len(found), len({row.film for row in found}), seen().attempts) == (700, 700, 2)
    while count_new(platform.database):
        pass
    assert sorted(row.number for row in rows(platform, guard)) == list(range(1, 701))
    with platform.database.reading() as session:
        assert session.get(Stream, guard).state["steps"] == 700
