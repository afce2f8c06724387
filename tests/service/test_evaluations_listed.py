"""The jobs about a guard are found however many others a tenant has."""

from __future__ import annotations

import pytest

from radversary.service.catalogue.evaluations import KIND, jobs_of
from radversary.service.catalogue.paging import MOST
from radversary.service.jobs.states import State
from radversary.service.store.tables import Job, new_id
from service.conftest import BOTH


def job(about, *, kind=KIND, state=State.DONE, tenant="main"):
    return Job(id=new_id(), tenant=tenant, kind=kind, title="t", spec={"of": {"guard": about}} if about else {},
               state=state)


@BOTH
@pytest.mark.slow
def test_jobs_of_a_guard_are_found_beyond_the_newest_page(platform):
    guard, other = new_id(), new_id()
    first = job(guard)
    with platform.database.session() as session:
        session.add(first)
        session.flush()
        session.add_all([job(other) for _ in range(MOST + 1)])
        session.add_all([job(""), job(guard, kind="audit"), job(guard, state=State.FAILED), job(guard, tenant="else")])
        session.flush()
        last = job(guard)
        session.add(last)
    with platform.database.reading() as session:
        assert [found.id for found in jobs_of(session, "main", guard, KIND)] == [last.id, first.id]
