"""Outputs that were calibrated by operating points, as torchxrayvision does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.classifiers.card import ModelCard

OPERATING_POINTS: Final = "op_threshs"
"""What torchxrayvision calls the buffer of operating points in a network's weights."""


def calibrated(logits: Tensor, points: Tensor | None) -> Tensor:
    """Return the logits of probabilities that were brought to operating points.

    torchxrayvision takes the sigmoid p of a logit and maps it piecewise linearly, so that the operating point t becomes
    0.5: p / 2t below t, else 1 - (1 - p) / 2(1 - t). The logits of the result are computed here without going through
    it, so that no digits are lost close to 0 and 1 and no gradient vanishes.

    Args:
        logits: (N, K).
        points: (K,), each between 0 and 1, or not-a-number where an output has none: its probability is 0.5; None
            leaves the logits as they are.

    Returns:
        (N, K), differentiable.

    Example:
        >>> calibrated(torch.tensor([[0.25, 0.75]]).logit(), torch.tensor([0.5, 0.25])).sigmoid()
        tensor([[0.2500, 0.8333]])
    """
    if points is None:
        return logits
    point = points.nan_to_num(0.5)
    level = point.logit()
    # Each branch sees only logits of its own side: elsewhere its logarithm has no value, and a gradient none to mask.
    lower, upper = torch.minimum(logits, level), torch.maximum(logits, level)
    below = F.logsigmoid(lower) - (2 * point - lower.sigmoid()).log()
    above = (2 * (1 - point) - (-upper).sigmoid()).log() - F.logsigmoid(-upper)
    return torch.where(points.isnan(), torch.zeros_like(logits), torch.where(logits < level, below, above))


def operating_faults(state: Mapping[str, Tensor], card: ModelCard) -> str:
    """Say what is wrong with the operating points among a network's weights; nothing where there are none.

    Args:
        state: The weights by name; points are of (K,).
        card: Says which outputs are read.
    """
    if OPERATING_POINTS not in state:
        return ""
    points, outputs = state[OPERATING_POINTS].float(), card.outputs or card.findings
    if points.shape != (len(outputs),):
        return f"{points.numel()} operating points ({OPERATING_POINTS}) are not one for each of {len(outputs)} outputs"
    known = points[~points.isnan()]
    if not bool(((known > 0) & (known < 1)).all()):
        return f"operating points ({OPERATING_POINTS}) are not all between 0 and 1"
    missing = [name for name in card.findings if bool(points[outputs.index(name)].isnan())]
    return (f"finding {missing[0]!r} has no operating point ({OPERATING_POINTS}), so that its probability is 0.5 "
            "whatever the image shows: leave it out of classes and name it in outputs" if missing else "")
