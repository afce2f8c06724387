"""Rows of everything that a tenant may have, without the work that makes them."""

from __future__ import annotations

from radversary.service.jobs.states import State
from radversary.service.store.monitoring_tables import Alert, Channel, Schedule
from radversary.service.store.tables import Dataset, Guard, Job, Key, Model, Screening


def everything_of(platform, tenant):
    """Give a tenant one of each thing; return the ids by kind."""
    with platform.database.session() as session:
        model = Model(tenant=tenant, name="m", reference="/nowhere", card={}, sha256="0" * 64, warnings=[])
        dataset = Dataset(tenant=tenant, name="d", source={"name": "phantoms", "options": {"count": 4}}, images=4,
                          classes={"Normal": 4}, notes=[])
        job = Job(tenant=tenant, kind="audit", title="t", spec={}, state=State.DONE)
        session.add_all([model, dataset, job])
        session.flush()
        guard = Guard(tenant=tenant, name="g", model_id=model.id, folder="/nowhere", promise={})
        session.add(guard)
        session.flush()
        screening = Screening(tenant=tenant, guard_id=guard.id, film="0" * 64, verdict="pass", p_value=0.123456,
                              milliseconds=1.0)
        session.add(screening)
        alert = Alert(tenant=tenant, kind="job", subject=job.id, says="a job failed", state="open", last=0.0)
        channel = Channel(tenant=tenant, kind="mail", address="nowhere@example.org")
        schedule = Schedule(tenant=tenant, name="s", cron="0 3 * * *", spec={}, title="t", baseline=job.id, rules={})
        session.add_all([alert, channel, schedule])
        key = Key(tenant=tenant, name="k", scopes=["read"], digest="none")
        session.add(key)
        session.flush()
        made = {"model": model.id, "dataset": dataset.id, "job": job.id, "guard": guard.id, "screening": screening.id,
                "key": key.id, "alert": alert.id, "channel": channel.id, "schedule": schedule.id}
    run = platform.settings.folder("jobs", made["job"])
    (run / "report.html").write_text(f"<p>{tenant}</p>")
    (run / "result.json").write_text("{}")
    (run / "units").mkdir()
    (run / "units" / "film.png").write_bytes(b"film")
    return made
