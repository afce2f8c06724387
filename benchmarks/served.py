"""What screening through the server costs beside decoding and classifying in a process of one's own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import torch

from benchmarks.measure import RESULTS, quartiles
from benchmarks.screening import classified, ready
from radversary.auditing.environment import environment
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.data.phantoms import Phantoms
from radversary.data.reading import read_image
from radversary.imaging.image import to_model_input
from radversary.imaging.png import encode_png
from radversary.screening.bundle import promise, save_guard
from radversary.screening.fitting import PRESETS
from radversary.service.access.keys import give_key
from radversary.service.access.scopes import SYSTEM
from radversary.service.platform import Platform
from radversary.service.settings import Settings
from radversary.service.store.tables import Guard
from radversary.storage.json_files import write_json

SIZE, CLIENTS, ROUNDS, EACH = 224, 8, 60, 12
"""Side of the films, clients at once, rounds one by one, and films a client in each of three crowded rounds."""

SERVE = """
import sys
from pathlib import Path
import uvicorn
from radversary.service.app import make_app
from radversary.service.platform import Platform
from radversary.service.settings import Settings
uvicorn.run(make_app(Platform.open(Settings(home=Path(sys.argv[1]), rate=0, reserve=1))), port=int(sys.argv[2]),
            log_level="error", access_log=False)
"""


def served(architecture: str = "resnet18", *, preset: str = "quick", port: int = 8157) -> dict[str, Any]:
    """Time single films in turn with the bare model, then films of several clients at once.

    Args:
        architecture: Of the model; its weights are random.
        preset: Of the guard.
        port: Of the server.

    Returns:
        The record: seconds, the ratio of medians, films a second.
    """
    images = torch.cat([batch.images for batch in Phantoms(count=64, size=SIZE).generate()])
    victim = wrap(build_network(architecture, classes=3), classes=("a", "b", "c"), size=SIZE, architecture=architecture)
    guard = ready(victim, images, PRESETS[preset])
    films = [encode_png(image) for image in images[:16]]

    def bare(film: bytes) -> object:
        return classified(victim, to_model_input(read_image(film, name="film"), victim.card))

    with tempfile.TemporaryDirectory() as folder, server(Path(folder), guard, port) as screen:
        record = {"name": f"served-{architecture}", "preset": preset, "clients": CLIENTS,
                  **in_turn(films, bare, screen), **at_once(films, bare, screen), "environment": environment(),
                  "note": f"PNG films of {SIZE} px over HTTP on this machine beside decoding and classifying in one "
                          "process; medians of turns; films a second of several clients beside one after another"}
    write_json(RESULTS / f"{record['name']}.json", record)
    return record


def in_turn(films: list[bytes], bare: Callable[[bytes], object], screen: Callable[[bytes], object]) -> dict[str, Any]:
    """Time one film at a time, each way in turn."""
    times: dict[str, list[float]] = {"bare": [], "served": []}
    for number in range(ROUNDS + 5):
        for name, contender in (("bare", bare), ("served", screen)):
            began = perf_counter()
            contender(films[number % len(films)])
            if number >= 5:
                times[name].append(perf_counter() - began)
    ratio = statistics.median(times["served"]) / statistics.median(times["bare"])
    paired = statistics.median(served / alone for served, alone in zip(times["served"], times["bare"], strict=True))
    return {"seconds": {name: quartiles(values) for name, values in times.items()},
            "times as long as ours": {"served": ratio, "served, median of pairs": paired}}


def at_once(films: list[bytes], bare: Callable[[bytes], object], screen: Callable[[bytes], object]) -> dict[str, Any]:
    """Return films a second: of the bare model one after another, and of clients at once; medians of three turns."""
    many = [films[number % len(films)] for number in range(CLIENTS * EACH)]
    found: dict[str, list[float]] = {"bare": [], "served": []}
    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(3):
            began = perf_counter()
            for film in many:
                bare(film)
            found["bare"].append(len(many) / (perf_counter() - began))
            began = perf_counter()
            list(pool.map(screen, many))
            found["served"].append(len(many) / (perf_counter() - began))
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {"films a second": medians, "share of the bare model's": medians["served"] / medians["bare"]}


@contextmanager
def server(folder: Path, guard: Any, port: int) -> Iterator[Callable[[bytes], object]]:  # noqa: ANN401
    """Start a server with a guard; yields what has a film screened."""
    save_guard(guard, folder / "guard")
    platform = Platform.open(Settings(home=folder, reserve=1))
    with platform.database.session() as session:
        token = give_key(session, SYSTEM, "benchmark", ["administrator"]).token
        row = Guard(tenant="main", name="guard", model_id="", folder=str(folder / "guard"),
                    promise={"promise": promise(guard.calibrated())})
        session.add(row)
    platform.close()
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(folder), str(port)], env=dict(os.environ))
    local, headers = threading.local(), {"Authorization": f"Bearer {token}"}

    def screen(film: bytes) -> object:
        if not hasattr(local, "client"):
            local.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60)
        answer = local.client.post(f"/v1/guards/{row.id}/screenings", content=film)
        answer.raise_for_status()
        return answer.json()

    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                httpx.get(f"http://127.0.0.1:{port}/livez")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield screen
    finally:
        process.terminate()
        process.wait()
