"""1,000 films from 32 clients at once, while a worker is killed: each is answered, none wrongly, each noted once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import select

from radversary.core.errors import InputError
from radversary.screening.bundle import load_guard
from radversary.service.catalogue.datasets import register_dataset
from radversary.service.catalogue.jobs import ask_for_audit
from radversary.service.catalogue.models import register_model
from radversary.service.catalogue.screenings import judged, read_film
from radversary.service.jobs.states import ENDED, State
from radversary.service.store.tables import Job, Screening
from service.conftest import MAINLY_POSTGRESQL, PHANTOMS, PLAN, actor
from service.killing import Served, check_ended_once, children
from service.monitoring.conftest import bundle, films, guard
from service.running import within

__all__ = ["bundle", "guard"]  # fixtures

COUNT, CLIENTS = 1000, 32
UNREADABLE = b"\x89PNG\r\n\x1a\nnot a film"
REFUSALS = (429, 503)


def alone(folder, film):
    """What the guard says of a film that comes alone: verdict, p-value, prediction; nothing where it cannot be read."""
    judge = load_guard(folder)
    try:
        image, group = read_film(judge, film)
    except InputError:
        return None
    verdict = judged(judge, judge.look(image), image, group).verdict
    return verdict.verdict, verdict.p_value, verdict.prediction


class Crowd:
    """Clients of a server; each sends the next film of all as soon as its last was answered."""

    def __init__(self, address, token, given):
        self.address, self.headers, self.given = address, {"Authorization": f"Bearer {token}"}, given
        self.local, self.done = threading.local(), 0

    def send(self, number):
        if not hasattr(self.local, "client"):
            self.local.client = httpx.Client(base_url=self.address, headers=self.headers, timeout=60)
        answer = self.local.client.post(self.path, content=self.given[number % len(self.given)])
        self.done += 1
        return answer

    def sent(self, guard, count, pool):
        self.path = f"/v1/guards/{guard}/screenings"
        return [pool.submit(self.send, number) for number in range(count)]


@pytest.fixture
def served(settings):
    """A server with two workers, which answers."""
    made = Served(settings, workers=2, said=subprocess.DEVNULL)  # a line a request
    address = f"http://127.0.0.1:{made.port}"
    within(60, lambda: answers(address), every=0.2)
    yield made, address
    made.end()


def answers(address):
    try:
        return httpx.get(f"{address}/livez").status_code == 200
    except httpx.TransportError:
        return False


def busy(served):
    """The worker that does a job at the moment; None where there is none."""
    return next((worker for worker in children(served.process.pid) if children(worker)), None)


def audit(platform, shelf):
    model = register_model(platform, actor(), name="victim", path=str(shelf / "model")).id
    data = register_dataset(platform, actor(), name="phantoms", source=PHANTOMS).id
    return ask_for_audit(platform, actor(), model=model, dataset=data, plan=PLAN).id


@MAINLY_POSTGRESQL
@pytest.mark.slow
def test_every_film_is_answered_or_refused_and_none_wrongly(platform, settings, guard, bundle, shelf, key, request,
                                                            monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    given = [*films(39, seed=11), UNREADABLE]
    expected = [alone(bundle[0], film) for film in given]
    served, address = request.getfixturevalue("served")
    job = audit(platform, shelf)
    crowd = Crowd(address, key(), given)
    within(90, lambda: busy(served))
    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = crowd.sent(guard, COUNT, pool)
        within(60, lambda: crowd.done >= COUNT // 10)
        os.kill(busy(served) or children(served.process.pid)[0], signal.SIGKILL)
        assert crowd.done < COUNT
        found = [answer.result(120) for answer in asked]
    for number, answer in enumerate(found):
        check(answer, expected[number % len(given)])
    assert sum(answer.status_code == 201 for answer in found) >= COUNT // 2
    check_noted(platform, guard, found)
    within(120, lambda: state(platform, job) in ENDED)
    assert state(platform, job) == State.DONE
    check_ended_once(platform, [job])


def check(answer, expected):
    """An answer is what the guard says of the film alone, or a refusal."""
    if answer.status_code == 201:
        row = answer.json()
        verdict, p_value, prediction = expected
        assert (row["verdict"], row["prediction"]) == (verdict, prediction)
        assert row["p_value"] == pytest.approx(p_value, abs=1e-6)
        return
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.status_code in REFUSALS or (answer.status_code == 422 and expected is None)


def check_noted(platform, guard, found):
    """The store holds each film that was looked at once, and the tests count each once."""
    looked_at = sum(answer.status_code not in REFUSALS for answer in found)
    within(60, lambda: all(number is not None for number in column(platform, guard, Screening.number)))
    assert sorted(column(platform, guard, Screening.number)) == list(range(1, looked_at + 1))
    noted = dict(zip(column(platform, guard, Screening.id), column(platform, guard, Screening.verdict), strict=True))
    told = {row["id"]: row["verdict"] for row in (answer.json() for answer in found if answer.status_code == 201)}
    assert {name: verdict for name, verdict in noted.items() if verdict != "refused"} == told
    assert len(noted) - len(told) == sum(answer.status_code == 422 for answer in found)


def column(platform, guard, which):
    with platform.database.reading() as session:
        return session.scalars(select(which).where(Screening.guard_id == guard).order_by(Screening.id)).all()


def state(platform, job):
    with platform.database.reading() as session:
        return session.get(Job, job).state
