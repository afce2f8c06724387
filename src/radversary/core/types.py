"""Types that every folder uses, and the pixel contract."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

from radversary.core.errors import TensorError
from radversary.core.renamed import warn_renamed

if TYPE_CHECKING:  # plans and cards import this file, and are read and refused without PyTorch
    import torch

Images: TypeAlias = "torch.Tensor"
"""float32 (N, C, H, W) in [0, 1]; C is 1 (grey) or 3."""

Labels: TypeAlias = "torch.Tensor"
"""int64 (N,): class indices; where the task is ``multilabel``, (N, K): 1 for a finding that is there, 0 for one that is
not. :data:`UNKNOWN` where it is not known."""

UNKNOWN = -1
"""A label that is not known; no figure counts it and no attack aims at it."""


class Access(IntEnum):
    """How much of a classifier an attacker sees; each level includes the ones before it."""

    NONE = 0
    LABELS = 1
    SCORES = 2
    GRADIENTS = 3


class Task(StrEnum):
    """What a classifier decides of an image.

    ``multiclass`` is exactly one of K classes; ``binary`` one of two, the second from a threshold on; ``multilabel``
    which of K findings are there, each from a threshold of its own on.
    """

    MULTICLASS = "multiclass"
    BINARY = "binary"
    MULTILABEL = "multilabel"


class Colour(StrEnum):
    """The channels a manipulation may touch."""

    GREY = "grey"
    RGB = "rgb"


class AttackFamily(StrEnum):
    """How an attack finds its change; controls, noise and natural corruptions are not aimed.

    ``gradient`` follows gradients of the victim within a norm, or to the smallest change; ``transfer`` those of a
    surrogate, made to carry over; ``query`` asks for scores or decisions; ``universal`` is one change for all images;
    ``acquisition`` is what a detector, a display or a positioning could do; ``patch`` covers a small part.
    """

    CONTROL = "control"
    NOISE = "noise"
    STYLE = "style"
    GRADIENT = "gradient"
    TRANSFER = "transfer"
    QUERY = "query"
    UNIVERSAL = "universal"
    ACQUISITION = "acquisition"
    CORRUPTION = "corruption"
    PATCH = "patch"

    @property
    def aimed(self) -> bool:
        """Whether the attack is aimed at a wrong answer."""
        return self not in (AttackFamily.CONTROL, AttackFamily.NOISE, AttackFamily.CORRUPTION)


class AttackContract(StrEnum):
    """What an attack promises of the size of its change.

    A *fixed budget* keeps each change within a norm; a *smallest change* looks for the least one that succeeds; an
    *unrestricted* attack promises nothing of any norm.
    """

    FIXED_BUDGET = "fixed budget"
    SMALLEST_CHANGE = "smallest change"
    UNRESTRICTED = "unrestricted"


class AttackerKnowledge(StrEnum):
    """What the attacker knows of the classifier and of the defence before it.

    ``oblivious`` attacks the undefended classifier, or none; ``transfer`` a surrogate of its own; ``gray-box`` the
    defence's own classifier, but not the transforms before it; ``adaptive`` the classifier through its transforms and,
    for a guard, its detectors.
    """

    OBLIVIOUS = "oblivious"
    TRANSFER = "transfer"
    GRAY_BOX = "gray-box"
    ADAPTIVE = "adaptive"

    @classmethod
    def _missing_(cls, value: object) -> AttackerKnowledge | None:
        """Read the name that an earlier version gave, with a warning."""
        if value != "classifier":
            return None
        warn_renamed("knowledge", "classifier", "gray-box")
        return cls.GRAY_BOX


class Norm(StrEnum):
    """How the size of a change is measured, over all pixels of an image."""

    LINF = "linf"
    L2 = "l2"


@dataclass(frozen=True)
class Budget:
    """How far an attack may go.

    Attributes:
        norm: By which its change is measured; None where no norm bounds it.
        epsilon: The most by that norm, in units of the full grey range.
        queries: The most images that the classifier may be asked to answer for one image and strength; None where the
            attack counts none, since it takes gradients or asks nothing.

    Example:
        >>> Budget(norm=Norm.LINF, epsilon=8 / 255).epsilon * 255
        8.0
    """

    norm: Norm | None = None
    epsilon: float | None = None
    queries: int | None = None


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval and the number of images behind it.

    Attributes:
        value: The point estimate.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        n: Images counted.

    Example:
        >>> str(Estimate(0.914, 0.88, 0.94, 300))
        '91.4 % [88.0, 94.0] (n=300)'
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}] (n={self.n})"


def check_images(images: Images, *, name: str = "images") -> Images:
    """Return ``images`` unchanged when they keep the pixel contract.

    Args:
        images: Tensor to check.
        name: Its name in the error.

    Returns:
        The same tensor.

    Raises:
        TensorError: Wrong type, shape, channel count or range.

    Example:
        >>> import torch
        >>> check_images(torch.zeros(1, 1, 4, 4)).shape
        torch.Size([1, 1, 4, 4])
    """
    import torch

    if images.dtype != torch.float32:
        raise TensorError(f"{name} must be float32, got {images.dtype}")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise TensorError(f"{name} must have shape (N, 1 or 3, H, W), got {tuple(images.shape)}")
    if images.numel():
        low, high = (float(edge) for edge in torch.aminmax(images.detach()))
        if not (low >= 0.0 and high <= 1.0):
            raise TensorError(f"{name} must lie in [0, 1], got values from {low:.4g} to {high:.4g}")
    return images
