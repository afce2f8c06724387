"""Prints the peak of a process's memory in kB after fitting and calibrating a guard on some generated films.

Run by ``test_memory.py`` in a process of its own: ``python peak_memory.py ARCHITECTURE FILMS``.
"""

from __future__ import annotations

import resource
import sys

import numpy as np
import torch

from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.screening.fitting import fit_guard

SIDE = 128


class Films:
    """Films of 66 kB that are made as they are read."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def tensor(self, rows):
        return torch.from_numpy(np.stack([np.random.default_rng(self.first + row).random((1, SIDE, SIDE), np.float32)
                                          for row in rows]))


def main(architecture: str, count: int) -> None:
    torch.set_num_threads(1)
    victim = wrap(build_network(architecture, classes=2, seed=0), classes=("a", "b"), size=SIDE, name="victim",
                  architecture=architecture)
    guard = fit_guard(victim, Films(0, count), names=("integrity", "shallow", "neighbours"))
    guard.calibrate(Films(count, count), [f"p{row}" for row in range(count)])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
