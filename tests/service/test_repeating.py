"""A request with an idempotency key is done once, also where two of it come at the same time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from radversary.core.errors import InputError
from radversary.service.api import repeating
from radversary.service.api.repeating import once
from radversary.service.errors import ConflictError
from radversary.service.store.tables import Answer
from service.conftest import actor
from service.things import everything_of


def counted(done, *, wait=0.0):
    def make():
        time.sleep(wait)
        done.append(1)
        return {"number": len(done)}
    return make


@pytest.mark.slow
def test_two_at_the_same_time_are_done_once(platform):
    done, by, start = [], actor(), threading.Barrier(6)

    def ask(_number):
        start.wait()
        return once(platform, by, "k", "models", {"a": 1}, counted(done, wait=0.3))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert answers == [{"number": 1}] * 6
    assert done == [1]


def test_the_same_key_with_another_request_is_refused(platform):
    once(platform, actor(), "k", "models", {"a": 1}, counted([]))
    with pytest.raises(ConflictError, match="came with another request"):
        once(platform, actor(), "k", "models", {"a": 2}, counted([]))


def test_what_was_refused_may_be_asked_again(platform):
    def refuse():
        raise InputError("no")

    with pytest.raises(InputError):
        once(platform, actor(), "k", "models", {}, refuse)
    assert once(platform, actor(), "k", "models", {}, counted([])) == {"number": 1}


def test_the_same_word_of_another_key_is_another_request(platform):
    done, one, other = [], actor(), actor(tenant="other")
    assert [once(platform, by, "k", "models", {}, counted(done))["number"] for by in (one, other)] == [1, 2]


@pytest.mark.slow
def test_a_request_whose_server_ended_is_done_after_a_while_and_conflicts_before(platform, monkeypatch):
    monkeypatch.setattr(repeating, "PATIENCE", 0.1)
    with platform.database.session() as session:  # as a server that was killed leaves it
        session.add(Answer(id=name_in(platform), asked=repeating.sha256_json({}), body={}, created=time.time()))
    with pytest.raises(ConflictError, match="still being done"):
        once(platform, actor(), "k", "models", {}, counted([]))
    with platform.database.session() as session:
        session.get(Answer, name_in(platform)).created -= repeating.STALE + 1
    assert once(platform, actor(), "k", "models", {}, counted([])) == {"number": 1}


def name_in(platform):
    import hashlib

    return hashlib.sha256(b"main\0tester\0models\0k").hexdigest()


@pytest.mark.slow
def test_answers_are_forgotten_after_a_day(platform):
    once(platform, actor(), "k", "models", {}, counted([]))
    with platform.database.session() as session:
        session.query(Answer).one().created -= repeating.DAY + 1
    once(platform, actor(), "other", "models", {}, counted([]))
    with platform.database.session() as session:
        assert session.query(Answer).count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("path", ["audits", "guards", "datasets", "jobs/{job}/report"])
def test_everything_that_is_made_takes_an_idempotency_key(client, platform, path):
    ids = everything_of(platform, "main")
    body = {"audits": {"model": ids["model"], "dataset": ids["dataset"]}, "guards": {
        "model": ids["model"], "dataset": ids["dataset"]}, "datasets": {
        "name": "p", "source": "phantoms", "options": {"count": 4, "size": 32}}}.get(path)
    answers = [client.post(f"/v1/{path.format(**ids)}", json=body, headers={"Idempotency-Key": "unique 1"})
               for _ in range(2)]
    assert {answer.status_code for answer in answers} <= {201, 202}, answers[0].text
    assert answers[0].json()["id"] == answers[1].json()["id"]
