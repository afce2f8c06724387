"""How soon help, lists and refusals answer, against the bare interpreter and the import of PyTorch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import RESULTS, quartiles, timed
from radversary.auditing.environment import environment
from radversary.storage.json_files import write_json

ROUNDS = 11

BARE, TORCH = "python -c pass", "import torch"

AUDIT = ("audit", "--model", "model", "--root", ".")

COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("--help",), "help of a verb": ("audit", "--help"), "list": ("list",),
    "list classifiers": ("list", "classifiers"), "unknown verb": ("nonsense",),
    "unknown option": ("audit", "--modle", "m"),
    "unknown key of a plan": (*AUDIT, "--plan", "key.yaml"), "unknown attack": (*AUDIT, "--plan", "attack.yaml"),
    "unknown hyper-parameter": (*AUDIT, "--plan", "option.yaml"),
    "no such model": ("audit", "--model", "none", "--root", "."),
    "a pickle": ("audit", "--model", "weights.pt", "--root", "."),
    "a model without a card": ("audit", "--model", "bare", "--root", "."),
    "a card with a wrong field": ("audit", "--model", "odd", "--root", "."),
    "no such images": ("audit", "--model", "model", "--root", "none")}
"""What is asked, in a folder of :func:`prepared`."""


def prepared(folder: Path) -> None:
    """Write models and plans that are wrong in one way each."""
    attack: dict[str, Any] = {"label": "x", "name": "pgd"}
    plans = {"key": {"attacks": [attack], "atacks": []}, "attack": {"attacks": [{**attack, "name": "pdg"}]},
             "option": {"attacks": [{**attack, "options": {"stepps": 3}}]}}
    for name, plan in plans.items():
        (folder / f"{name}.yaml").write_text(json.dumps(plan))
    (folder / "weights.pt").write_bytes(b"\x80\x02}q\x00.")
    card = {"name": "m", "architecture": "resnet18", "classes": ["a", "b"], "size": 48}
    for name, fields in {"bare": None, "odd": {**card, "sise": 1}, "model": card}.items():
        (folder / name).mkdir()
        (folder / name / "model.safetensors").write_bytes(b"\x00")
        if fields is not None:
            (folder / name / "card.json").write_text(json.dumps(fields))


def start() -> dict[str, Any]:
    """Seconds from the start of a process to its end, each command in turn, all rounds."""
    commands = {name: ("-m", "radversary.cli.main", *words) for name, words in COMMANDS.items()}
    commands |= {BARE: ("-c", "pass"), TORCH: ("-c", "import torch")}
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        prepared(Path(folder))
        for turn in range(ROUNDS + 1):
            for name, words in commands.items():
                seconds = timed(partial(subprocess.run, [sys.executable, *words], cwd=folder, capture_output=True))
                times[name] += [seconds] if turn else []  # the first round fills the disk's cache
    medians = {name: median(values) for name, values in times.items()}
    ours = next(iter(COMMANDS))
    record = {
        "name": "start", "repeats": ROUNDS,
        "note": "a process from start to end; commands in turn; load: mean number of runnable processes of the last "
                "minute as the measurement ended",
        "load": os.getloadavg()[0], "seconds": {name: quartiles(values) for name, values in times.items()},
        "times as long as ours": {peer: medians[peer] / medians[ours] for peer in (BARE, TORCH)},
        "share of import torch": {name: medians[name] / medians[TORCH] for name in COMMANDS},
        "times python -c pass": {name: medians[name] / medians[BARE] for name in COMMANDS},
        "environment": environment()}
    write_json(RESULTS / "start.json", record)
    return record
