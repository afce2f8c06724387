"""A style made for the victim: gradient ascent on the style code of our own stylizer.

Trying styles of a bank asks which of some pictures misleads the model; this asks which style does, picture or none.
The network (``stylization/network.py``) reads a style as 128 numbers, so the search has 128 unknowns where a pixel
attack has as many as the image, and what it finds is still a style. It is held where styles are: within a Mahalanobis
ball around the codes of a bank.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from radversary.attacks.base import Attack, blend, check_strength
from radversary.attacks.directions import TINY, to_unit_range
from radversary.attacks.style.transfer import opened_bank
from radversary.classifiers.base import Classifier
from radversary.classifiers.own_faults import gradient_of
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackFamily, Images, Labels
from radversary.imaging.intensity import to_grey
from radversary.stylization.bank import StyleBank
from radversary.stylization.generators import AdaIn
from radversary.stylization.network import CODE, shipped_stylizer

JITTER = 1e-6
"""Added to the covariance's diagonal, so that a bank of equal styles has one that can be factored."""


@dataclass(frozen=True)
class CodeSpace:
    """Where the style codes of a bank lie.

    Attributes:
        codes: (M, 128).
        mean: Their mean (128,).
        root: Cholesky factor (128, 128) of their covariance, shrunk after Ledoit and Wolf (Journal of Multivariate
            Analysis 88(2), 2004, doi:10.1016/S0047-259X(03)00096-4): a bank has fewer styles than codes have numbers.
    """

    codes: Tensor
    mean: Tensor
    root: Tensor

    def whitened(self, codes: Tensor) -> Tensor:
        """Return codes (N, 128) as points whose norm is their Mahalanobis distance from the mean."""
        points: Tensor = torch.linalg.solve_triangular(self.root, (codes - self.mean).mT, upper=False).mT
        return points

    def code(self, points: Tensor) -> Tensor:
        """Return the codes (N, 128) of points, on their device; the inverse of :meth:`whitened`."""
        return self.mean.to(points) + points @ self.root.to(points).mT


@lru_cache(maxsize=8)
def code_space(styles: str, *, count: int, size: int, seed: int) -> CodeSpace:
    """Encode a bank of grey styles and describe where their codes lie; see :func:`style_bank` for the arguments.

    Raises:
        PlanError: The bank holds fewer than two styles.
    """
    bank = opened_bank(styles, count=count, size=size, seed=seed)
    if len(bank) < 2:
        raise PlanError(f"style-code needs a bank of at least two styles, {styles!r} holds {len(bank)}")
    network = shipped_stylizer()
    with torch.no_grad():
        codes = torch.cat([network.style(style.expand(-1, 3, -1, -1))
                           for style in torch.split(to_grey(bank.images), 1)])
    from sklearn.covariance import ledoit_wolf  # imported where it is used: it takes seconds

    covariance = torch.from_numpy(ledoit_wolf(codes.double().numpy())[0]) + JITTER * torch.eye(CODE)
    return CodeSpace(codes=codes, mean=codes.mean(0), root=torch.linalg.cholesky(covariance).float())


def within(points: Tensor, radius: float) -> Tensor:
    """Return points (N, D), those beyond the radius drawn back to it.

    Example:
        >>> within(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0).norm(dim=1).tolist()
        [1.0, 0.5]
    """
    norms: Tensor = torch.linalg.vector_norm(points, dim=1, keepdim=True)
    return points * (radius / norms.clamp_min(1e-9)).clamp_max(1.0)


