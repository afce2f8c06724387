"""Whether the memory of a server stays flat: thousands of screenings through ``radversary serve`` with its worker."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import httpx
import numpy as np
import torch

from benchmarks.measure import RESULTS, quartiles
from radversary.auditing.environment import environment
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.imaging.png import encode_png
from radversary.screening.bundle import promise, save_guard
from radversary.screening.fitting import fit_guard
from radversary.service.access.keys import give_key
from radversary.service.access.scopes import SYSTEM
from radversary.service.platform import Platform
from radversary.service.settings import Settings
from radversary.service.store.tables import Guard
from radversary.storage.json_files import write_json

SIZE, CLIENTS = 48, 8
"""Side of the films, and clients at once."""

MARKS: Final = (2000, 5000, 10_000, 20_000)
"""Screenings after which the memory is told."""

EVERY: Final = 500
"""Screenings between two readings of the memory."""

SERVE: Final = "from radversary.cli.main import run; run()"
"""The program of the server: the command line."""

LOOKED_AT: Final = ("/v1/guards/{guard}/monitoring", "/v1/screenings?limit=50", "/metrics")
"""What a person or a program asks for at each reading."""


@dataclass(frozen=True)
class Soaked:
    """What was seen.

    Attributes:
        memory: Screenings to the resident memory of the server, in MB.
        worker: The same of its worker.
        seconds: How long each screening took for its client.
        pace: Films a second.
    """

    memory: dict[int, float]
    worker: dict[int, float]
    seconds: list[float]
    pace: float

    def slope(self, begin: int) -> float:
        """Return by how many MB the server grew per 1,000 screenings from ``begin`` on: Theil and Sen's slope.

        Theil 1950, Indagationes Mathematicae 12; it is the median over pairs of readings, so that a single step, such
        as a first look at a page, is not taken for growth.
        """
        return slope({count: value for count, value in self.memory.items() if count >= begin})


def slope(memory: dict[int, float]) -> float:
    """Return Theil and Sen's slope of memory per 1,000 screenings.

    Example:
        >>> slope({1000: 100.0, 2000: 101.0, 3000: 102.0})
        1.0
    """
    from scipy.stats import theilslopes

    return 1000 * float(theilslopes(list(memory.values()), list(memory))[0])


def soak(marks: Sequence[int] = MARKS) -> dict[str, Any]:
    """Screen films, each another, and write the record.

    Args:
        marks: Numbers of screenings after which the memory is told, rising; the growth is counted from the first on.
    """
    with tempfile.TemporaryDirectory() as folder:
        seen = soaked(Path(folder), marks[-1])
    record = {
        "name": "soak", "screenings": marks[-1], "clients": CLIENTS,
        "MB of the server": {str(mark): seen.memory[mark] for mark in marks},
        "MB of its worker": {str(mark): seen.worker[mark] for mark in marks},
        "MB per 1,000 screenings": seen.slope(marks[0]), "films a second": seen.pace,
        "seconds": {"a screening": quartiles(seen.seconds)}, "times as long as ours": {}, "environment": environment(),
        "note": f"resident memory of `radversary serve` and its worker; PNG films of {SIZE} px, no two alike, a small "
                f"network, {CLIENTS} clients; the growth is Theil and Sen's slope of readings every {EVERY} screenings "
                f"after the first {marks[0]}, at each of which monitoring, list and metrics are asked for"}
    write_json(RESULTS / "soak.json", record)
    return record


def soaked(home: Path, count: int, *, program: str = SERVE, every: int = EVERY, keys: int = CLIENTS) -> Soaked:
    """Screen films and read the memory of the server.

    Args:
        home: An empty folder.
        count: Screenings.
        program: Of the server; takes the command line's arguments.
        every: Screenings between two readings.
        keys: Keys that the clients share; of each the last 256 films are remembered, which is 1 MB.
    """
    home.mkdir(exist_ok=True)
    guard, tokens = prepared(home, keys)
    memory, worker, seconds = dict[int, float](), dict[int, float](), list[float]()
    with server(home, program) as (process, address), ThreadPoolExecutor(CLIENTS) as pool:
        screen = screening(f"{address}/v1/guards/{guard}/screenings", tokens)
        spent = 0.0
        for done in range(0, count, every):
            began = perf_counter()
            seconds += pool.map(screen, range(done, done + every))
            spent += perf_counter() - began
            for path in LOOKED_AT:
                httpx.get(address + path.format(guard=guard), headers=bearer(tokens[0])).raise_for_status()
            memory[done + every], worker[done + every] = resident(process.pid), sum(map(resident, below(process.pid)))
    return Soaked(memory, worker, seconds, count / spent)


def prepared(home: Path, keys: int) -> tuple[str, list[str]]:
    """Put a small guard into a new store; return its id and some keys."""
    clean = torch.rand(110, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(9))
    victim = wrap(build_network("small-cnn", classes=3, seed=1), classes=("a", "b", "c"), size=SIZE,
                  architecture="small-cnn")
    guard = fit_guard(victim, clean[:20], names=("integrity", "energy", "msp"))
    guard = guard.calibrate(clean[20:], [f"p{number}" for number in range(90)], alpha=0.1)
    save_guard(guard, home / "guard")
    platform = Platform.open(Settings(home=home, reserve=1))
    row = Guard(tenant="main", name="guard", model_id="", folder=str(home / "guard"),
                promise={"promise": promise(guard.calibrated()), "alpha": 0.1})
    with platform.database.session() as session:
        session.add(row)
        tokens = [give_key(session, SYSTEM, "soak", ["administrator"]).token for _ in range(keys)]
    platform.close()
    return row.id, tokens


@contextmanager
def server(home: Path, program: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a server with a worker; yields its process and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", program, "serve", "--home", str(home), "--port", str(port),
                                "--device", "cpu"],
                               env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, until = f"http://127.0.0.1:{port}", time.monotonic() + 60
    try:
        while not _answers(address):
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError("the server did not start")
            time.sleep(0.1)
        yield process, address
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/livez").is_success
    except httpx.TransportError:
        return False


def screening(address: str, tokens: Sequence[str]) -> Callable[[int], float]:
    """Return what has a film screened, another for each number, and says how many seconds that took.

    Each thread keeps its connection; a key that has asked too often waits as it is told.
    """
    local = threading.local()

    def screen(number: int) -> float:
        if not hasattr(local, "client"):
            local.client = httpx.Client(timeout=60)
        film = encode_png(torch.from_numpy(np.random.default_rng(number).random((1, SIZE, SIZE), np.float32)))
        while True:
            began = perf_counter()
            answer = local.client.post(address, content=film, headers=bearer(tokens[number % len(tokens)]))
            if answer.status_code != 429:
                answer.raise_for_status()
                return perf_counter() - began
            time.sleep(float(answer.headers.get("Retry-After", 1)))

    return screen


def bearer(token: str) -> dict[str, str]:
    """Return the header that brings a key."""
    return {"Authorization": f"Bearer {token}"}


def resident(process: int) -> float:
    """Return the resident memory of a process, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return round(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024, 2)


def below(process: int) -> list[int]:
    """Return the processes that a process started, in whichever of its threads."""
    return [int(number) for task in Path(f"/proc/{process}/task").iterdir()
            for number in (task / "children").read_text().split()]
