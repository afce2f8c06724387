"""Random noise: the control for a perturbation's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from radversary.attacks.base import Attack, check_strength
from radversary.classifiers.base import Classifier
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackFamily, Images, Labels


@dataclass(frozen=True, kw_only=True)
class Noise(Attack):
    """Adds independent Gaussian noise to each pixel, one value for all channels.

    Attributes:
        deviation: Standard deviation in units of the full grey range.
    """

    needs: ClassVar[Access] = Access.NONE
    strength: ClassVar[str] = "deviation"
    family: ClassVar[AttackFamily] = AttackFamily.NOISE

    deviation: float = 0.05

    def __post_init__(self) -> None:
        check_strength("deviation", self.deviation)

    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:  # noqa: ARG002
        """Return noisy images."""
        noise = streams.normal(1, *images.shape[-2:]).to(images.device)
        return (images + self.deviation * noise).clamp(0, 1)
