"""A guarded classifier as a victim, with gradients through the detectors.

The guard's p-values count clean scores and have no gradient. Here each count is interpolated by a line that never
lies below it, and the lines are combined as the guard combines p-values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from radversary.calibration.combining import columns_by_kind
from radversary.calibration.conformal import EVERY
from radversary.calibration.fusion import Fusion
from radversary.classifiers.base import Classifier, Features
from radversary.core.errors import InputError
from radversary.core.types import Images, Labels
from radversary.screening.guard import Guard
from radversary.storage.checksums import sha256_json

HAIR = 1e-9
"""Added to each excess, so that rounding turns no alarm into a pass."""


def fisher_within_tippett_across(neg_log_p: Tensor, kinds: Sequence[str]) -> Tensor:
    """Return :func:`radversary.calibration.combining.fisher_within_tippett_across` of (N, D), differentiable."""
    parts = []
    for columns in columns_by_kind(neg_log_p.shape[1], kinds):
        total = neg_log_p[:, columns].sum(1)
        series = torch.ones_like(total)
        for power in range(len(columns) - 1, 0, -1):
            series = 1.0 + series * total / power
        parts.append(total - series.log())
    return torch.stack(parts, 1).amax(1)


RULES: Mapping[str, Callable[[Tensor, Sequence[str]], Tensor]] = MappingProxyType({
    "fisher_within_tippett_across": fisher_within_tippett_across,
    "harmonic": lambda neg_log_p, _: neg_log_p.logsumexp(1) - float(np.log(neg_log_p.shape[1])),
    "fisher": lambda neg_log_p, _: 2.0 * neg_log_p.sum(1)})
"""The rules of :data:`radversary.calibration.combining.RULES`, differentiable."""


@dataclass(frozen=True)
class NegLogP:
    """A detector's ``-log p`` as a line through its clean scores, which is never below the counted one.

    Attributes:
        knots: (M,) scores, rising.
        heights: (M,) ``-log p`` at each, rising from 0.
        spread: Standard deviation of the clean scores.
    """

    knots: Tensor
    heights: Tensor
    spread: float

    @classmethod
    def of(cls, reference: NDArray[np.float64]) -> Self:
        """Draw the line through clean scores (n,), rising.

        The counted ``-log p`` jumps just beyond each clean score; the line passes through the upper end of each jump.
        """
        spread = float(np.std(reference)) or 1.0
        scores, counts = np.unique(reference, return_counts=True)
        above = len(reference) - np.cumsum(counts)
        heights = -np.log((1.0 + above) / (1.0 + len(reference)))
        return cls(knots=torch.from_numpy(np.concatenate([scores[:1] - spread, scores])),
                   heights=torch.from_numpy(np.concatenate([[0.0], heights])), spread=spread)

    def __call__(self, scores: Tensor) -> Tensor:
        """Return ``-log p`` of scores (N,), never less than the guard's own; beyond the last clean score the same."""
        knots, heights = self.knots.to(scores.device), self.heights.to(scores.device)
        right = torch.searchsorted(knots, scores.detach().contiguous()).clamp(1, len(knots) - 1)
        left = right - 1
        inner = scores.clamp(knots[0], knots[-1])
        share = (inner - knots[left]) / (knots[right] - knots[left])
        further = (scores - knots[-1]).clamp_min(0.0) / self.spread
        return heights[left] + share * (heights[right] - heights[left]) + further


