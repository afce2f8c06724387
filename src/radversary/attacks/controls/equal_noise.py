"""Random noise with the norm of another attack's change: the control for the attack's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from radversary.attacks.base import Attack, Batch
from radversary.attacks.guarded_victim import Evasive
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackFamily, Budget, Images, Labels
from radversary.imaging.intensity import quantise, to_grey

BITS = 8
"""Depth at which sizes are compared."""

FAINTEST, STRONGEST = 2.0**-12, 2.0**4
"""Deviations between which the noise's is sought: nothing survives rounding below, hardly any grey is left above."""

ROUNDS = 16
"""Halvings of that range, on a logarithmic scale; the deviation is then known to a tenth of a per mille."""


def size(images: Images, changed: Images) -> Tensor:
    """Return the Euclidean norm (N,) of what is stored of a change, in grey."""
    norms: Tensor = torch.linalg.vector_norm(to_grey(quantise(changed, BITS)) - to_grey(images), dim=(1, 2, 3))
    return norms


def noise_of_size(images: Images, noise: Tensor, wanted: Tensor) -> Images:
    """Add to each image its noise, scaled so that what is left after clipping and rounding has the wanted size.

    Args:
        images: (N, C, H, W) in [0, 1].
        noise: Directions, (N, 1, H, W).
        wanted: Euclidean norms (N,); where it is 0 the image is returned as it is.

    Returns:
        (N, C, H, W) in [0, 1]; where no noise is as large as wanted, the largest.

    Example:
        >>> grey, noise = torch.full((1, 1, 32, 32), 0.5), torch.randn(1, 1, 32, 32)
        >>> round(float(size(grey, noise_of_size(grey, noise, torch.tensor([3.0])))), 1)
        3.0
    """
    low, high = (torch.full_like(wanted, edge).log2() for edge in (FAINTEST, STRONGEST))
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        enough = size(images, added(images, noise, middle)) >= wanted
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return torch.where((wanted > 0).reshape(-1, 1, 1, 1), added(images, noise, high), images)


def added(images: Images, noise: Tensor, exponents: Tensor) -> Images:
    """Add noise of deviation 2 to the ``exponents`` (N,)."""
    return (images + torch.exp2(exponents).reshape(-1, 1, 1, 1) * noise).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class EqualNoise(Attack):
    """Gaussian noise, one value for all channels, with the norm that another attack's change has on the same image.

    It has the other's strength under the other's name, sees as much of the classifier as the other does, and stays at
    the same norm whatever the classifier: the floor that an attack must beat. The other attack draws its random choices
    from this one's streams, so under two labels of a plan they are alike, not the same.

    Attributes:
        like: The other attack: ``name`` and, if it has any, ``options``.
        taught: The other attack once it has learnt, if it learns; no option.

    Raises:
        PlanError: No name.
        UnknownNameError: No such attack, option, or key of ``like``.

    Example:
        >>> EqualNoise(like={"name": "noise", "options": {"deviation": 0.1}}).strength
        'deviation'
    """

    needs: ClassVar[Access] = Access.NONE
    strength: ClassVar[str] = "opacity"
    family: ClassVar[AttackFamily] = AttackFamily.NOISE
    taught: ClassVar[Attack | None] = None  # an instance that has learnt has its own

    like: Mapping[str, Any] = field(default_factory=lambda: {"name": "style-transfer"})

    def __post_init__(self) -> None:
        if "name" not in self.like:
            raise PlanError("equal-noise needs like.name, the attack whose size it takes")
        for key in self.like:
            if key not in ("name", "options"):
                raise UnknownNameError("key of like", key, ("name", "options"))
        other = self.other()
        # Shadow the class's own: this attack asks for what the other asks for.
        object.__setattr__(self, "needs", other.needs)
        object.__setattr__(self, "learns", other.learns)
        object.__setattr__(self, "strength", other.strength)
        object.__setattr__(self, "goal", other.goal)

    def other(self) -> Attack:
        """Return the attack whose size is taken."""
        made = ATTACKS.create(self.like["name"], **{"goal": self.goal, **self.like.get("options", {})})
        return made if self.taught is None else self.taught.at(made.current)

    @property
    def most_examples(self) -> int:
        """As many as the other attack learns from."""
        return self.other().most_examples

    def knows(self, strengths: Sequence[float]) -> bool:
        """Return whether the other attack holds all that it has to learn."""
        return self.other().knows(strengths)

    def learnt(self, classifier: Classifier, examples: Batch | None, strengths: Sequence[float], *, seed: int,
               step: str) -> Self:
        """Return the same noise with the other attack holding what it learnt."""
        return self._with(self.other().learnt(classifier, examples, strengths, seed=seed, step=step))

    def _with(self, taught: Attack | None) -> Self:
        found = replace(self)
        object.__setattr__(found, "taught", taught)
        return found

    @property
    def current(self) -> float:
        """The other attack's strength."""
        return self.other().current

    def at(self, strength: float) -> Self:
        """Return the same noise with the other attack at another strength."""
        options = {**self.like.get("options", {}), self.strength: strength}
        return replace(self, like={"name": self.like["name"], "options": options})._with(self.taught)

    @property
    def most(self) -> float:
        """The other attack's greatest strength."""
        return self.other().most

    @property
    def passes(self) -> int | None:
        """The other attack's passes."""
        return self.other().passes

    @property
    def budget(self) -> Budget:
        """As many answers as the other attack asks for; no norm, for its size is the other's on each image."""
        return Budget(queries=self.other().budget.queries)

    def content_hashes(self) -> tuple[str, ...]:
        """Return what the other attack draws on."""
        return self.other().content_hashes()

    def built_parts(self) -> tuple[Any, ...]:
        """Return the other attack."""
        return (self.other(),)

    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Return images with noise of the other attack's size."""
        ((_, noisy),) = self.ladder(classifier, images, aims, streams, [self.current])
        return noisy

    def ladder(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams,
               strengths: Sequence[float]) -> Iterator[tuple[float, Images]]:
        """Take the other attack's size at each strength; the noise's direction stays."""
        noise = streams.normal(1, *images.shape[-2:]).to(images.device)
        for strength, attacked in self.other().ladder(classifier, images, aims, streams, strengths):
            wanted = size(images, attacked) * (attacked != images).flatten(1).any(1)
            yield strength, noise_of_size(images, noise, wanted) if strength else images.clone()


def evades(attack: Attack) -> bool:
    """Return whether an attack evades detectors, itself or as the one whose size a noise takes.

    Args:
        attack: The attack.

    Example:
        >>> evades(EqualNoise(like={"name": "noise"}))
        False
    """
    return isinstance(attack.other() if isinstance(attack, EqualNoise) else attack, Evasive)
