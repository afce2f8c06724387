"""What training loses when other processes share the cores: threads that wait by sleeping against threads that spin."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.measure import RESULTS
from radversary.auditing.environment import environment
from radversary.storage.json_files import write_json

CROWDS = (0, 1, 3)
"""Busy processes beside the training."""

SECONDS, ROUNDS = 8, 3

STEPS = """
import sys, time, torch
from radversary.classifiers.networks import build_network
torch.set_num_threads(int(sys.argv[1]))
network, images = build_network("resnet18", classes=3), torch.rand(16, 3, 128, 128)
images, labels = images.to(memory_format=torch.channels_last), torch.arange(16) % 3
optimiser = torch.optim.AdamW(network.parameters(), 1e-4)
def step():
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(network(images), labels).backward()
    optimiser.step()
for _ in range(3):
    step()
started, count = time.perf_counter(), 0
while time.perf_counter() - started < float(sys.argv[2]):
    step()
    count += 1
print(count / (time.perf_counter() - started))
"""


def spin() -> None:
    """Keep one core busy for ever."""
    while True:
        pass


@contextmanager
def crowd(count: int) -> Iterator[None]:
    """Have so many processes keep the cores busy."""
    busy = [multiprocessing.Process(target=spin, daemon=True) for _ in range(count)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()


def steps_a_second(policy: dict[str, str]) -> float:
    """Train a small ResNet for some seconds in a process of its own, on all cores, and return its pace."""
    command = [sys.executable, "-c", STEPS, str(os.cpu_count()), str(SECONDS)]
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(command, env={**inherited, **policy}, capture_output=True, text=True, check=True)
    return float(done.stdout)


def crowded() -> dict[str, Any]:
    """Pace of training beside 0, 1 and 3 busy processes: as radversary has threads wait, and by OpenMP's default."""
    paces: dict[str, dict[str, list[float]]] = {"radversary": {}, "spinning": {}}
    for _ in range(ROUNDS):
        for count in CROWDS:
            with crowd(count):
                for name, policy in (("radversary", {"OMP_WAIT_POLICY": "PASSIVE"}), ("spinning", {})):
                    paces[name].setdefault(str(count), []).append(steps_a_second(policy))
    pace = {name: {count: median(found) for count, found in own.items()} for name, own in paces.items()}
    cores = os.cpu_count() or 1
    gains = {f"spinning beside {count}": value / pace["spinning"][count]
             for count, value in pace["radversary"].items()}
    record = {
        "name": "crowded",
        "note": "steps a second of ResNet-18 training by busy processes beside it; share: of its own pace alone; fair: "
                "the share of the cores that is left to it",
        "steps a second": pace, "rounds": ROUNDS,
        "share": {name: {count: value / own["0"] for count, value in own.items()} for name, own in pace.items()},
        "fair": {str(count): min(1.0, cores / (cores + count)) for count in CROWDS},
        "times as long as ours": gains,
        "seconds": {"radversary": {"median": 1.0 / pace["radversary"]["0"]}}, "environment": environment()}
    write_json(RESULTS / "crowded.json", record)
    return record
