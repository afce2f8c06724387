"""How fast a model answers, and how much memory it takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from torch import nn

from radversary.classifiers.probe import answered
from radversary.core.errors import ModelError
from radversary.study.model_check.report import Check, skipped
from radversary.study.model_check.subject import Subject

BATCHES: Final = {1: 5, 8: 3, 32: 3}
"""Images at once, and how often that many are asked about."""


COSTS: Final = ("speed", "memory")
"""Names of what is measured."""


def check_cost(subject: Subject) -> Iterator[Check]:
    """Measure images a second, alone and in batches, parameters, and memory beyond what was taken before."""
    before = _peak_reset()
    if not len(subject.usable):
        yield from (skipped(name, "it gives no answer that can be used") for name in COSTS)
        return
    try:
        rates = {size: _rate(subject, size, turns) for size, turns in BATCHES.items()}
    except ModelError as error:
        yield from (skipped(name, str(error)) for name in COSTS)
        return
    found = ", ".join(f"{rate:.3g} ({size})" for size, rate in rates.items())
    yield Check(name="speed", state="measured", value=max(rates.values()),
                found=f"images a second: {found} at once", sentence="")
    more = max(0.0, _peak() - before) / 2**20
    parameters = _parameters(subject)
    yield Check(name="memory", state="measured", value=round(more, 1),
                found=f"{more:.0f} MiB more while it answers"
                      + ("" if parameters is None else f"; {parameters:,} parameters"))


def _rate(subject: Subject, size: int, turns: int) -> float:
    """Return images a second in batches of some size: the median of a few, after one that is not counted."""
    images = subject.usable
    images = images.repeat(-(-size // len(images)), 1, 1, 1)[:size]
    answered(subject.classifier, images)
    spent = []
    for _ in range(turns):
        start = time.perf_counter()
        answered(subject.classifier, images)
        spent.append(time.perf_counter() - start)
    return size / max(1e-9, median(spent))


def _parameters(subject: Subject) -> int | None:
    """Return how many parameters the network has; None where it cannot be looked into."""
    inner = getattr(subject.classifier, "classifier", subject.classifier)
    module = getattr(inner, "module", None)
    return sum(value.numel() for value in module.parameters()) if isinstance(module, nn.Module) else None


def _peak_reset() -> float:
    """Return the memory taken now in bytes; where the system allows it, its highest value counts from here."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _peak()
    return _status("VmRSS")


def _peak() -> float:
    """Return the most memory that this process has taken, in bytes."""
    try:
        return _status("VmHWM")
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(most * (1 if sys.platform == "darwin" else 1024))


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024
    raise OSError(f"the system does not state {name}")
