"""A stream of screenings that was counted, alerts, a schedule and a channel, noted as the platform notes them."""

from __future__ import annotations

import random

from radversary.service.monitoring.alerts import Kind, open_alert
from radversary.service.monitoring.sequential import Item, Reference, State
from radversary.service.store.monitoring_tables import Channel, Schedule, Stream
from radversary.service.store.tables import Screening

SECRET = "the secret of the webhook"
FILMS = 230


def add_stream(session, guard, *, now):
    """Films over ten days, some of which were refused, counted by the tests."""
    chance = random.Random(4)
    reference = Reference(alpha=0.05, bound=0.08, scores={"all": tuple(sorted(chance.random() for _ in range(60)))})
    items = []
    for number in range(1, FILMS + 1):
        refused, score = number % 50 == 0, chance.random()
        said = "refused" if refused else "review" if score > 0.94 else "pass"
        session.add(Screening(
            tenant="main", guard_id=guard, film=f"{number:064d}", verdict=said, score=None if refused else score,
            number=number, group="" if refused else "all", p_value=None if refused else 1.0 - score * 0.999,
            prediction="" if refused else chance.choice(("Normal", "<i>Mass</i>")), milliseconds=20.0 + number % 7,
            confidence=None if refused else 0.6 + 0.3 * chance.random(),
            created=now - 10 * 86_400 * (1 - number / (FILMS + 1))))
        items += [] if refused else [Item(score=score, group="all", alarm=said == "review")]
    state = State().counted(reference, items, refused=FILMS - len(items))
    session.add(Stream(id=guard, tenant="main", reference=reference.model_dump(mode="json"),
                       state=state.model_dump(mode="json")))


def add_watch(session, things, *, now):
    """A channel, a schedule whose last audit broke a rule, and alerts of each kind, one of them closed."""
    channel = Channel(tenant="main", kind="webhook", address="https://hooks.example.org/<x>", secret=SECRET)
    schedule = Schedule(tenant="main", name="every <week>", cron="30 2 * * 1", spec={}, title="an audit",
                        baseline=things["older"], rules={"max_drop": 5.0, "min_score": None}, due=now + 9999,
                        job_id=things["job"], judged=things["job"], kept=False,
                        verdicts=["BROKEN: max_drop: accuracy fell by 9 points"])
    session.add_all([channel, schedule])
    session.flush()
    settled = open_alert(session, "main", Kind.DRIFT, things["guard"], "the films changed at film 90")
    settled.state, settled.mark = "closed", None
    session.flush()
    opened = open_alert(session, "main", Kind.ALARMS, things["guard"], "the guard raises more alarms than it promises")
    open_alert(session, "main", Kind.AUDIT, schedule.id,
               f"the audit {things['job']} broke 1 of 1 rules against its baseline {things['older']}")
    open_alert(session, "main", Kind.JOB, things["failed"], "a job failed, of the kind audit")
    return {"channel": channel.id, "schedule": schedule.id, "alert": opened.id, "closed": settled.id}
