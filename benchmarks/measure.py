"""Timing in turns, and the record it leaves."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from radversary.auditing.environment import environment
from radversary.storage.json_files import write_json

RESULTS = Path(__file__).parent / "results"
REPEATS = 7
ENOUGH = 100
"""Values from which on a 99th percentile is given."""

Contender = Callable[[], object]


def timed(contender: Contender) -> float:
    """Return the wall time of one call, in seconds."""
    started = perf_counter()
    contender()
    return perf_counter() - started


def quartiles(values: list[float]) -> dict[str, float]:
    """Return the three quartiles by name, and the 99th percentile where there are enough values for one."""
    found = dict(zip(("lower quartile", "median", "upper quartile"), statistics.quantiles(values, n=4), strict=True))
    return found | ({"99th percentile": statistics.quantiles(values, n=100)[98]} if len(values) >= ENOUGH else {})


def compare(name: str, ours: str, contenders: Mapping[str, Contender], *, scale: Mapping[str, float] | None = None,
            note: str = "", repeats: int = REPEATS) -> dict[str, Any]:
    """Time contenders in turn and write the record.

    Args:
        name: Of the benchmark.
        ours: Which contender is this project's.
        contenders: Name to what is timed.
        scale: Factor by which a contender's time is multiplied, where it ran a part of the work only.
        note: What a reader should know.
        repeats: Rounds.

    Returns:
        The record.
    """
    for contender in contenders.values():
        contender()
    times: dict[str, list[float]] = {label: [] for label in contenders}
    for _ in range(repeats):
        for label, contender in contenders.items():
            times[label].append(timed(contender) * (scale or {}).get(label, 1.0))
    medians = {label: statistics.median(values) for label, values in times.items()}
    record = {
        "name": name, "note": note, "repeats": repeats,
        "seconds": {label: quartiles(values) for label, values in times.items()},
        "times as long as ours": {label: median / medians[ours] for label, median in medians.items() if label != ours},
        "scaled": dict(scale or {}), "environment": environment()}
    write_json(RESULTS / f"{name}.json", record)
    return record
