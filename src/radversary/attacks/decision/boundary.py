"""The boundary attack: a random walk along the edge of a decision that comes nearer to the original."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from radversary.attacks.balls import lengths
from radversary.attacks.decision.asking import Questions
from radversary.attacks.decision.base import DecisionAttack
from radversary.attacks.decision.edge import to_edge
from radversary.attacks.directions import TINY
from radversary.core.errors import PlanError
from radversary.core.types import Images, Norm

EVERY = 5
"""Steps after each of which the step aside is asked about by itself."""
ASIDE, TOWARDS = 10, 15
"""Answers by which the lengths of steps aside, and of whole steps, are judged.

The authors' code waits for 100 and 30, and 25,000 steps."""
CONVERGED = 1e-7
"""Length of a step towards the original, as a share of the distance, below which a walk is over."""


@dataclass(frozen=True, kw_only=True)
class BoundaryAttack(DecisionAttack):
    """The boundary attack (Brendel, Rauber and Bethge 2018, arXiv:1712.04248), by L2.

    From a point that reaches the goal a random step aside, at the same distance from the original, and one towards it
    are taken where the goal stays reached. Both lengths adapt, image by image: where more than half of the steps aside
    reach it, both grow, below a fifth both shrink; of whole steps the limits are a quarter and a tenth, and the step
    towards the original adapts. Halving the way to the original ends the walk.

    Attributes:
        spherical_step: First length of the step aside, as a share of the distance.
        source_step: First length of the step towards the original, likewise.
        step_adaptation: Factor by which they grow and shrink.

    Raises:
        PlanError: A step that is not above 0, or not finite, or a factor that is not above 1.

    Example:
        >>> from torch import nn
        >>> from radversary.classifiers.torch_module import wrap
        >>> victim = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), classes=("a", "b"), size=8)
        >>> outcome = BoundaryAttack(queries=200).run(victim, torch.rand(2, 1, 8, 8))
        >>> bool((outcome.queries <= 200).all())
        True
    """

    queries: int = 5000
    spherical_step: float = 0.1
    source_step: float = 0.1
    step_adaptation: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.spherical_step < torch.inf and 0 < self.source_step < torch.inf
                and 1 < self.step_adaptation < torch.inf):
            raise PlanError("BoundaryAttack needs finite steps above 0 and a factor above 1, got spherical_step "
                            f"{self.spherical_step}, source_step {self.source_step} and step_adaptation "
                            f"{self.step_adaptation}")

    def approach(self, asked: Questions, rows: Tensor, points: Images) -> Images:
        """Walk until the questions run out, and from the nearest point straight to the edge."""
        spare = self.back(points[0].numel()) + 1
        walk = Walk(points.clone(), asked.far(rows, points, Norm.L2), self.steps(points, self.spherical_step),
                    self.steps(points, self.source_step))
        turn = 1
        while len(open_ := (asked.affordable(rows, spare + 1) & (walk.towards > CONVERGED)).nonzero()[:, 0]):
            self.step(asked, rows[open_], walk, open_, turn)
            turn += 1
        return to_edge(asked, rows, asked.saved(rows, walk.at), Norm.L2, self.share(points[0].numel()))

    def step(self, asked: Questions, rows: Tensor, walk: Walk, open_: Tensor, turn: int) -> None:
        """Try one step of the walks that are open, and adapt their lengths by what was answered."""
        at, images = walk.at[open_], asked.problem.images[rows]
        noise = asked.problem.only(rows).normal()
        beside = aside(images, at, noise, walk.aside[open_])
        trial = nearer(images, beside, walk.towards[open_], lengths(at - images))
        reached = asked.ask(rows, trial)
        far = asked.far(rows, trial, Norm.L2)
        better = reached & (far < walk.far[open_])
        walk.at[open_[better]], walk.far[open_[better]] = trial[better], far[better]
        walk.wholes.note(open_, reached)
        walk.towards[open_] *= walk.wholes.judged(open_, TOWARDS, 0.1, 0.25, self.step_adaptation)
        if turn % EVERY == 0:
            able = asked.affordable(rows, self.back(at[0].numel()) + 2)
            walk.asides.note(open_[able], asked.ask(rows[able], beside[able]))
            grown = walk.asides.judged(open_, ASIDE, 0.2, 0.5, self.step_adaptation)
            walk.aside[open_] *= grown
            walk.towards[open_] *= grown

    def back(self, pixels: int) -> int:
        """Return the questions that the last way to the edge takes at most."""
        return int(2 * pixels / self.share(pixels)).bit_length()

    @staticmethod
    def steps(points: Images, first: float) -> Tensor:
        """Return one first length a walk, (M,)."""
        return torch.full((len(points),), first, device=points.device)


