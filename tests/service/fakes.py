"""Jobs that do nothing but what a test asks, in the processes that a worker starts.

A test has them known by the fixture ``fake_kinds``; a worker process by ``python fakes.py worker …``, which takes what
``python -m radversary.service.jobs`` does. Nothing outside the tests knows of them.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from radversary.core.errors import InputError, StorageError
from radversary.execution.progress import current, track
from radversary.service.jobs import kinds, supervising
from radversary.service.jobs.kinds import Spec

COMMAND = (sys.executable, str(Path(__file__)), "child")


class FakeSpec(Spec):
    """What a fake job does.

    Attributes:
        acts: What it does at its first run, its second and so on, the last one again and again: ``done``, ``wait``
            (until it is stopped), ``deaf`` (for a minute, whatever it is told), ``half`` (it is killed in the middle of
            a line) and others of ``ACTS``.
    """

    acts: tuple[str, ...] = ("done",)


KINDS = {**kinds.KINDS, "fake": kinds.Kind(FakeSpec, "service.fakes:fake", "do what a test asks")}


def fake(spec, place):
    """Do it; each run is a line in ``runs``."""
    runs = place.folder / "runs"
    number = len(runs.read_text().splitlines()) if runs.exists() else 0
    with runs.open("a") as file:
        file.write(f"{os.getpid()}\n")
    act = spec.acts[min(number, len(spec.acts) - 1)]
    ACTS[act]()
    with (place.folder / "ends").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return {"runs": number + 1}


def wait():
    for _ in track(range(1200), "wait"):
        time.sleep(0.05)


def refuse(error):
    def act():
        raise error
    return act


def half():
    os.write(3, b'{"line": "what is sa')  # where the child's answers go
    os.kill(os.getpid(), signal.SIGKILL)


ACTS = {
    "done": lambda: None, "wait": wait, "deaf": lambda: time.sleep(60), "short": lambda: time.sleep(3),
    "disk": refuse(StorageError("cannot write it: no space left on device")),
    "input": refuse(InputError("it does not fit")), "fault": refuse(ValueError("secret")),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL), "half": half,
    "talk": lambda: current().announce("it goes on \x00 so"),
}


def known(monkeypatch):
    """Have fake jobs known in this process, and in the children that its workers start."""
    monkeypatch.setattr(kinds, "KINDS", KINDS)
    monkeypatch.setattr(supervising, "COMMAND", COMMAND)


def main() -> int:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import service.fakes as again  # under the name by which its function is imported
    kinds.KINDS, supervising.COMMAND = again.KINDS, COMMAND
    role, sys.argv = sys.argv[1], [sys.argv[0], *sys.argv[2:]]
    if role == "child":
        from radversary.service.jobs.child import main as run
    else:
        from radversary.service.jobs.__main__ import main as run
    return run()


if __name__ == "__main__":
    sys.exit(main())
