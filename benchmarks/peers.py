"""Attacks beside those of other frameworks on one victim: strength, distance, time."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from scipy.stats import binomtest

from benchmarks.form_page import table
from benchmarks.measure import timed
from benchmarks.peer_contenders import Contender, Contest, contests
from benchmarks.peer_victim import HARDENED, SIDE, Arena, arena, deep
from radversary.auditing.environment import environment
from radversary.core.types import Images
from radversary.storage.files import write_text
from radversary.storage.json_files import write_json

COUNT, WIDE, ROUNDS = 100, 16, 3
PLACE: Final = Path(__file__).parents[1] / "docs" / "results"

HEAD = """# Attacks beside those of other frameworks

[All results](README.md)

`RADVERSARY_PEERS=FOLDER python -m benchmarks peers` writes this page and [attack-peers.json](attack-peers.json);
FOLDER holds torchattacks (`pip install --no-deps --target FOLDER torchattacks==3.5.1`), without which its rows are
left out; its Square by L2 fails on images of one channel.

Victim: a convolutional network of {weights:,} weights on scikit-learn's handwritten digits at {side} px, trained here
against two signed steps at {hardened}; {accuracy:.1f} % of the held-out digits are read rightly. Attacked are the
first of these, with the same images, bounds and steps or questions for all, in continuous grey levels as the peers
have them. Rows named ResNet-18 are of a network of 11 million weights, trained for three epochs on the same digits:
there the passes of the victim weigh, as on films, and not what an attack does between them.
Nothing was tuned on this victim. Robust accuracy is the share still read rightly, with a 95 % Wilson interval; a
smallest change is the median L2 over the images that each misleads. Time: wall time of a call, median of {rounds}
rounds in turn with the others, {threads} threads; what is over 1 is slower than ours. One network, one machine: ratios
shift with both.
"""


def peers() -> dict[str, Any]:
    """Compare and write the page."""
    torch.set_num_threads(2)
    whole, wide = arena(COUNT), arena(WIDE, deep, epochs=3)
    rows = list[dict[str, Any]]()
    for contest, own in contests(whole, wide):
        rows += compared(contest, own)
        write_json(PLACE / "attack-peers.json", {"rows": rows, "accuracy": whole.accuracy,
                                                 "environment": environment()})
        write_text(PLACE / "attack-peers.md", page(rows, whole))
    return {"name": "attack-peers", "seconds": {"radversary": {"median": sum(row["seconds"] for row in rows
                                                                              if row["who"] == "radversary")}},
            "times as long as ours": {}, "rows": rows, "environment": environment()}


def compared(contest: Contest, own: Arena) -> list[dict[str, Any]]:
    """Run a contest and return a row a contender."""
    found = {item.who: made for item in contest.contenders if (made := attempted(item)) is not None}
    times: dict[str, list[float]] = {who: [] for who in found}
    for _ in range(ROUNDS):
        for item in contest.contenders:
            if item.who in found:
                times[item.who].append(timed(item.run))
    medians = {who: statistics.median(values) for who, values in times.items()}
    rows = [{"attack": contest.name, "setting": contest.setting, "who": who, "n": contest.images,
             **outcome(own, images, contest.measure), "seconds": medians[who],
             "ratio": medians[who] / medians["radversary"]} for who, images in found.items()]
    for row in rows:
        print(row)
    return rows


def attempted(item: Contender) -> Images | None:
    """Return what a contender makes; None, and a line, where it fails."""
    try:
        return item.run()
    except Exception as error:  # another project's attack may raise anything
        print(f"{item.who} fails: {error}")
        return None


def outcome(own: Arena, attacked: Images, measure: str) -> dict[str, Any]:
    """Return what an attack reached: how many it misled, and how far away, or how many it left."""
    misled = own.victim.predict(attacked.clamp(0, 1)) != own.labels
    far = torch.linalg.vector_norm((attacked - own.images).flatten(1), dim=1)[misled]
    distance = float(far.median()) if len(far) else None
    return {"measure": measure, "misled": int(misled.sum()), "distance": distance}


def page(rows: Sequence[Mapping[str, Any]], whole: Arena) -> str:
    """Return the page."""
    def reached(row: Mapping[str, Any]) -> str:
        if row["measure"] == "distance":
            far = "–" if row["distance"] is None else f"{row['distance']:.3f}"
            return f"{row['misled']} of {row['n']} misled, {far}"
        left = row["n"] - row["misled"]
        low, high = binomtest(left, row["n"]).proportion_ci(method="wilson")
        return f"{100 * left / row['n']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"

    weights = sum(item.numel() for item in whole.network.parameters())
    head = HEAD.format(weights=weights, side=SIDE, hardened=HARDENED, accuracy=100 * whole.accuracy, rounds=ROUNDS,
                       threads=torch.get_num_threads())
    heads = ("attack", "setting", "n", "framework", "robust accuracy, or smallest change", "seconds", "times ours")
    body = [(row["attack"] if row["who"] == "radversary" else "", row["setting"] if row["who"] == "radversary" else "",
             str(row["n"]), row["who"], reached(row), f"{row['seconds']:.2f}", f"{row['ratio']:.2f}") for row in rows]
    return f"{head}\n{table(heads, body)}"