@dataclass(frozen=True, kw_only=True)
class StyleCodeAttack(Attack):
    """Gradient ascent on the classifier's loss over the style code; keeps the best step of each image.

    Starts from the style that the image's stream picks. Steps go along the gradient, with a length that falls evenly to
    zero: unlike Adam's they hardly depend on the last digits of a gradient, and so not on batch mates. Grey; the result
    is mixed in by opacity before the classifier sees it, so each opacity is climbed by itself.

    Attributes:
        opacity: How much of the stylised image is mixed in, in [0, 1]; 0 is the identity.
        steps: Gradient steps; 0 is the start's own style.
        learning_rate: Length of the first step, as a Mahalanobis distance.
        radius: Greatest Mahalanobis distance of a code from the mean of the bank's; of the procedural pools, each
            seen from either, the furthest style lies at 4.6.
        styles: Bank that the starts and the ball come from: ``train``, ``test`` or a folder.
        count: Number of procedural styles.
        style_size: Side of the style images in pixels.
        style_seed: Seed of the procedural styles.
        eot: Gradients averaged a step, for a model that answers at random.

    Raises:
        PlanError: A hyper-parameter outside its range.

    Example:
        >>> StyleCodeAttack(opacity=0.3).needs.name
        'GRADIENTS'
    """

    needs: ClassVar[Access] = Access.GRADIENTS
    strength: ClassVar[str] = "opacity"
    family: ClassVar[AttackFamily] = AttackFamily.STYLE
    generator: ClassVar[str] = "adain"

    opacity: float = 1.0
    steps: int = 20
    learning_rate: float = 0.7
    radius: float = 5.0
    styles: str = "test"
    count: int = 24
    style_size: int = 128
    style_seed: int = 42
    eot: int = 1

    def __post_init__(self) -> None:
        check_strength("opacity", self.opacity)
        if self.steps < 0 or self.eot < 1 or self.count < 2 or self.style_size < 16:
            raise PlanError("style-code needs steps ≥ 0, eot ≥ 1, count ≥ 2 and style_size ≥ 16, got "
                            f"{self.steps}, {self.eot}, {self.count} and {self.style_size}")
        if not (self.learning_rate > 0 and self.radius > 0):
            raise PlanError("style-code needs a learning_rate and a radius above 0, got "
                            f"{self.learning_rate} and {self.radius}")

    @property
    def passes(self) -> int | None:
        """One pass forward and one back for each point that is looked at."""
        return 2 * (self.steps + 1) * self.eot if self.opacity else 0

    def space(self) -> CodeSpace:
        """Return where the bank's codes lie."""
        return code_space(self.styles, count=self.count, size=self.style_size, seed=self.style_seed)

    def bank(self) -> StyleBank:
        """Return the styles that the starts and the ball come from."""
        return opened_bank(self.styles, count=self.count, size=self.style_size, seed=self.style_seed)

    def content_hashes(self) -> tuple[str, ...]:
        """Return the hashes of the styles, sorted, and that of the stylizer."""
        return (*sorted(self.bank().hashes()), AdaIn().content_hashes())

    def built_parts(self) -> tuple[Any, ...]:
        """Return the stylizer."""
        return (AdaIn(),)

    @torch.enable_grad()
    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Search a style for each image."""
        if not self.opacity:
            return images.clone()
        space = self.space()
        points = within(space.whitened(space.codes[streams.integers(len(space.codes))]), self.radius)
        points = points.to(images.device).requires_grad_()
        best, highest = images, torch.full((len(images),), -torch.inf, device=images.device)
        for step in range(self.steps + 1):
            attacked = self.drawn(images, points)
            margins = self.margins(classifier, attacked, aims)
            reached = margins.detach()
            higher = reached > highest
            best = torch.where(higher.reshape(-1, 1, 1, 1), attacked.detach(), best)
            highest = torch.where(higher, reached, highest)
            if step < self.steps:
                slope = gradient_of(margins.sum(), points, classifier.card)
                length = self.learning_rate * (1 - step / self.steps)
                step_along = length * functional.normalize(to_unit_range(slope), eps=TINY)
                points = within(points.detach() + step_along, self.radius)
                points.requires_grad_()
        return best

    def drawn(self, images: Images, points: Tensor) -> Images:
        """Draw images in the styles at ``points`` (N, 128) and mix them in, as a function of the points."""
        space = self.space()
        stylised = shipped_stylizer(images.device)(images.expand(-1, 3, -1, -1), space.code(points))
        return blend(images, to_grey(stylised).expand_as(images), self.opacity).clamp(0, 1)

    def margins(self, classifier: Classifier, attacked: Images, aims: Labels) -> Tensor:
        """Return the margins (N,), which steps climb, averaged over the model's answers."""
        answers = [classifier.logits(attacked) for _ in range(self.eot)]
        return torch.stack([self.wants.margin(classifier.card, answer, aims) for answer in answers]).mean(0)
