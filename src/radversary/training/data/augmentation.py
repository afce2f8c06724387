"""The interface of augmentations: random changes of training images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from radversary.core.registry import Registry
from radversary.core.types import Images

if TYPE_CHECKING:  # names are known without PyTorch
    from radversary.core.seeds import Streams


class Augmentation(ABC):
    """A random change of training images that keeps their class; a frozen dataclass of hyper-parameters.

    Attributes:
        views: 0: an image is replaced by its changed self. Otherwise it is kept and so many changed ones come with it,
            all of which shall be answered alike.
        consistency: Weight of the Jensen-Shannon divergence between those answers.
    """

    views: int = 0
    consistency: float = 0.0

    @abstractmethod
    def __call__(self, images: Images, streams: Streams) -> Images:
        """Change images.

        Args:
            images: (N, C, H, W) in [0, 1]; not changed.
            streams: One random generator an image.

        Returns:
            Images of the same shape in [0, 1].
        """


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", {
    "affine": "radversary.training.data.affine:Affine",
    "augmix": "radversary.training.data.augmix:AugMix",
}, group="radversary.augmentations")
