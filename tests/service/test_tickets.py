"""A job is done by who holds its last ticket; whatever else the queue delivers changes nothing."""

from __future__ import annotations

import threading

import pytest

from radversary.service.catalogue.jobs import ask_for, change
from radversary.service.errors import ConflictError
from radversary.service.jobs.outcome import finished
from radversary.service.jobs.states import ENDED, State
from radversary.service.jobs.supervising import Ending
from radversary.service.jobs.sweeping import LATE, Sweeper, patience
from radversary.service.jobs.tickets import Ticket, begin
from radversary.service.store.log import faults
from radversary.service.store.tables import Entry, Job, Worker
from service.conftest import BOTH, actor

pytestmark = BOTH


@pytest.fixture
def asked(platform, fake_kinds):
    """A job that waits."""
    return ask_for(platform, actor(), "fake", {}, title="fake").id


def job_of(platform, name):
    with platform.database.session() as session:
        return session.get(Job, name)


def begun(platform, name, number=None, worker="a"):
    """Begin a job as a worker does; returns its ticket, or None."""
    ticket = Ticket(name, number or job_of(platform, name).ticket, worker)
    with platform.database.session() as session:
        return ticket if begin(session, ticket) is not None else None


def ends(platform, name):
    """Return the lines of the audit log that tell of a job's end."""
    with platform.database.session() as session:
        assert not list(faults(session))
        return [line.action for line in session.query(Entry).filter_by(subject=name, actor="system")]


@pytest.mark.slow
def test_a_ticket_is_good_once(platform, asked):
    assert begun(platform, asked) is not None
    assert begun(platform, asked, worker="b") is None


@pytest.mark.slow
def test_a_job_that_was_paused_while_it_waited_is_in_the_queue_again_once_it_is_resumed(platform, asked):
    change(platform, actor(), asked, "pause")
    platform.engine.client.cancel_workflow(f"{asked}-1")  # what a worker does that finds nothing to be done: its end
    change(platform, actor(), asked, "resume")
    assert begun(platform, asked, 1) is None
    number = job_of(platform, asked).ticket
    assert platform.engine.states([(asked, number)]) == {(asked, number): "ENQUEUED"}
    assert begun(platform, asked, number) is not None


@pytest.mark.slow
def test_a_job_ends_once_whoever_else_did_it(platform, asked):
    first = begun(platform, asked)
    sweeper = Sweeper(platform.database, platform.engine)
    sweeper.sweep("b", lambda ticket: False)  # worker a is known nowhere, so it is gone
    assert (job_of(platform, asked).state, job_of(platform, asked).ticket) == (State.QUEUED, 2)
    second = begun(platform, asked, worker="b")
    assert finished(platform.database, first, Ending(summary={"by": "a"})) is None
    assert finished(platform.database, second, Ending(summary={"by": "b"})) is not None
    assert finished(platform.database, second, Ending(failed="again")) is None
    assert (job_of(platform, asked).state, job_of(platform, asked).summary) == (State.DONE, {"by": "b"})
    assert ends(platform, asked) == ["job.done"]