class Answers:
    """How many of the last questions of a kind each walk heard yes to.

    Args:
        count: Walks.
        device: Where they are.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self.yes, self.all = torch.zeros(count, device=device), torch.zeros(count, device=device)

    def note(self, walks: Tensor, answers: Tensor) -> None:
        """Count answers, bool (M,), of walks, int64 (M,)."""
        self.yes[walks] += answers
        self.all[walks] += 1

    def judged(self, walks: Tensor, enough: int, low: float, high: float, factor: float) -> Tensor:
        """Return by what a length is to be multiplied, (M,), and begin to count anew where there are enough answers.

        Args:
            walks: int64 (M,).
            enough: Answers that a judgement takes.
            low: Share of yes below which the length shrinks.
            high: Share above which it grows.
            factor: By how much.
        """
        ready = self.all[walks] >= enough
        share = self.yes[walks] / self.all[walks].clamp_min(1)
        change = torch.where(share > high, factor, torch.where(share < low, 1 / factor, 1.0))
        self.yes[walks[ready]], self.all[walks[ready]] = 0, 0
        return torch.where(ready, change, 1.0)


@dataclass
class Walk:
    """Where the walks of some images are.

    Attributes:
        at: Points, (M, C, H, W), which reach the goal as they are stored; not rounded, so that small steps add up.
        far: Their distance, (M,).
        aside: Lengths of the step aside, (M,).
        towards: Lengths of the step towards the original, (M,).
        asides: Answers to steps aside.
        wholes: Answers to whole steps.
    """

    at: Images
    far: Tensor
    aside: Tensor
    towards: Tensor
    asides: Answers = field(init=False)
    wholes: Answers = field(init=False)

    def __post_init__(self) -> None:
        self.asides, self.wholes = (Answers(len(self.at), self.at.device) for _ in range(2))


def aside(images: Images, points: Images, noise: Tensor, share: Tensor) -> Images:
    """Return points moved aside, at the same distance from the originals until they are put back into [0, 1].

    Args:
        images: Originals, (M, C, H, W).
        points: (M, C, H, W).
        noise: Random directions, likewise.
        share: Length of the move as a share of the distance, (M,).
    """
    change = points - images
    far = lengths(change).clamp_min(TINY)
    along = (noise * change).flatten(1).sum(1).reshape(far.shape) / far.square()
    across = noise - along * change
    size = share.reshape(far.shape)
    moved = change + across * (size * far / lengths(across).clamp_min(TINY))
    return (images + moved / (1 + size.square()).sqrt()).clamp(0, 1)


def nearer(images: Images, points: Images, share: Tensor, far: Tensor) -> Images:
    """Return points moved towards the originals, to a distance that is less than another by a share of it.

    Args:
        images: Originals, (M, C, H, W).
        points: (M, C, H, W); what is nearer already stays.
        share: (M,).
        far: The other distance, (M, 1, 1, 1).
    """
    change = points - images
    wanted = far * (1 - share.reshape(far.shape)).clamp_min(0)
    return (images + change * (wanted / lengths(change).clamp_min(TINY)).clamp(max=1)).clamp(0, 1)