class GuardedClassifier(Classifier):
    """A classifier with its guard, for adaptive attacks.

    It satisfies :class:`radversary.attacks.guarded_victim.GuardedVictim`. An excess of 0 or less means no alarm,
    without exception; a positive one may still pass by less than one clean score of each detector.

    Args:
        guard: A calibrated guard.
        group: The group that its images are judged within, where the guard was calibrated by groups.

    Raises:
        InputError: A guard that is not calibrated, or a group that never was or is missing.

    Example:
        >>> from radversary.classifiers.networks import build_network
        >>> from radversary.classifiers.torch_module import wrap
        >>> from radversary.screening.fitting import fit_guard
        >>> victim = wrap(build_network("resnet18", classes=2), classes=("a", "b"), size=64)
        >>> films = torch.rand(60, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> guard = fit_guard(victim, films[:20], names=("energy", "msp"))
        >>> guarded = GuardedClassifier(guard.calibrate(films[20:], [f"p{n}" for n in range(40)], alpha=0.1))
        >>> guarded.excess(films[:2]).shape
        torch.Size([2])
    """

    def __init__(self, guard: Guard, *, group: str | None = None) -> None:
        fusion = guard.calibrated()
        fusion.final.groups_of(None if group is None else [group], 1)
        within = EVERY if group is None else group
        self.guard, self.group = guard, group
        self.card, self.access = guard.classifier.card, guard.classifier.access
        self.neg_log_ps = tuple(NegLogP.of(first.reference(within)) for first in fusion.firsts)
        self.rule, self.kinds, self.limit = rule_of(fusion), fusion.kinds, fusion.final.thresholds()[within]

    def __repr__(self) -> str:
        return f"GuardedClassifier({self.guard.classifier!r}, {', '.join(self.guard.detectors)}, group={self.group!r})"

    def __str__(self) -> str:
        within = "" if self.group is None else f" within {self.group}"
        return f"guard of {', '.join(self.guard.detectors)}, promised false alarms {self.guard.alpha:.1%}{within}"

    def fingerprint(self) -> str:
        """Return a hash of the classifier, of what the detectors learned and of the thresholds."""
        guard = self.guard
        learned = save({f"{name}/{key}": value.detach().cpu().contiguous() for name, detector in guard.detectors.items()
                        for key, value in detector.learned.items()})
        made = {name: repr(detector) for name, detector in guard.detectors.items()}
        return sha256_json([guard.classifier.fingerprint(), made, sha256(learned).hexdigest(),
                            asdict(guard.calibrated()), self.group])

    @property
    def device(self) -> torch.device:
        """The classifier's device; detectors compute where the images are."""
        return self.guard.classifier.device

    def logits(self, images: Images) -> Tensor:
        """Return the classifier's logits, (N, K)."""
        return self.guard.classifier.logits(images)

    def decide(self, images: Images) -> Labels:
        """Return what the classifier decides, (N,)."""
        return self.guard.classifier.decide(images)

    def features(self, images: Images) -> Features:
        """Return the classifier's features; some detectors compare them with clean images'."""
        return self.guard.classifier.features(images)

    def judged(self, images: Images) -> tuple[Tensor, Tensor]:
        """Return logits (N, K) and excess (N,) from one pass of the classifier."""
        scores, logits = self.guard.anomaly_score(images)
        return logits, self.excess_of(scores).to(logits.dtype)

    def excess(self, images: Images) -> Tensor:
        """Return by how much the anomaly score exceeds the alarm's threshold, (N,); 0 or less raises none.

        In nats of rarity, which far out is the clean scores' spread; differentiable.
        """
        return self.judged(images)[1]

    def excess_of(self, scores: Tensor) -> Tensor:
        """Return the excess (N,) of the detectors' scores (N, D)."""
        lines = [line(column) for line, column in zip(self.neg_log_ps, scores.T, strict=True)]
        return self.rule(torch.stack(lines, dim=1), self.kinds) - self.limit + HAIR

    @torch.no_grad()
    def alarms(self, images: Images) -> Tensor:
        """Return the guard's true verdict, bool (N,)."""
        groups = None if self.group is None else [self.group] * len(images)
        alarms = self.guard.calibrated().alarms(self.guard.look(images).scores, groups)
        return torch.from_numpy(alarms).to(images.device)


def rule_of(fusion: Fusion) -> Callable[[Tensor, Sequence[str]], Tensor]:
    """Return a fusion's rule, differentiable.

    Raises:
        InputError: A rule that has no differentiable approximation.
    """
    if fusion.rule not in RULES:
        raise InputError(f"the rule {fusion.rule!r} has no differentiable approximation; known: {', '.join(RULES)}")
    return RULES[fusion.rule]
