"""Gradient ascent on the classifier's loss and descent on the detectors' anomaly score, inside one ball."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor

from radversary.attacks.balls import check_bound
from radversary.attacks.directions import by_mean_magnitude
from radversary.attacks.goal import Goal
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.guarded_victim import Evasive, GuardedVictim, scale_free
from radversary.attacks.storing import within_levels
from radversary.classifiers.base import Classifier
from radversary.classifiers.own_faults import gradient_of
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels, Norm
from radversary.imaging.intensity import quantise

GROWTH = 1.15
"""Factor of one step on the descent's weight; forty can change it by a factor of 270 either way."""


class Step(NamedTuple):
    """What one look at the images shows.

    Attributes:
        margin: By how much the goal is reached, (N,).
        excess: Anomaly score beyond the alarm's threshold, (N,).
        mislead: Direction that misleads the classifier, (N, C, H, W).
        expose: Direction that raises the anomaly score, (N, C, H, W).
    """

    margin: Tensor
    excess: Tensor
    mislead: Tensor
    expose: Tensor


@dataclass(frozen=True, kw_only=True)
class EvasivePGD(Evasive, PGD):
    """PGD on the joint loss of classifier and detectors; keeps each image's best step.

    A step climbs the classifier's loss, while it is not misled by ``confidence``, and descends the excess. Both
    gradients are divided by their mean magnitude, so that weights mean the same for each model and detector. The
    descent's weight is each image's own and works as a Lagrange multiplier does: it grows by :data:`GROWTH` a step
    while the image is flagged and shrinks while it is not, so that the steps settle along the alarm's border.
    Through detectors that compare features with clean images', the descent draws the features back among these: the
    idea of the hierarchical feature constraint (Yao et al., MICCAI 2021, arXiv:2012.09501), held to the very detectors
    that judge instead of a Gaussian mixture of the attacker's own. Steps fall evenly to zero, as far as ``reach``
    together. Among them one that misleads beats one that does not; then the least excess counts, or the greatest
    margin.

    Attributes:
        steps: Number of steps.
        weight: Of the descent at the start; 0 knows the detectors only when it chooses the step to keep.
        confidence: Margin from which on the classifier counts as safely misled, in logits of a model that reads the
            image by :data:`radversary.attacks.guarded_victim.TYPICAL` at the first look.
        bits: Bits a pixel of the stored files: each step looks at what would be stored.

    Raises:
        PlanError: A weight or confidence that is negative or not finite, no bits, or an epsilon that they round away.

    Example:
        >>> EvasivePGD(epsilon=4 / 255, weight=2.0).strength
        'epsilon'
    """

    steps: int = 40
    weight: float = 1.0
    confidence: float = 0.5
    bits: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("weight", "confidence"):
            if not (isfinite(value := getattr(self, name)) and value >= 0):
                raise PlanError(f"evasive-pgd needs a finite {name} of at least 0, got {value}")
        if not 1 <= self.bits <= 16:
            raise PlanError(f"evasive-pgd needs 1 to 16 bits a pixel, got {self.bits}")
        check_bound(Norm.LINF, self.epsilon, self.bits)

    @property
    def passes(self) -> int | None:
        """Two passes back for each forward: of the classifier's margin and of the detectors' excess."""
        return 3 * (self.steps + 1) * self.eot if self.epsilon else 0

    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Attack images; a classifier without detectors is refused at any strength."""
        self.guarded(classifier)
        return super().perturb(classifier, images, aims, streams)

    def climb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Take the steps and return the best of them."""
        victim, attacked = self.guarded(classifier), self.start(images, streams)
        weight, own = torch.full((len(images),), self.weight, device=images.device), torch.zeros(0)
        kept, best = attacked, torch.full((2, len(images)), -torch.inf, device=images.device)
        for number in range(self.steps + 1):
            seen = self.look(victim, attacked, images, aims)
            own = own if number else seen.margin
            reached = rank(seen.margin, seen.excess).to(best)
            better = (reached[0] > best[0]) | ((reached[0] == best[0]) & (reached[1] > best[1]))
            kept = torch.where(better.reshape(-1, 1, 1, 1), attacked, kept)
            best = torch.where(better, reached, best)
            length = 2 * self.step_size * (1 - (number + 0.5) / (self.steps + 1))
            attacked = self.inside(attacked + length * self.direction(seen, weight, own).sign(), images)
            weight = torch.where(seen.excess > 0, weight * GROWTH, weight / GROWTH)
        return kept

    def look(self, victim: GuardedVictim, attacked: Images, images: Images, aims: Labels) -> Step:
        """Look at what would be stored of attacked images, ``eot`` times."""
        stored = within_levels(quantise(attacked, self.bits), images, self.epsilon, self.bits)
        steps = [one_look(victim, stored, aims, self.wants) for _ in range(self.eot)]
        return Step(*(torch.stack(parts).mean(0) for parts in zip(*steps, strict=True)))

    def direction(self, seen: Step, weight: Tensor, own: Tensor) -> Tensor:
        """Return where the next step goes, (N, C, H, W).

        Args:
            seen: What the last look showed.
            weight: The descent's weights, (N,).
            own: Margins at the first look, (N,).
        """
        unsure = scale_free(seen.margin, own) < self.confidence
        climbs, weights = unsure.reshape(-1, 1, 1, 1), weight.reshape(-1, 1, 1, 1)
        mislead, expose = (by_mean_magnitude(self.shared(slope)) for slope in (seen.mislead, seen.expose))
        return climbs * mislead - weights * expose


def rank(margins: Tensor, excess: Tensor) -> Tensor:
    """Return how good images are for an attacker, as (2, N): whether they mislead, and what then counts.

    Example:
        >>> rank(torch.tensor([-1.0, 2.0]), torch.tensor([-3.0, 5.0])).tolist()
        [[0.0, 1.0], [-1.0, -5.0]]
    """
    misled = margins > 0
    return torch.stack([misled.to(margins), torch.where(misled, -excess, margins)])


def one_look(victim: GuardedVictim, images: Images, aims: Labels, goal: Goal) -> Step:
    """Look at images once: one pass forth, two back."""
    with torch.enable_grad():
        at = images.detach().requires_grad_()
        logits, excess = victim.judged(at)
        margin = goal.margin(victim.card, logits, aims)
        mislead = gradient_of(margin.sum(), at, victim.card, again=True)
        expose = gradient_of(excess.sum(), at, victim.card)
    return Step(margin.detach(), excess.detach(), mislead, expose)