@pytest.mark.slow
def test_two_that_sweep_at_once_give_one_new_ticket(platform, asked):
    begun(platform, asked)
    sweepers = [Sweeper(platform.database, platform.engine) for _ in range(2)]
    threads = [threading.Thread(target=item.sweep, args=("b", lambda ticket: False)) for item in sweepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert job_of(platform, asked).ticket == 2


@pytest.mark.slow
def test_a_living_worker_s_job_is_left_to_it(platform, asked):
    begun(platform, asked)
    with platform.database.session() as session:
        session.add(Worker(id="a", host="host", started=0.0, seen=1.0))
    Sweeper(platform.database, platform.engine).sweep("b", lambda ticket: False)
    assert job_of(platform, asked).state == State.RUNNING


@pytest.mark.slow
def test_a_worker_s_own_job_that_it_does_not_do_gets_a_new_ticket(platform, asked):
    ticket = begun(platform, asked)
    with platform.database.session() as session:
        session.add(Worker(id="a", host="host", started=0.0, seen=1.0))
    sweeper = Sweeper(platform.database, platform.engine)
    sweeper.sweep("a", {ticket}.__contains__)
    assert job_of(platform, asked).state == State.RUNNING
    sweeper.sweep("a", lambda ticket: False)
    assert (job_of(platform, asked).state, job_of(platform, asked).ticket) == (State.QUEUED, 2)


@pytest.mark.slow
@pytest.mark.parametrize("wish", ["cancel", "pause"])
def test_what_was_asked_of_a_job_whose_worker_is_gone_is_done(platform, asked, wish):
    begun(platform, asked)
    change(platform, actor(), asked, wish)
    Sweeper(platform.database, platform.engine).sweep("b", lambda ticket: False)
    assert job_of(platform, asked).state == {"cancel": State.CANCELLED, "pause": State.PAUSED}[wish]
    assert ends(platform, asked) == [f"job.{job_of(platform, asked).state}"]


@pytest.mark.slow
def test_the_last_wish_counts(platform, asked):
    ticket = begun(platform, asked)
    change(platform, actor(), asked, "pause")
    change(platform, actor(), asked, "cancel")
    finished(platform.database, ticket, Ending(stopped="pause"))  # the worker had told the process so before
    assert job_of(platform, asked).state == State.CANCELLED


@pytest.mark.slow
def test_a_wish_that_comes_after_the_end_is_refused_and_one_that_came_before_is_forgotten(platform, asked):
    ticket = begun(platform, asked)
    change(platform, actor(), asked, "cancel")
    finished(platform.database, ticket, Ending(summary={}))
    assert (job_of(platform, asked).state, job_of(platform, asked).wish) == (State.DONE, "")
    with pytest.raises(ConflictError, match="a job that is done cannot be asked to cancel"):
        change(platform, actor(), asked, "cancel")


@pytest.mark.slow
def test_who_pauses_waits_for_who_begins(platform, asked):
    """Else both read that it waits, and a job runs that is paused."""
    held, go = threading.Event(), threading.Event()

    def start():
        with platform.database.session() as session:
            begin(session, Ticket(asked, 1, "a"))
            session.flush()
            held.set()
            go.wait(10)

    threads = [threading.Thread(target=start)]
    threads[0].start()
    held.wait(10)
    threads.append(threading.Thread(target=change, args=(platform, actor(), asked, "pause")))
    threads[1].start()
    threads[1].join(timeout=0.2)
    assert threads[1].is_alive()
    go.set()
    for thread in threads:
        thread.join()
    assert (job_of(platform, asked).state, job_of(platform, asked).wish) == (State.RUNNING, "pause")


class Clock:
    """Stands for the clock that only goes forward."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("radversary.service.jobs.sweeping.time", made)
    return made


def swept(sweeper, clock, seconds):
    sweeper.sweep("b", lambda ticket: False)
    clock.now += seconds
    sweeper.sweep("b", lambda ticket: False)


@pytest.mark.slow
def test_a_job_that_was_noted_and_never_put_into_the_queue_is_put_there(platform, asked, clock):
    platform.engine.client.delete_workflow(f"{asked}-1")
    sweeper = Sweeper(platform.database, platform.engine)
    swept(sweeper, clock, LATE - 1)
    assert platform.engine.states([(asked, 1)]) == {}
    swept(sweeper, clock, 2)
    assert platform.engine.states([(asked, 1)]) == {(asked, 1): "ENQUEUED"}


@pytest.mark.slow
@pytest.mark.parametrize("became", ["SUCCESS", "ERROR", "CANCELLED", "PENDING"])
def test_a_job_whose_ticket_was_taken_and_not_begun_gets_another(platform, asked, clock, monkeypatch, became):
    monkeypatch.setattr(platform.engine, "states", lambda keys: dict.fromkeys(keys, became))
    swept(Sweeper(platform.database, platform.engine), clock, LATE)
    monkeypatch.undo()
    assert (job_of(platform, asked).state, job_of(platform, asked).ticket) == (State.QUEUED, 2)
    assert platform.engine.states([(asked, 2)]) == {(asked, 2): "ENQUEUED"}


@pytest.mark.slow
def test_a_job_that_waits_in_the_queue_keeps_its_ticket(platform, asked, clock):
    swept(Sweeper(platform.database, platform.engine), clock, 100)
    assert job_of(platform, asked).ticket == 1


@pytest.mark.slow
@pytest.mark.parametrize("state", sorted(ENDED | {State.PAUSED}))
def test_a_job_that_does_not_wait_is_left_alone(platform, asked, clock, state):
    with platform.database.session() as session:
        session.get(Job, asked).state = state
    swept(Sweeper(platform.database, platform.engine), clock, 100)
    assert (job_of(platform, asked).state, job_of(platform, asked).ticket) == (state, 1)
    assert begun(platform, asked) is None


@pytest.mark.slow
def test_waits_between_tries_grow(settings):
    assert [patience(tries) for tries in (1, 2, 3)] == [2.0, 6.0, 18.0]
