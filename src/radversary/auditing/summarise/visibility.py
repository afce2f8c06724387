"""Accuracy by visibility of the manipulation, measured by similarity to the original."""

from __future__ import annotations

import pandas as pd

from radversary.auditing.cells import VisibilityCell
from radversary.auditing.setup import AuditContext
from radversary.auditing.tables import VISIBILITY, StoredTable, judged, reading_keys
from radversary.auditing.threat_model import SHARED
from radversary.core.types import AttackerKnowledge
from radversary.execution.progress import track
from radversary.metrics.visibility import BIN_NAMES, accuracy_by_visibility, visibility_bin


def summarise_visibility(predictions: StoredTable, scores: StoredTable,
                         context: AuditContext) -> tuple[VisibilityCell, ...]:
    """Return one entry an attack × knowledge × defence, all strengths together.

    Where each defence is attacked with its own images, only ``none`` has an entry: the scores are of its images.

    Args:
        predictions: One row an image × condition × defence.
        scores: One row an image × condition, with ``similarity`` and ``edge_retention``.
        context: What was run.
    """
    keys = ["image_id", "attack", "strength", "knowledge"]
    wanted = [(label, knowledge) for label in context.attacks for knowledge in context.judged(label)]
    findings = reading_keys(predictions.columns)[1:]
    entries = list[VisibilityCell]()
    for label, knowledge in track(wanted, "Accuracy by visibility"):
        what = {"attack": label, "knowledge": str(knowledge)}
        shown = scores.read((*keys, *VISIBILITY), **what)
        for defence in context.defences_for(label) if knowledge in SHARED else ("none",):
            read = judged(predictions.read((*keys, *findings, "patient_id", "label", "predicted"), **what,
                                           defence=defence))
            entries.append(entry(read.merge(shown, on=keys), label, knowledge, defence, context))
    return tuple(entries)


def entry(rows: pd.DataFrame, label: str, knowledge: AttackerKnowledge, defence: str,
          context: AuditContext) -> VisibilityCell:
    """Return accuracy and edge retention by bin of similarity."""
    right = rows["right"].to_numpy()
    found = accuracy_by_visibility(rows["similarity"].to_numpy(), right, rows["patient_id"].tolist(),
                                   draws=context.plan.bootstrap, seed=context.plan.seed)
    edges = rows.groupby(visibility_bin(rows["similarity"].to_numpy()))["edge_retention"].mean()
    return VisibilityCell(attack=label, knowledge=knowledge, defence=defence, bins=BIN_NAMES,
                          accuracy=tuple(estimate for _, estimate in found),
                          edge_retention=tuple(float(edges[name]) if name in edges else None for name in BIN_NAMES))
