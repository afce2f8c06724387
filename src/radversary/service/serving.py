"""A server on this machine: the application, and a worker beside it that is started again where it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import uvicorn

from radversary.core.errors import StorageError
from radversary.service.access.keys import give_key
from radversary.service.access.scopes import SYSTEM
from radversary.service.app import make_app
from radversary.service.platform import Platform
from radversary.service.requests_log import switch_on
from radversary.service.retention.sweeping import sweeping_for
from radversary.service.settings import Settings
from radversary.service.store.log import alone, length
from radversary.service.tracing import tracing_for

AGAIN: Final = 1.0
"""Seconds before a worker that ended is started again; where it ended soon, each further wait is twice as long."""

AT_MOST: Final = 30.0
"""Seconds of the longest such wait."""

SOON: Final = 10.0
"""Seconds within which a worker that ended never worked."""

LEAVING: Final = 15.0
"""Seconds that workers have to put back what they do."""


def first_key(platform: Platform) -> str:
    """Return an administrator's key where the platform was never used before; nothing otherwise."""
    with platform.database.session() as session:
        alone(session)
        if length(session):
            return ""
        return give_key(session, SYSTEM, "administrator", ["administrator"]).token


def serve(settings: Settings, *, host: str, port: int, workers: int, tell: Callable[[str], None],
          certificate: tuple[str, str] | None = None) -> None:
    """Run a server until it is stopped.

    Args:
        settings: Where it keeps its things, and its limits.
        host: Address to listen at.
        port: Port to listen at.
        workers: Worker processes beside it; 0 where they run elsewhere.
        tell: Receives lines for the person who started it.
        certificate: Files of a TLS certificate and its key.

    Raises:
        StorageError: The store cannot be used, or the port is taken.
    """
    platform = Platform.open(settings, tracing_for("radversary-server"))
    switch_on()
    _ = platform.engine
    chain, secret = certificate or (None, None)
    server = uvicorn.Server(uvicorn.Config(make_app(platform), host=host, port=port, log_level="critical",
                                           access_log=False, server_header=False, timeout_graceful_shutdown=5,
                                           ssl_certfile=chain, ssl_keyfile=secret))
    crew = Crew(worker_command(settings), workers)
    threading.Thread(target=_greeted, args=(server, tell, f"{'https' if chain else 'http'}://{host}:{port}", platform,
                                            crew), daemon=True).start()
    try:
        with sweeping_for(settings):
            server.run()
    except SystemExit as error:
        server.should_exit = True
        raise StorageError(f"nothing can listen at {host}:{port}; another program may use that port") from error
    finally:
        crew.stop()


def _greeted(server: uvicorn.Server, tell: Callable[[str], None], address: str, platform: Platform, crew: Crew) -> None:
    """Say where the server is, once it answers: a first key that was made for a server that never did would be lost."""
    waited = threading.Event()
    while not server.started and not server.should_exit:
        waited.wait(0.02)
    if server.started:
        crew.start()
        token = first_key(platform)
        tell(f"radversary is at {address}")
        if token:
            tell(f"sign in as administrator with this key, which is shown this once: {token}")


def worker_command(settings: Settings) -> list[str]:
    """Return the command of a worker for the same platform; a database's password goes by the environment."""
    command = [sys.executable, "-m", "radversary.service.jobs", str(settings.home.resolve())]
    return [*command, "--device", settings.device, "--reserve", str(settings.reserve), "--silence",
            str(settings.silence), "--retention", str(settings.retention)]


class Crew:
    """Worker processes that are started again where they end.

    Args:
        command: Of one worker.
        count: How many.
    """

    def __init__(self, command: Sequence[str], count: int) -> None:
        self.command, self.count = list(command), count
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._keep, daemon=True) for _ in range(count)]
        self._running: set[subprocess.Popen[bytes]] = set()

    def start(self) -> None:
        """Start them, unless they were stopped already."""
        with self._lock:
            if not self._stop.is_set():
                for thread in self._threads:
                    thread.start()

    def _keep(self) -> None:
        wait = AGAIN
        while (process := self._started()) is not None:
            since = time.monotonic()
            process.wait()
            with self._lock:
                self._running.discard(process)
            wait = AGAIN if time.monotonic() - since > SOON else min(2 * wait, AT_MOST)
            self._stop.wait(wait)

    def _started(self) -> subprocess.Popen[bytes] | None:
        """Start a worker, as soon as the machine can; None where they are to end."""
        while not self._stop.is_set():
            with self._lock:
                if self._stop.is_set():
                    break
                with suppress(OSError):  # no memory or no process left at the moment
                    process = subprocess.Popen(self.command, stdin=subprocess.PIPE)  # noqa: S603 - our own interpreter
                    self._running.add(process)
                    return process
            self._stop.wait(AT_MOST)
        return None

    def stop(self) -> None:
        """End them; a job that runs is gone on with when a worker starts again."""
        with self._lock:
            self._stop.set()
            for process in self._running:
                process.terminate()
        until = time.monotonic() + LEAVING
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=max(0.0, until - time.monotonic()))
        with self._lock:
            for process in self._running:
                process.kill()


def run_worker(settings: Settings, *, together: int = 1, follow: bool = False) -> None:
    """Do jobs until this process is asked to end.

    Args:
        settings: Where the platform keeps its things.
        together: Jobs at a time; more than one are done by worker processes of their own.
        follow: Whether to end when standard input does, as with the server that started it.

    Raises:
        StorageError: The store cannot be used.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    if follow:
        threading.Thread(target=_end_with_input, args=(ended.set,), daemon=True).start()
    if together > 1:
        Platform.open(settings).close()
        crew = Crew(worker_command(settings), together)
        crew.start()
        ended.wait()
        crew.stop()
        return
    from radversary.service.jobs.worker import JobWorker
    from radversary.service.monitoring.ticking import ticking

    with ticking(settings), sweeping_for(settings):
        JobWorker(settings, ended, tracing_for("radversary-worker")).run()


def _end_with_input(stop: Callable[[], None]) -> None:
    while os.read(0, 1024):
        pass
    stop()
