"""What bounded gradient attacks share: the ball, the channels, the gradient."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from radversary.attacks.balls import check_bound
from radversary.attacks.base import Attack, check_strength
from radversary.attacks.goal import image_gradient
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackContract, AttackFamily, Budget, Colour, Images, Labels, Norm


@dataclass(frozen=True, kw_only=True)
class LinfAttack(Attack):
    """A perturbation of at most ``epsilon`` a pixel that raises the classifier's loss.

    Attributes:
        epsilon: Bound in units of the full grey range; 0 is the identity.
        colour: ``grey`` adds one shared channel, as a scanner's file can hold; ``rgb`` attacks three.
        eot: Gradients averaged a step (expectation over transformation, Athalye et al. 2018, arXiv:1707.07397); more
            than 1 makes sense against a classifier that answers at random.

    Raises:
        PlanError: An epsilon outside [0, 1] or below what 16 bits can hold, or no gradient at all.
        UnknownNameError: No such colour.
    """

    needs: ClassVar[Access] = Access.GRADIENTS
    strength: ClassVar[str] = "epsilon"
    family: ClassVar[AttackFamily] = AttackFamily.GRADIENT
    contract: ClassVar[AttackContract] = AttackContract.FIXED_BUDGET
    atlas: ClassVar[str] = "AML.T0043.000"

    epsilon: float = 8 / 255
    colour: str = Colour.GREY.value
    eot: int = 1

    def __post_init__(self) -> None:
        check_strength("epsilon", self.epsilon)
        check_bound(Norm.LINF, self.epsilon, 16)
        if self.colour not in list(Colour):
            raise UnknownNameError("colour", self.colour, [colour.value for colour in Colour])
        if self.eot < 1:
            raise PlanError(f"eot must be at least 1 gradient a step, got {self.eot}")

    @property
    def budget(self) -> Budget:
        """At most epsilon a pixel."""
        return Budget(norm=Norm.LINF, epsilon=self.epsilon)

    @property
    def passes(self) -> int | None:
        """One pass forward and one back for each gradient that is averaged."""
        return 2 * self.eot if self.epsilon else 0

    @abstractmethod
    def climb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Return images inside the ball around ``images`` and inside [0, 1]; epsilon is above 0."""

    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Attack images; grey ones become three channels only for ``rgb``."""
        if not self.epsilon or not len(images):
            return images.clone()
        channels = 3 if self.colour == Colour.RGB else images.shape[1]
        return self.climb(classifier, images.expand(-1, channels, -1, -1), aims, streams)

    def gradient(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Tensor:  # noqa: ARG002
        """Return the gradient that a step follows, (N, C, H, W); an attack that looks elsewhere overrides this."""
        gradients = [image_gradient(classifier, images, aims, self.wants) for _ in range(self.eot)]
        return gradients[0] if len(gradients) == 1 else torch.stack(gradients).mean(0)

    def shared(self, gradient: Tensor) -> Tensor:
        """Return the gradient of what may change: for ``grey`` the sum over channels in each of them."""
        if self.colour == Colour.RGB or gradient.shape[1] == 1:
            return gradient
        return gradient.sum(1, keepdim=True).expand_as(gradient)

    def inside(self, moved: Images, images: Images) -> Images:
        """Return ``moved`` put back into the ball around ``images`` and into [0, 1]."""
        return torch.minimum(torch.maximum(moved, images - self.epsilon), images + self.epsilon).clamp(0, 1)
