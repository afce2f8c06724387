"""Audits while server, worker and the process of the job are killed at chance moments; what comes out is compared.

``python tests/service/killing.py --kills 20 --seed 1`` does it with a server of its own and says what it saw; the tests
do it with a few kills.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.service.access.scopes import SYSTEM, Actor, Scope
from radversary.service.catalogue.datasets import register_dataset
from radversary.service.catalogue.jobs import ask_for_audit
from radversary.service.catalogue.models import register_model
from radversary.service.jobs.states import ENDED, State
from radversary.service.platform import Platform
from radversary.service.settings import Settings
from radversary.service.store.log import faults
from radversary.service.store.tables import Entry, Job

PLAN = {"attacks": [{"label": "step", "name": "fgsm", "strengths": [0.02, 0.05]},
                    {"label": "steps", "name": "pgd", "strengths": [0.05]}],
        "bootstrap": 100, "gallery": 2, "probe_images": 0, "false_alarms": 0.2}
PASSING = ("result.json", "job.json", "report.html", "environment.json", "audit.json", "costs.json", "timings.json",
           "data/prepared/prepared.json", "data/prepared/table.csv")
"""Files that hold seconds, times or the folder's own path; of the first the rest is compared."""
UNITS = "units/"
"""Files of units of work hold the seconds that each took."""

BY = Actor(tenant=SYSTEM.tenant, id="tester", name="tester", scopes=frozenset(Scope))


class Served:
    """A server with a worker, as a person starts it; it is started again where it was killed."""

    def __init__(self, settings, workers=1, said=None):
        self.settings, self.workers, self.said = settings, workers, said
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self):
        code = "from radversary.cli.main import run; run()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", "--home", str(self.settings.home), "--port", str(self.port),
             "--device", "cpu", "--workers", str(self.workers), "--retention", str(self.settings.retention)],
            env={**os.environ, "RADVERSARY_DATABASE": self.settings.database, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL, stderr=self.said, start_new_session=True)

    def number(self, which):
        """The process that is the server, its worker, or the worker's child; None where there is none at the moment."""
        number = self.process.pid
        for _ in range({"server": 0, "stop": 2, "worker": 1, "child": 2}[which]):
            below = children(number)
            if not below:
                return None
            number = below[0]
        return number

    def kill(self, which):
        if which == "stop":  # as a person does it
            self.end()
            self.start()
            return True
        number = self.number(which)
        if number is None:
            return False
        os.kill(number, signal.SIGKILL)
        if which == "server":
            self.process.wait()
            self.start()
        return True

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=40)


def children(number):
    """The processes that a process started, in whichever of its threads."""
    try:
        return [int(item) for task in Path(f"/proc/{number}/task").iterdir()
                for item in (task / "children").read_text().split()]
    except OSError:
        return []


def prepared(settings, shelf):
    """Register a small model and phantoms; returns the platform and what asks for an audit."""
    save_classifier(wrap(build_network("small-cnn", classes=3, seed=1), classes=("Normal", "Pneumonia", "Pneumothorax"),
                         size=48, architecture="small-cnn"), shelf / "model")
    platform = Platform.open(settings)
    model = register_model(platform, BY, name="victim", path=str(shelf / "model")).id
    data = register_dataset(platform, BY, name="phantoms", source={
        "name": "phantoms", "options": {"count": 12, "size": 48, "seed": 3}}).id
    return platform, lambda: ask_for_audit(platform, BY, model=model, dataset=data, plan=PLAN).id


def states(platform, names):
    with platform.database.session() as session:
        return [(session.get(Job, name).state, session.get(Job, name).tries) for name in names]


def all_ended(platform, names, within):
    end = time.monotonic() + within
    while not all(state in ENDED for state, _ in states(platform, names)):
        assert time.monotonic() < end, states(platform, names)
        time.sleep(0.2)


def wait_for(question, seconds):
    end = time.monotonic() + seconds
    while question() is None and time.monotonic() < end:
        time.sleep(0.02)


def digests(folder):
    """Every file of a run that holds neither seconds nor paths, and the result without them, to what is in it."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*")
             if path.is_file() and path.name != ".lock"}
    kept = {name: hashlib.sha256(content).hexdigest() for name, content in found.items()
            if name not in PASSING and not name.startswith(UNITS)}
    return kept | dict(leaves(json.loads(found["result.json"])))


def differing(wanted, found):
    """The names whose values differ, or that one of two mappings lacks."""
    return {name for name in {*wanted, *found} if wanted.get(name, ...) != found.get(name, ...)}


def leaves(content, name="result.json"):
    """Yield every value of a document with its place, but for seconds and times."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            if not any(word in str(key) for word in ("seconds", "created", "started", "memory")):
                yield from leaves(value, f"{name}/{key}")
    else:
        yield name, content


def killed(settings, shelf, *, kills, seed, jobs=2, longest=4.0, tell=lambda line: None):
    """Run an audit in peace, then others under kills; returns the files that differ, the kills, and the audits."""
    chance, met = random.Random(seed), []
    platform, ask = prepared(settings, shelf)
    served = Served(settings)
    try:
        peace = ask()
        all_ended(platform, [peace], 180)
        names = [ask() for _ in range(jobs)]
        while len(met) < kills:
            which, moment = chance.choice(["server", "worker", "child", "stop"]), chance.uniform(0.0, longest)
            if not (running := [tries for state, tries in states(platform, names) if state not in ENDED]):
                names.append(ask())
            if which == "child" and max(running, default=0) > 1:
                which = "worker"  # so that no job is given up by design
            wait_for(lambda which=which: served.number(which), 30)
            time.sleep(moment)
            if served.kill(which):
                met.append(which)
                tell(f"killed the {which}; {states(platform, names)}")
        all_ended(platform, names, 300)
        check_ended_once(platform, names)
        folder = settings.home / "jobs"
        wanted = digests(folder / peace)
        assert "predictions.parquet" in wanted
        assert any(name.startswith("figures/") for name in wanted)
        return sorted(part for name in names for part in differing(wanted, digests(folder / name))), met, len(names)
    finally:
        served.end()
        platform.close()


def check_ended_once(platform, names):
    with platform.database.session() as session:
        assert not list(faults(session))
        for name in names:
            job = session.get(Job, name)
            assert job.state == State.DONE, (job.state, job.error)
            lines = session.query(Entry).filter_by(subject=name, actor="system").filter(Entry.action.like("job.%"))
            assert [line.action for line in lines] == ["job.done"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shelf = Path(folder, "shelf")
        settings = Settings(home=Path(folder, "home"), roots=(shelf,), reserve=1, device="cpu", retention=30.0)
        differ, met, jobs = killed(settings, shelf, kills=given.kills, seed=given.seed,
                                   tell=lambda line: print(line, flush=True))
    kinds = ", ".join(f"{met.count(name)} {name}" for name in sorted(set(met)))
    print(f"{len(met)} kills ({kinds}) over {jobs} audits: each is done, once; what differs from an audit in peace: "
          f"{differ or 'nothing'}")


if __name__ == "__main__":
    main()
