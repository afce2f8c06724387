"""Accuracy against how much of a manipulation can be seen: opacity says what was mixed in, not what shows."""

from __future__ import annotations

import pandas as pd

from radversary.audit.result import VisibilityCell
from radversary.audit.setup import Bench
from radversary.audit.threat_model import SHARED, Rung
from radversary.execution.progress import track
from radversary.metrics.visibility import BIN_NAMES, accuracy_by_visibility, visibility_bin


def summarise_visibility(predictions: pd.DataFrame, scores: pd.DataFrame, bench: Bench) -> tuple[VisibilityCell, ...]:
    """Return one entry an attack × rung × defence, all strengths together.

    Where each defence meets images of its own, only no defence has an entry: the scores are of its images.

    Args:
        predictions: One row an image × condition × defence.
        scores: One row an image × condition, with ``similarity`` and ``edge_retention``.
        bench: What was run.
    """
    keys = ["image_id", "attack", "strength", "rung"]
    joined = predictions.merge(scores[[*keys, "similarity", "edge_retention"]], on=keys)
    wanted = [(label, rung, defence) for label in bench.trials for rung in bench.judged(label)
              for defence in (bench.facing(label) if rung in SHARED else ("none",))]
    groups = dict(iter(joined.groupby(["attack", "rung", "defence"], sort=False)))
    return tuple(entry(groups[label, str(rung), defence], label, rung, defence, bench)
                 for label, rung, defence in track(wanted, "Accuracy by visibility"))


def entry(rows: pd.DataFrame, label: str, rung: Rung, defence: str, bench: Bench) -> VisibilityCell:
    """Return accuracy and edge retention by bin of similarity."""
    right = (rows["label"] == rows["predicted"]).to_numpy()
    found = accuracy_by_visibility(rows["similarity"].to_numpy(), right, rows["patient_id"].tolist(),
                                   draws=bench.plan.bootstrap, seed=bench.plan.seed)
    edges = rows.groupby(visibility_bin(rows["similarity"].to_numpy()))["edge_retention"].mean()
    return VisibilityCell(attack=label, rung=rung, defence=defence, bins=BIN_NAMES,
                          accuracy=tuple(estimate for _, estimate in found),
                          edge_retention=tuple(float(edges[name]) if name in edges else None for name in BIN_NAMES))
