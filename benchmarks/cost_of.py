"""Prints what one attack takes for more and more images: ``python -m benchmarks.cost_of ATTACK``, a process each.

A line of JSON for each number of images: seconds of the processor, which other work on the machine does not lengthen as
it does those of the clock, and how far the process's memory has grown at its highest.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
from collections.abc import Callable, Mapping
from time import process_time
from types import MappingProxyType
from typing import Any, Final

import torch

from benchmarks.peer_victim import Arena, arena
from radversary.attacks.base import Attack, run_attack
from radversary.attacks.batch import Batch
from radversary.attacks.learning import taught
from radversary.attacks.registry import ATTACKS

COUNTS: Final = (16, 32, 64, 128)
ROUNDS: Final = 2
LEARNT_FROM: Final = 32
FEW: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "auto-attack": {"steps": 10, "targets": 2, "queries": 50}, "apgd": {"steps": 20}, "apgd-t": {"steps": 10},
    "fab": {"steps": 10}, "carlini-wagner": {"searches": 2, "steps": 20}, "ddn": {"steps": 20},
    "deepfool": {"steps": 10}, "square": {"queries": 50}, "zoo": {"queries": 300}, "simba": {"queries": 100},
    "hopskipjump": {"queries": 200}, "boundary": {"queries": 200}, "uap": {"epochs": 2}, "patch": {"epochs": 2},
    "uap-data-free": {"steps": 10}, "style-code": {"steps": 4, "count": 4},
    "stm": {"steps": 3, "copies": 2, "count": 4},
    "worst-style": {"generator": "fourier", "k": 5}, "style-transfer": {"count": 4},
    "admix": {"steps": 3, "count": 4}, "vmi-fgsm": {"steps": 3, "neighbours": 3}})
"""Options of attacks that would take long as they are: cost is linear in these by construction, and not measured."""


def attack_of(name: str) -> Attack:
    """Return an attack that takes little time for an image."""
    return ATTACKS.create(name, **FEW.get(name, {}))


def batch_of(own: Arena, count: int) -> Batch:
    """Return some images, one after the other and again from the first."""
    rows = torch.arange(count) % len(own.images)
    return Batch(own.images[rows], own.labels[rows], tuple(f"image-{place}" for place in range(count)))


def computing(work: Callable[[], object]) -> float:
    """Return the seconds of the processor that a call takes."""
    began = process_time()
    work()
    return process_time() - began


def main(name: str) -> None:
    """Measure one attack."""
    torch.set_num_threads(1)
    own, attack = arena(max(COUNTS)), attack_of(name)
    examples = Batch(own.images[:LEARNT_FROM], own.labels[:LEARNT_FROM],
                     tuple(f"other-{place}" for place in range(LEARNT_FROM)))
    attack, _ = taught(attack, own.victim, examples, [attack.current], seed=0, step=name)

    def attacked(count: int) -> None:
        list(run_attack(attack, own.victim, batch_of(own, count), seed=0, step=name, strengths=[attack.current]))

    attacked(COUNTS[0])
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for count in COUNTS:
        seconds = statistics.median(computing(lambda count=count: attacked(count)) for _ in range(ROUNDS))  # type: ignore[misc]
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
        print(json.dumps({"images": count, "seconds": seconds, "kilobytes": grown}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
