"""What each defence costs: time an image, and time to train."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from time import perf_counter

from radversary.auditing.plan import DefencePlan
from radversary.auditing.result import Cost
from radversary.auditing.setup import AuditContext
from radversary.classifiers.base import Classifier
from radversary.core.types import Images
from radversary.execution.progress import track

IMAGES, REPEATS, PATIENCE = 32, 3, 2.0
"""Images a run, number of runs, and seconds beyond which two images are enough."""


def measure_costs(context: AuditContext, seconds: Mapping[str, float]) -> dict[str, Cost]:
    """Time every defence on the same clean images, and look up what it took to train.

    Args:
        context: What was run.
        seconds: Seconds of each training, by ``train NAME``.

    Returns:
        Defence label to costs, ``none`` first.
    """
    images = context.images.tensor(context.images.rows("test")[:IMAGES])
    pairs = track(list(context.defended_classifiers.items()), "Timing defences")
    times = {label: milliseconds(defended, images) for label, defended in pairs}
    trained = {"none": seconds.get("train victim"),
               **{plan.label: training_seconds(plan, seconds) for plan in context.plan.defences}}
    return {label: Cost(milliseconds=time, extra=time - times["none"], training=trained[label])
            for label, time in times.items()}


def milliseconds(defended: Classifier, images: Images) -> float:
    """Return the median time an image of a few runs over a batch, after one over two images that warms up.

    A defence that takes seconds for those two is not timed again: it optimises each image, so warming up changes
    nothing.
    """
    started = perf_counter()
    defended.predict(images[:2])
    if (warmed := perf_counter() - started) > PATIENCE:
        return 1000 * warmed / len(images[:2])
    spent = []
    for _ in range(REPEATS):
        started = perf_counter()
        defended.predict(images)
        spent.append(1000 * (perf_counter() - started) / len(images))
    return median(spent)


def training_seconds(plan: DefencePlan, seconds: Mapping[str, float]) -> float | None:
    """Return what a defence's own model and restorers took to train; None where nothing is known of them."""
    parts = [part.name for part in plan.transforms] + ([plan.model] if plan.model != "victim" else [])
    known = [seconds[name] for name in (f"train {part}" for part in parts) if name in seconds]
    return sum(known) if known else None
