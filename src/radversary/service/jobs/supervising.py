"""A worker's side of the process that does a job: told what, watched, stopped, and heard to its end."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

GRACE: Final = 3.0
"""Seconds that a process has to stop by itself before it is killed; what it had finished is on the disk."""

COMMAND: Final = (sys.executable, "-m", "radversary.service.jobs.child")
"""Of the process."""

LOOK: Final = 0.25
"""Seconds between two looks at what was asked of a job."""


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        summary: What came out; None where it did not end well.
        failed: Why it failed; empty where it did not.
        again: Whether it may be tried again: ``error`` where the error may not come again, ``wait`` where something
            else must end first, which is no fault; empty where it may not.
        stopped: What it was stopped for: what ``wish`` said; empty where it was not.
    """

    summary: Mapping[str, Any] | None = None
    failed: str = ""
    again: str = ""
    stopped: str = ""


def supervised(asked: Mapping[str, Any], *, wish: Callable[[], str],
               tell: Callable[[Mapping[str, Any]], None]) -> Ending:
    """Run a job in a process of its own.

    Args:
        asked: ``kind``, ``spec``, ``folder``, ``device`` and ``title``; ``home``, where paths in them go from there.
        wish: Says what the job shall be stopped for, or nothing; asked several times a second.
        tell: Receives its lines: ``progress`` or ``line``.

    Returns:
        How it ended.
    """
    try:
        process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,  # noqa: S603
                                   start_new_session=True)
    except OSError as error:
        return Ending(failed=f"no process could be started for it: {os.strerror(error.errno or 0)}", again="error")
    try:
        return _followed(process, asked, wish, tell)
    finally:
        _kill(process)


def _followed(process: subprocess.Popen[str], asked: Mapping[str, Any], wish: Callable[[], str],
              tell: Callable[[Mapping[str, Any]], None]) -> Ending:
    _say(process, json.dumps(asked))
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    stopping, until = "", float("inf")
    while time.monotonic() < until:
        said = _next(lines)
        if said is None:
            return _unsaid(process, stopping)
        if (ending := _ending(said, stopping)) is not None:
            return ending
        if said:
            tell(said)
        if not stopping and (stopping := wish()):
            _say(process, "stop")
            until = time.monotonic() + GRACE
    return Ending(stopped=stopping)


def _next(lines: queue.SimpleQueue[str | None]) -> Mapping[str, Any] | None:
    """Return what was said; an empty mapping where nothing was for a while; None at the end."""
    try:
        line = lines.get(timeout=LOOK)
    except queue.Empty:
        return {}
    if line is None or not line.endswith("\n"):  # it was killed in the middle of a line
        return None
    said: Mapping[str, Any] = json.loads(line)
    return said


def _unsaid(process: subprocess.Popen[str], stopping: str) -> Ending:
    """Return how a process ended that said nothing of its end."""
    process.wait()
    if stopping:
        return Ending(stopped=stopping)
    return Ending(failed=f"the process that did the job ended without a word{_how(process)}", again="error")


def _ending(said: Mapping[str, Any], stopping: str) -> Ending | None:
    if "done" in said:
        return Ending(summary=said["done"])
    if "stopped" in said:
        return Ending(stopped=stopping or "pause")
    if "failed" not in said:
        return None
    return Ending(failed=said["failed"], again=said["again"])


def _how(process: subprocess.Popen[str]) -> str:
    code = process.returncode
    return f" (signal {signal.Signals(-code).name})" if code and code < 0 else f" (exit code {code})"


def _say(process: subprocess.Popen[str], line: str) -> None:
    with suppress(OSError):  # it has ended; its end is seen on its output
        if process.stdin is not None:
            process.stdin.write(line + "\n")
            process.stdin.flush()


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    if process.stdout is not None:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process with all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
