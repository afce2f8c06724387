"""A guard with thresholds, an evaluation and a batch, as jobs leave them."""

from __future__ import annotations

import json

from guard_evaluation_factory import guard_evaluation_result

from radversary.report.guard.page import write_guard_evaluation
from radversary.service.store.tables import Guard, Job

VERDICTS = [("pass", 0.7, ""), ("review", 0.01, ""), ("refused", None, "the film is <cut> short"), ("pass", 0.4, "")]


def add_evaluation(platform, things, bundle, **changes):
    """Give the guard the files of a real one, and an evaluation; return the job's id."""
    with platform.database.session() as session:
        guard = session.get(Guard, things["guard"])
        guard.folder, guard.promise = str(bundle[0]), bundle[1]
        job = Job(tenant="main", kind="guard-evaluation", title="how <it> does", state="done", summary={"alpha": 0.05},
                  spec={"of": {"guard": guard.id, "dataset": things["dataset"]}})
        session.add(job)
    folder = platform.settings.folder("jobs", job.id)
    guard_evaluation_result(folder, **changes).save(folder / "guard-evaluation.json")
    write_guard_evaluation(folder)
    return job.id


def add_batch(platform, things):
    """Note a batch that is done, with its verdicts; return the job's id."""
    with platform.database.session() as session:
        job = Job(tenant="main", kind="screening", title="films by the guard", state="done",
                  summary={"films": 4, "pass": 2, "review": 1, "refused": 1}, spec={"of": {"guard": things["guard"]}})
        session.add(job)
    lines = [{"image": f"<film>-{place}.png", "verdict": verdict, "p_value": p_value, "reason": reason, "cue": "energy",
              "prediction": "" if reason else "Normal"} for place, (verdict, p_value, reason) in enumerate(VERDICTS)]
    (platform.settings.folder("jobs", job.id) / "verdicts.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines))
    return job.id
