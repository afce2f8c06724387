"""The direction in which an edge of decisions is crossed, from decisions about points around it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from radversary.attacks.balls import lengths
from radversary.attacks.decision.asking import Questions
from radversary.attacks.directions import TINY
from radversary.attacks.problem import CHUNK
from radversary.core.types import Images, Norm

RUN = 16
"""Points around one image whose decisions are added up at once, whatever images stand beside it."""


def normals(asked: Questions, rows: Tensor, points: Images, radius: Tensor, counts: Tensor, norm: Norm) -> Tensor:
    """Return estimates of the directions in which points at an edge come to reach the goal, (M, C, H, W).

    The mean of random directions, each weighted by whether the point there reaches the goal less how often points do
    (Chen, Jordan and Wainwright 2020, arXiv:1904.02144, equation 16). Two sums an image are kept, and the directions
    of :data:`radversary.attacks.problem.CHUNK` points at a time: memory does not grow with their number.

    Args:
        asked: Whom to ask.
        rows: Places of the images, int64 (M,).
        points: Points at the edge, (M, C, H, W), as stored.
        radius: How far around them to ask, by L2, (M,).
        counts: Questions about each, int64 (M,), no more than it may take.
        norm: By L2 directions are normal, by L∞ uniform.
    """
    upwards, every, hits = torch.zeros_like(points), torch.zeros_like(points), points.new_zeros(len(rows))
    for runs in chunks(counts.tolist()):
        places = torch.tensor([place for place, length in runs for _ in range(length)], device=rows.device)
        far, at = radius[places].reshape(-1, 1, 1, 1), points[places]
        trial = asked.saved(rows[places], torch.addcmul(at, drawn(asked, rows, runs, norm), far).clamp_(0, 1))
        reached = asked.ask(rows[places], trial).to(points.dtype)
        taken, first = trial.sub_(at).div_(far), 0
        for place, length in runs:  # sums of one shape for an image, whatever stands beside it
            some, weights = taken[first:first + length], reached[first:first + length]
            every[place] += some.sum(0)
            upwards[place] += some.mul_(weights.reshape(-1, 1, 1, 1)).sum(0)
            hits[place] += weights.sum()
            first += length
    return weighted(upwards, every, hits, counts.to(points.dtype))


def weighted(upwards: Tensor, every: Tensor, hits: Tensor, counts: Tensor) -> Tensor:
    """Return the sum of directions, each plus or minus 1 less the mean of these; where all are alike, plus or minus 1.

    Args:
        upwards: Sum of those at which the goal is reached, (M, C, H, W).
        every: Sum of all.
        hits: How many reach it, (M,).
        counts: How many there are, (M,).

    Example:
        >>> up, all_of_them = torch.tensor([[[[2.0]]]]), torch.tensor([[[[2.0]]]])
        >>> weighted(up, all_of_them, torch.tensor([2.0]), torch.tensor([2.0])).item()
        2.0
    """
    mean = 2 * hits / counts - 1
    baseline = torch.where(mean.abs() == 1, 0, mean).reshape(-1, 1, 1, 1)
    return 2 * upwards - (1 + baseline) * every


def drawn(asked: Questions, rows: Tensor, runs: list[tuple[int, int]], norm: Norm) -> Tensor:
    """Return random directions of length 1, (M, C, H, W); a run is drawn whole from its image's stream.

    Args:
        asked: Whom to ask.
        rows: Places of the images, int64.
        runs: Which of these, and how many directions of :data:`RUN` that are drawn are wanted.
        norm: By L2 directions are normal, by L∞ uniform.
    """
    problem = asked.problem
    noise = torch.empty(len(runs), RUN, problem.drawn, *problem.images.shape[-2:])
    for some, (place, _) in zip(noise, runs, strict=True):
        stream = problem.streams[int(rows[place])]
        some.normal_(generator=stream) if norm == Norm.L2 else some.uniform_(-1, 1, generator=stream)
    kept = torch.cat([some[:length] for some, (_, length) in zip(noise, runs, strict=True)])
    spread = kept.to(problem.images).expand(-1, *problem.images.shape[1:])
    return spread.mul(1 / lengths(spread).clamp_min(TINY))


def chunks(counts: list[int]) -> Iterator[list[tuple[int, int]]]:
    """Yield runs of points, each the place of an image and how many, in chunks that are asked about at once.

    Example:
        >>> list(chunks([20, 50]))
        [[(0, 16), (0, 4), (1, 16), (1, 16), (1, 16), (1, 2)]]
    """
    runs = [(place, min(RUN, count - first)) for place, count in enumerate(counts) for first in range(0, count, RUN)]
    together = CHUNK // RUN
    for first in range(0, len(runs), together):
        yield runs[first:first + together]
