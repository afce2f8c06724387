"""What attacks share that search for an adversarial point of an image, within a bound or as near as can be."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from radversary.attacks.balls import Ball, check_bound
from radversary.attacks.base import Attack
from radversary.attacks.problem import Problem, problem_of
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import AttackContract, AttackFamily, Budget, Colour, Images, Labels, Norm


@dataclass(frozen=True, kw_only=True)
class SearchingAttack(Attack):
    """An attack that solves a :class:`radversary.attacks.problem.Problem`.

    Attributes:
        colour: ``grey`` changes all channels alike, as a scanner's file can hold; ``rgb`` each by itself.
        eot: Answers, or gradients, that are averaged (expectation over transformation, Athalye et al. 2018,
            arXiv:1707.07397); more than 1 makes sense against a classifier that answers at random.

    Raises:
        PlanError: No answer at all.
        UnknownNameError: No such colour.
    """

    family: ClassVar[AttackFamily] = AttackFamily.GRADIENT

    colour: str = Colour.GREY.value
    eot: int = 1

    def __post_init__(self) -> None:
        if self.colour not in list(Colour):
            raise UnknownNameError("colour", self.colour, [colour.value for colour in Colour])
        at_least(1, self, "eot")

    @property
    def ball(self) -> Ball | None:
        """Where its points lie; None where nothing bounds them."""
        return None

    @abstractmethod
    def solve(self, problem: Problem) -> Images:
        """Return the points that are kept, (N, C, H, W) in [0, 1] and inside the ball; its strength is above 0."""

    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Attack images; grey ones become three channels only for ``rgb``."""
        if not self.current or not len(images):
            return images.clone()
        problem = problem_of(classifier, images, aims, streams, goal=self.wants, colour=self.channels, ball=self.ball,
                             eot=self.eot)
        return self.solve(problem).detach()


@dataclass(frozen=True, kw_only=True)
class BoundedAttack(SearchingAttack):
    """One that stays within a norm of the original.

    Attributes:
        norm: ``linf`` or ``l2``, over all pixels and channels.
        epsilon: The bound in units of the full grey range; 0 is the identity. By L∞ at most 1.

    Raises:
        PlanError: A bound that is none, or below what 16 bits can hold, or a norm that the attack does not know.
    """

    strength: ClassVar[str] = "epsilon"
    contract: ClassVar[AttackContract] = AttackContract.FIXED_BUDGET
    atlas: ClassVar[str] = "AML.T0043.000"
    norms: ClassVar[tuple[Norm, ...]] = (Norm.LINF, Norm.L2)

    norm: str = Norm.LINF.value
    epsilon: float = 8 / 255

    def __post_init__(self) -> None:
        super().__post_init__()
        check_norm(self.norm, self.norms, type(self).__name__)
        check_bound(Norm(self.norm), self.epsilon, 16)

    @property
    def ball(self) -> Ball:
        """The ball of its bound."""
        return Ball(Norm(self.norm), self.epsilon)

    @property
    def most(self) -> float:
        """The greatest bound that it takes."""
        return 1.0 if self.norm == Norm.LINF else torch.inf

    @property
    def budget(self) -> Budget:
        """At most epsilon by its norm."""
        return Budget(norm=Norm(self.norm), epsilon=self.epsilon)


def check_norm(norm: str, known: Sequence[Norm], who: str) -> None:
    """Refuse a norm that an attack does not bound its change by.

    Args:
        norm: What is asked for.
        known: What it knows.
        who: The attack's name.

    Raises:
        PlanError: It is another.

    Example:
        >>> check_norm("l2", [Norm.LINF], "FGSM")
        Traceback (most recent call last):
        radversary.core.errors.PlanError: FGSM is bounded by linf, got the norm 'l2'
    """
    if norm not in known:
        raise PlanError(f"{who} is bounded by {' or '.join(known)}, got the norm {norm!r}")


def at_least(least: int, attack: Attack, *names: str) -> None:
    """Refuse an attack with a hyper-parameter below a least value.

    Raises:
        PlanError: One is.
    """
    for name in names:
        if getattr(attack, name) < least:
            raise PlanError(f"{type(attack).__name__} needs {name} of at least {least}, got {getattr(attack, name)}")
