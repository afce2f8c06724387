"""Run the benchmarks named on the command line, or all."""

from __future__ import annotations

import sys

import torch

from benchmarks.suite import SUITE
from radversary.core.errors import UnknownNameError


def main(names: list[str]) -> int:
    """Measure and print ratios."""
    torch.set_num_threads(2)
    for name in names or list(SUITE):
        if name not in SUITE:
            print(UnknownNameError("benchmark", name, SUITE))
            return 2
        record = SUITE[name]()
        ours = next(iter(record["seconds"]))
        print(f"{name}: {ours} {record['seconds'][ours]['median']:.3f} s; " + ", ".join(
            f"{peer} {ratio:.2f} x" for peer, ratio in record["times as long as ours"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
