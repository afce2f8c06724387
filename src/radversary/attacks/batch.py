"""Images to attack, or to learn an attack from, with what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.core.types import Colour, Images, Labels
from radversary.imaging.arrays import images_from
from radversary.imaging.intensity import quantise

EXPORTED: Final = 8
"""Bits of each channel of a colour file."""


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

    def stored_in(self, colour: Colour) -> Batch:
        """Return the batch as it is attacked in some channels: where files have three, none is deeper than 8 bits.

        Pillow stores no 16-bit colour; what is attacked in colour is a viewer's export, which has 8.
        """
        grey = colour == Colour.GREY and self.images.shape[1] == 1
        if grey or int(torch.as_tensor(self.bits).max() if len(self.images) else 0) <= EXPORTED:
            return self
        bits = min(self.bits, EXPORTED) if isinstance(self.bits, int) else self.bits.clamp(max=EXPORTED)
        return replace(self, images=quantise(self.images, bits), bits=bits)


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
