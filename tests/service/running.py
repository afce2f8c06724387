"""Servers and workers as processes of their own, for tests that kill them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

FAKES = Path(__file__).with_name("fakes.py")


def environment(settings):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "RADVERSARY_DATABASE": settings.database,
            "RADVERSARY_RETENTION": str(settings.retention), "OMP_NUM_THREADS": "1"}


def start_worker(settings, *, real=False):
    """Start a worker process, which knows fake jobs too unless it is a real one."""
    program = ["-m", "radversary.service.jobs"] if real else [str(FAKES), "worker"]
    return subprocess.Popen([sys.executable, *program, str(settings.home), "--device", "cpu", "--reserve",
                             str(settings.reserve), "--silence", str(settings.silence)],
                            env=environment(settings), stdin=subprocess.PIPE, start_new_session=True)


def ended(process, *, hard=True):
    """End a process, at once or as a person would."""
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
    return process.wait(timeout=30)


@contextmanager
def workers(settings, count, **more):
    """Worker processes, until the block is left."""
    begun = [start_worker(settings, **more) for _ in range(count)]
    try:
        yield begun
    finally:
        for process in begun:
            if process.poll() is None:
                ended(process)


def within(seconds, question, every=0.05):
    """Ask until the answer is true; return it."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(every)
    return answer
