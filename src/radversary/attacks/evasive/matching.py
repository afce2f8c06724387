"""Descent to the features of another patient's image that is read as the attacker wants.

Detectors that compare features with those of clean images see clean features. Source: Sabour et al. 2016,
arXiv:1511.05122 (features of a guide image); Tramer et al. 2020, arXiv:2002.08347 (feature matching against detectors).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from radversary.attacks.batch import Batch
from radversary.attacks.directions import TINY, by_mean_magnitude
from radversary.attacks.evasive.pgd import EvasivePGD, Step
from radversary.attacks.guarded_victim import GuardedVictim
from radversary.attacks.storing import within_levels
from radversary.classifiers.base import Classifier, Features, require_features
from radversary.classifiers.own_faults import gradient_of
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels
from radversary.imaging.intensity import quantise

TOGETHER = 32
"""Guides that are looked at at once."""


class Guides(NamedTuple):
    """What the victim shows of other patients' images.

    Attributes:
        parts: Embedding and mean of each map, each (M, D).
        decisions: What the victim decides of each, (M,) or (M, K).
    """

    parts: tuple[Tensor, ...]
    decisions: Labels

    def to(self, device: torch.device) -> Guides:
        """Return the same on a device."""
        return Guides(tuple(part.to(device) for part in self.parts), self.decisions.to(device))

    def of(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return the parts of some guides."""
        return tuple(part[rows] for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class EvasiveFeatures(EvasivePGD):
    """PGD towards the features of a guide: an image of another patient that is read as the attacker wants.

    Each image's guide is that of the nearest embedding among those whose reading reaches its goal. A step descends the
    distance of embedding and mean maps, each in units of the guide's; the step that misleads with the least anomaly
    score is kept. An image for which no example reaches the goal is attacked as ``evasive-pgd`` does.

    Attributes:
        examples: Guides, at most.
        held: What it learnt of them; no option, and no part of its repr.

    Raises:
        PlanError: No example.

    Example:
        >>> EvasiveFeatures(epsilon=4 / 255).learns
        True
    """

    learns: ClassVar[bool] = True
    reads_features: ClassVar[bool] = True
    held: ClassVar[Guides | None] = None  # an instance that has learnt has its own
    wanted: ClassVar[tuple[Tensor, ...]] = ()
    guided: ClassVar[Tensor] = torch.zeros(0, dtype=torch.bool)

    examples: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.examples < 1:
            raise PlanError(f"evasive-features needs at least 1 example, got {self.examples}")

    def at(self, strength: float) -> Self:
        """Return the same attack at another strength, holding the same."""
        return super().at(strength).holding(held=self.held)

    def holding(self, **what: Guides | Tensor | tuple[Tensor, ...] | None) -> Self:
        """Return the same attack holding something else, by name."""
        found = copy(self)
        for name, value in what.items():
            object.__setattr__(found, name, value)
        return found

    def knows(self, strengths: Sequence[float]) -> bool:
        """Return whether it has looked at its guides, or need not."""
        return self.held is not None or not any(strengths)

    def learnt(self, classifier: Classifier, examples: Batch | None, strengths: Sequence[float], *,  # noqa: ARG002
               seed: int, step: str) -> Self:  # noqa: ARG002
        """Return the attack holding the features and readings of the examples; the same for every strength."""
        require_features(classifier, f"attack {type(self).__name__}")
        if examples is None:
            return self
        images = quantise(examples.images, examples.bits)[: self.examples]
        with torch.no_grad():
            seen = [parts_of(classifier.features(some)) for some in images.split(TOGETHER)]  # type: ignore[no-untyped-call]
        parts = tuple(torch.cat(part) for part in zip(*seen, strict=True))
        return self.holding(held=Guides(parts, classifier.predict(images)))

    def climb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Choose a guide for each image, and take the steps.

        Raises:
            PlanError: It has looked at no guide.
        """
        if self.held is None:
            raise PlanError("EvasiveFeatures has looked at no guide; run it with examples, or call learnt() first")
        with torch.no_grad():
            own = torch.cat([parts_of(classifier.features(some))[0] for some in images.split(TOGETHER)])  # type: ignore[no-untyped-call]
        held = self.held.to(own.device)
        far = (own[:, None] - held.parts[0]).square().sum(2)
        fitting = torch.stack([self.wants.reached(classifier.card, held.decisions, aim.expand_as(held.decisions))
                               for aim in aims])
        rows = far.masked_fill(~fitting, torch.inf).argmin(1)
        chosen = self.holding(wanted=held.of(rows), guided=fitting.any(1))
        return super(EvasiveFeatures, chosen).climb(classifier, images, aims, streams)

    def look(self, victim: GuardedVictim, attacked: Images, images: Images, aims: Labels) -> Step:
        """Look as ``evasive-pgd`` does, with the descent to the guide's features as what misleads."""
        seen = super().look(victim, attacked, images, aims)
        stored = within_levels(quantise(attacked, self.bits), images, self.epsilon, self.bits)
        with torch.enable_grad():
            at = stored.detach().requires_grad_()
            nearer = -distance(parts_of(victim.features(at)), self.wanted)
            slope = gradient_of(nearer.sum(), at, victim.card)
        return seen._replace(mislead=torch.where(self.guided.reshape(-1, 1, 1, 1), slope, seen.mislead))

    def direction(self, seen: Step, weight: Tensor, own: Tensor) -> Tensor:
        """Return the way to the guide's features; where there is no guide, that of ``evasive-pgd``."""
        towards = by_mean_magnitude(self.shared(seen.mislead))
        return torch.where(self.guided.reshape(-1, 1, 1, 1), towards, super().direction(seen, weight, own))

    @property
    def passes(self) -> int | None:
        """One pass for the guide's choice; a look takes one more forward and back than in ``evasive-pgd``."""
        return 1 + (self.steps + 1) * (3 * self.eot + 2) if self.epsilon else 0


def parts_of(features: Features) -> tuple[Tensor, ...]:
    """Return what is matched of features: the embedding, then the mean of each map over its places, each (N, D)."""
    return features.embedding, *(maps.mean((2, 3)) for maps in features.maps)


def distance(parts: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Return how far features are from those wanted, (N,): squared distances, each in units of the wanted length.

    Example:
        >>> distance([torch.tensor([[3.0, 0.0]])], [torch.tensor([[0.0, 3.0]])]).tolist()
        [2.0]
    """
    far = [(part - goal).square().sum(1) / goal.square().sum(1).clamp_min(TINY)
           for part, goal in zip(parts, wanted, strict=True)]
    return torch.stack(far).sum(0)
