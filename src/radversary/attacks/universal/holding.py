"""What universal attacks share: they hold what they learnt at each strength, and ask nothing when they are applied."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.attacks.base import Batch
from radversary.attacks.directions import TINY
from radversary.attacks.goal import aims_of
from radversary.attacks.guarded_victim import TYPICAL
from radversary.attacks.metering import about
from radversary.attacks.problem import Look, Problem, problem_of
from radversary.attacks.searching import SearchingAttack, at_least
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams, generator
from radversary.core.types import Access, Images

MOMENTUM = 0.9
"""Share of the last direction that a step keeps, so that a few images do not decide a step alone."""

REACH = 2.5
"""How far all steps together could go, in units of the farthest that they may."""


@dataclass(frozen=True, kw_only=True)
class HoldingAttack(SearchingAttack):
    """An attack that holds what it learnt at each strength.

    Attributes:
        held: What it learnt, (C, H, W), by strength; no option, and no part of its repr.
    """

    needs: ClassVar[Access] = Access.GRADIENTS
    atlas: ClassVar[str] = "AML.T0043.002"

    held: ClassVar[Mapping[float, Tensor]] = MappingProxyType({})  # an instance that has learnt has its own

    @property
    def passes(self) -> int | None:
        """None are asked for: what was learnt is added as it is."""
        return 0

    def at(self, strength: float) -> Self:
        """Return the same attack at another strength, holding the same."""
        return super().at(strength).holding(self.held)

    def holding(self, held: Mapping[float, Tensor]) -> Self:
        """Return the same attack holding something else."""
        found = copy(self)
        object.__setattr__(found, "held", dict(held))
        return found

    def knows(self, strengths: Sequence[float]) -> bool:
        """Return whether it holds something for each of some strengths; for 0 there is nothing to hold."""
        return all(not strength or strength in self.held for strength in strengths)

    def learnt(self, classifier: Classifier, examples: Batch | None, strengths: Sequence[float], *, seed: int,
               step: str) -> Self:
        """Return the attack holding what it learnt for each strength; what it holds already is not learnt again.

        Args:
            classifier: The victim.
            examples: Images of other patients, None where there are none.
            strengths: At which it will be applied.
            seed: The plan's seed.
            step: The attack's label in the plan.
        """
        missing = [strength for strength in dict.fromkeys(strengths) if strength and strength not in self.held]
        found = {strength: self.at(strength).learn(classifier, examples, seed=seed, step=step) for strength in missing}
        return self.holding({**self.held, **found})

    @abstractmethod
    def learn(self, classifier: Classifier, examples: Batch | None, *, seed: int, step: str) -> Tensor:
        """Return what is learnt at its own strength, (C, H, W); see :meth:`learnt`."""

    def known(self, like: Images) -> Tensor:
        """Return what it holds at its strength, (C, H, W) in as many channels as images have.

        Args:
            like: The images, (N, C, H, W).

        Raises:
            PlanError: It holds nothing for its strength.
        """
        if self.current not in self.held:
            raise PlanError(f"{type(self).__name__} has learnt nothing for {self.strength} {self.current:g}; run it "
                            "with examples, or call learnt() first")
        held, channels = self.held[self.current].to(like), like.shape[1]
        return held[:channels] if len(held) >= channels else held.expand(channels, -1, -1)


class Step(NamedTuple):
    """One step of what is learnt.

    Attributes:
        problem: The examples that are looked at.
        length: How far it goes; all add up to :data:`REACH`, in units of the farthest that they may go together.
        sharpness: Of :func:`weighed`.
    """

    problem: Problem
    length: float
    sharpness: float


@dataclass(frozen=True, kw_only=True)
class LearningAttack(HoldingAttack):
    """One that learns on images of other patients, some at a time.

    Attributes:
        examples: Images that it learns from, at most.
        epochs: How often each of them is looked at.
        batch: Images that are looked at before a step.

    Raises:
        PlanError: One of them is below 1.
    """

    learns: ClassVar[bool] = True

    examples: int = 100
    epochs: int = 10
    batch: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "examples", "epochs", "batch")

    def learn(self, classifier: Classifier, examples: Batch | None, *, seed: int, step: str) -> Tensor:
        """Return what is learnt from the examples at its own strength, (C, H, W): of all epochs' ends the best.

        The best is what reaches the goal on most examples, among equals by the greatest mean margin, clipped.
        """
        problem = problem_from(self, classifier, examples, seed=seed, step=step)
        limit = limit_of(problem)
        best, highest = problem.images[:1], (-1.0, -torch.inf)
        climbed = self.climb(problem, generator(seed, step, "learning"), limit)
        for found in islice(climbed, self.steps_an_epoch(problem) - 1, None, self.steps_an_epoch(problem)):
            margins = problem.margin(self.applied(problem, found))
            worth = (float((margins > 0).double().mean()), float(margins.clamp(max=limit).double().mean()))
            if worth >= highest:
                best, highest = found, worth
        return best[0].detach()

    @abstractmethod
    def climb(self, problem: Problem, stream: torch.Generator, limit: float) -> Iterator[Tensor]:
        """Yield what is learnt after each step, (1, C, H, W).

        Args:
            problem: The examples, and what is wanted of the victim's decisions about them.
            stream: What the order of the examples is drawn from.
            limit: Margin beyond which an image counts no more.
        """

    @abstractmethod
    def applied(self, problem: Problem, found: Tensor) -> Images:
        """Return images with what was learnt, (1, C, H, W)."""

    def steps_an_epoch(self, problem: Problem) -> int:
        """Return how many steps it takes to look at each example once."""
        return -(-len(problem) // self.batch)

    def parts(self, problem: Problem, stream: torch.Generator) -> Iterator[Step]:
        """Yield the examples in parts, in another order each epoch, each with the step that follows.

        Lengths fall evenly to zero, so that the last steps do not jump between images that want the opposite. At first
        all images count alike, so that the ones that are misread easily do not decide a direction that leaves most
        behind.
        """
        count, step = self.epochs * self.steps_an_epoch(problem), 0
        for _ in range(self.epochs):
            for rows in torch.split(torch.randperm(len(problem), generator=stream), self.batch):
                yield Step(problem.only(rows), length=2 * REACH * (count - step) / (count * (count + 1)),
                           sharpness=TYPICAL * step / count)
                step += 1


def problem_from(attack: LearningAttack, classifier: Classifier, examples: Batch | None, *, seed: int,
                 step: str) -> Problem:
    """Return what an attack learns from: those examples on which its goal makes sense, drawn where there are too many.

    Args:
        attack: The attack.
        classifier: The victim.
        examples: Images of other patients.
        seed: The plan's seed.
        step: The attack's label.

    Raises:
        PlanError: There is none.
    """
    name, goal = type(attack).__name__, attack.wants
    goal.check(classifier.card)
    if examples is None or not bool((sensible := goal.applies(classifier.card, examples.labels)).any()):
        count = 0 if examples is None else len(examples.images)
        raise PlanError(f"the goal {attack.goal} of {name} makes sense for none of {count} images that it is to learn "
                        "from: nothing is there to change")
    places = torch.nonzero(sensible.cpu())[:, 0]
    drawn = torch.randperm(len(places), generator=generator(seed, step, "examples"))[: attack.examples]
    chosen = torch.zeros(len(sensible), dtype=torch.bool).index_fill(0, places[drawn], value=True)
    kept, victim = examples.only(chosen), about(classifier, torch.nonzero(chosen)[:, 0])
    aims = aims_of(goal, victim, kept.images, kept.labels)
    streams = Streams.for_images(kept.image_ids, seed=seed, step=f"{step}: learning")
    return problem_of(victim, kept.images, aims, streams, goal=goal, colour=attack.channels, ball=attack.ball,
                      eot=attack.eot)


def limit_of(problem: Problem) -> float:
    """Return the margin beyond which an image counts no more: what the victim reads the examples by, in the median."""
    return float(problem.margin(problem.images).abs().median())


def weighed(look: Look, limit: float, sharpness: float) -> Tensor:
    """Return the gradients of what is shown, (N, C, H, W), each times how much its image counts.

    What is climbed is the mean over the images of a cross-entropy that is clipped, as Shafahi et al. 2020
    (arXiv:1811.11304) clip it: an image far beyond the goal counts no more, and one that is far from it little. The
    mean of the margins has no such shape, and of two classes no perturbation would raise it. Where all images are
    beyond the limit, all count.

    Args:
        look: What the victim shows of the images.
        limit: Margin beyond which an image counts no more.
        sharpness: Logits that this margin is taken for in the cross-entropy; at 0 all images up to there count alike.

    Example:
        >>> look = Look(torch.tensor([2.0, 0.0, -1.0]), torch.zeros(3), torch.ones(3, 1, 1, 1))
        >>> [round(weight, 2) for weight in weighed(look, 1.0, 5.0).flatten().tolist()]
        [0.0, 1.0, 0.01]
    """
    counts = look.margin < limit
    if not bool(counts.any()):
        return look.gradient.nan_to_num(0.0, 0.0, 0.0)
    logarithms = F.logsigmoid(sharpness * look.margin.double() / max(limit, TINY)).masked_fill(~counts, -torch.inf)
    weights = (logarithms - logarithms.max()).exp().to(look.gradient)
    return look.gradient.nan_to_num(0.0, 0.0, 0.0) * weights.reshape(-1, 1, 1, 1)
