"""Images to attack, or to learn an attack from, with what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.core.types import Images, Labels
from radversary.imaging.arrays import images_from
from radversary.imaging.intensity import quantise


@dataclass(frozen=True)
class Batch:
    """Images to attack, with what is known of them.

    Attributes:
        images: (N, C, H, W) in [0, 1].
        labels: True labels, (N,) or (N, K).
        image_ids: One id an image.
        bits: Bits a pixel of the stored files: one number, or one an image (N,).
    """

    images: Images
    labels: Labels
    image_ids: tuple[str, ...]
    bits: int | Tensor = 8

    def to(self, device: torch.device) -> Batch:
        """Return the same batch with images and labels on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def only(self, chosen: Tensor) -> Batch:
        """Return those images that are ``chosen``, bool (N,)."""
        places = torch.nonzero(chosen.cpu())[:, 0]
        bits = self.bits if isinstance(self.bits, int) else self.bits[places.to(self.bits.device)]
        here = places.to(self.images.device)
        return Batch(self.images[here], self.labels[here], tuple(self.image_ids[place] for place in places.tolist()),
                     bits)


def batch_from(classifier: Classifier, images: Images | NDArray[Any],
               labels: Labels | NDArray[Any] | None = None) -> Batch:
    """Return images that are given in memory as they are attacked; what a classifier decides of them where unlabelled.

    Raises:
        InputError: The images are of another form.
    """
    given, bits = images_from(images)
    given = quantise(given, bits)
    known = classifier.predict(given) if labels is None else torch.as_tensor(labels)
    return Batch(given, known, tuple(f"{place:06d}" for place in range(len(given))), bits)
