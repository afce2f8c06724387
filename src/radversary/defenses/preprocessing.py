"""Pre-processing of one's own before a model that was trained with it, such as CLAHE or a lung mask.

What stands before a network belongs to the model: whoever attacks the model attacks it too. How an attacker gets
gradients through it is declared, because a step that hides them makes a model look robust that is not (Athalye et al.
2018, arXiv:1802.00420).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError, TensorError, UnknownNameError
from radversary.core.types import Images, Labels
from radversary.defenses.base import Follows, Stack, Transform
from radversary.defenses.defended import Defended

Gradient = Literal["exact", "identity", "none"]
"""How gradients get through a step."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing(Transform):
    """A step of one's own.

    Attributes:
        function: Maps images (N, C, H, W) in [0, 1] to images of the same shape and range; each image by itself.
        gradient: ``exact`` where PyTorch's gradient of the function is right; ``identity`` where the function has none
            and changes images little, so that an attacker takes the gradient behind it for that before it (BPDA);
            ``none`` where an attacker shall have none: then the model is known by its scores alone.
        name: What it is called in tables; the function's name where empty.

    Raises:
        UnknownNameError: Another word for ``gradient``.
        PlanError: No function.

    Example:
        >>> Preprocessing(function=torch.square, gradient="exact")
        Preprocessing(gradient='exact', name='square')
    """

    follows: ClassVar[Follows] = "its values"

    function: Callable[[Images], Images] = field(repr=False)
    gradient: Gradient = "identity"
    name: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise PlanError(f"a step of pre-processing is a function of images, got {type(self.function).__name__}")
        if self.gradient not in get_args(Gradient):
            raise UnknownNameError("gradient of a step", str(self.gradient), get_args(Gradient))
        if not self.name:
            object.__setattr__(self, "name", str(getattr(self.function, "__name__", type(self.function).__name__)))
        if self.gradient == "exact":
            object.__setattr__(self, "follows", "exactly")  # shadows the class's own

    def __call__(self, images: Images) -> Images:
        """Apply the step.

        Raises:
            TensorError: It gives images of another shape or beyond [0, 1].
        """
        made = self.function(images)
        if not isinstance(made, Tensor) or made.shape != images.shape:
            found = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise TensorError(f"pre-processing {self.name!r} made {found} of images {tuple(images.shape)}; it must "
                              "keep the shape")
        low, high = (float(edge) for edge in torch.aminmax(made.detach())) if made.numel() else (0.0, 1.0)
        if not (low >= 0 and high <= 1):
            raise TensorError(f"pre-processing {self.name!r} leaves [0, 1]: it made {low:.4g} to {high:.4g}")
        return made.to(images)

    def bpda(self, images: Images) -> Images:
        """Apply the step; its gradient is its own, or that of no step."""
        if self.gradient == "exact":
            return self(images)
        return images + (self(images.detach()) - images).detach()


def behind(model: Classifier, *steps: Preprocessing) -> Classifier:
    """Return a model with the pre-processing that it was trained with before it.

    Args:
        model: The classifier.
        steps: What images go through first, in order.

    Returns:
        A classifier of the images before the steps. It is known by its scores alone where a step gives no gradient;
        else attackers follow gradients through the steps as they declare them.

    Raises:
        PlanError: No step.

    Example:
        >>> from torch import nn
        >>> from radversary.classifiers.torch_module import wrap
        >>> network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
        >>> model = wrap(network, classes=("Normal", "Pneumonia"), size=8)
        >>> behind(model, Preprocessing(function=torch.square, gradient="exact")).access.name
        'GRADIENTS'
    """
    if not steps:
        raise PlanError("a model stands behind one step of pre-processing at least")
    hidden = any(step.gradient == "none" for step in steps)
    return KnownByScores(model, Stack(steps)) if hidden else Preprocessed(model, Stack(steps))


class Preprocessed(Defended):
    """A model behind steps of its own, which an attacker who knows the model knows too.

    Args:
        classifier: The model.
        transform: Its steps.
    """

    def __init__(self, classifier: Classifier, transform: Transform) -> None:
        super().__init__(classifier, transform, adaptive=True, inherent=True)


class KnownByScores(Classifier):
    """A model behind steps through which no gradient is taken.

    Args:
        classifier: The model.
        transform: Its steps.
    """

    def __init__(self, classifier: Classifier, transform: Transform) -> None:
        self._inner, self.card = Defended(classifier, transform, inherent=True), classifier.card
        self.access = self._inner.access  # scores at most

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self._inner.device

    def to(self, device: torch.device | str) -> Self:
        """Move the model."""
        self._inner.to(device)
        return self

    def fingerprint(self) -> str:
        """Return a hash of the model and its steps."""
        return self._inner.fingerprint()

    def decide(self, images: Images) -> Labels:
        """Return what the model decides of the images behind the steps."""
        return self._inner.decide(images)

    @torch.no_grad()
    def logits(self, images: Images) -> Tensor:
        """Return the logits of the images behind the steps, (N, K), without gradients."""
        return self._inner.logits(images)
