"""What each attack takes for more and more images: seconds, and memory beyond the images themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import log
from pathlib import Path
from statistics import linear_regression
from typing import Any, Final

from matplotlib.axes import Axes

from benchmarks.cost_of import COUNTS, FEW, ROUNDS
from benchmarks.form_page import table
from benchmarks.peer_victim import SIDE
from radversary.attacks.guarded_victim import Evasive
from radversary.attacks.registry import ATTACKS
from radversary.auditing.environment import environment
from radversary.core.types import AttackFamily
from radversary.report.figures.canvas import BEFORE, MUTED, draw
from radversary.storage.files import write_text
from radversary.storage.json_files import read_json, write_json

PLACE: Final = Path(__file__).parents[1] / "docs" / "results"
BEGUN: Final = Path(__file__).with_name("results") / "attack-costs-begun.json"
"""What a run that was stopped has measured; the next one goes on after it."""

FOURFOLD: Final = 4 * SIDE * SIDE / 1000
"""Kilobytes of one image of the benchmark as float32."""

HEAD = """# What an attack takes for more images

[All results](README.md)

`python -m benchmarks costs` writes this page, [attack-costs.json](attack-costs.json) and the figure. Each
attack is run in a process of its own, on one thread, on {counts} handwritten digits at {side} px, given at once
to `run_attack`, with small budgets of steps and queries (`benchmarks/cost_of.py`); what attacks learn
beforehand is not counted. Seconds: of the processor, median of {rounds}. Exponent: slope of the logarithm of
seconds over that of images; 1 is linear, less is what a fixed part of the cost, or an attack that stops on
misled images, leaves. Memory: growth of the highest resident memory of the process from {first} images to {last},
in kilobytes an image; an image itself is {own:.1f} kB, of which the batch, its attacked copy and their
differences are held. An audit gives images in batches of 32 (`batch_size`), so that its memory does not grow with
their number at all; what is shown here is what an image more in one batch takes.

Exponents lie between {low:.2f} and {high:.2f}, with the median at {middle:.2f}.

![Seconds over images, one line an attack](attack-costs.svg)

"""


def measured_attacks() -> Iterator[str]:
    """Yield the attacks that need no detectors and are no controls."""
    for name in ATTACKS.names():
        if not issubclass(kind := ATTACKS.get(name), Evasive) and kind.family != AttackFamily.CONTROL:
            yield name


def costs() -> dict[str, Any]:
    """Measure all attacks, and write page and figure."""
    found: dict[str, list[dict[str, float]]] = read_json(BEGUN) if BEGUN.exists() else {}
    for name in measured_attacks():
        if name in found:
            continue
        said = subprocess.run([sys.executable, "-m", "benchmarks.cost_of", name], check=True, capture_output=True,
                              text=True).stdout
        found[name] = [json.loads(line) for line in said.splitlines()]
        write_json(BEGUN, found)
        print(f"{name}: exponent {exponent(found[name]):.2f}, {kilobytes(found[name]):.0f} kB an image", flush=True)
    write_json(PLACE / "attack-costs.json", {"attacks": found, "options": {name: dict(item) for name, item in
                                                                          FEW.items()}, "environment": environment()})
    write_text(PLACE / "attack-costs.md", page(found))
    write_text(PLACE / "attack-costs.svg", picture(found))
    BEGUN.unlink()
    return {"name": "attack-costs", "times as long as ours": {}, "seconds": {
        "radversary": {"median": sum(rows[-1]["seconds"] for rows in found.values())}}}


def exponent(rows: Sequence[Mapping[str, float]]) -> float:
    """Return how seconds grow with images: 1 is linear."""
    return linear_regression([log(row["images"]) for row in rows], [log(row["seconds"]) for row in rows]).slope


def kilobytes(rows: Sequence[Mapping[str, float]]) -> float:
    """Return by how much the peak of memory grows with an image."""
    return (rows[-1]["kilobytes"] - rows[0]["kilobytes"]) / (rows[-1]["images"] - rows[0]["images"])


def page(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Return the page."""
    slopes = sorted(map(exponent, found.values()))
    head = HEAD.format(counts=", ".join(map(str, COUNTS)), side=SIDE, rounds=ROUNDS, first=COUNTS[0], last=COUNTS[-1],
                       own=FOURFOLD, low=slopes[0], high=slopes[-1], middle=slopes[len(slopes) // 2])
    heads = ("attack", *(f"seconds, {count} images" for count in COUNTS), "exponent", "kB an image")
    body = [(f"`{name}`", *(f"{row['seconds']:.2f}" for row in rows), f"{exponent(rows):.2f}", f"{kilobytes(rows):.0f}")
            for name, rows in sorted(found.items())]
    return f"{head}{table(heads, body)}"


def picture(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Return the figure as SVG: seconds relative to those of the fewest images, and the line of a linear cost."""
    def paint(axes: Axes) -> None:
        for rows in found.values():
            axes.plot([row["images"] for row in rows], [row["seconds"] / rows[0]["seconds"] for row in rows],
                      color=BEFORE, alpha=0.35, linewidth=1)
        axes.plot(COUNTS, [count / COUNTS[0] for count in COUNTS], color=MUTED, linestyle=(0, (5, 1.6)))
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xticks(COUNTS, [str(count) for count in COUNTS])
        times = [count // COUNTS[0] for count in COUNTS]
        axes.set_yticks(times, [f"{number} ×" for number in times])
        axes.set_xlabel("images")
        axes.set_ylabel(f"seconds, relative to {COUNTS[0]} images")

    drawing = draw("attack-costs", "Cost of attacks over images", "One line an attack; dashed, a linear cost.", paint)
    return str(drawing.svg)
