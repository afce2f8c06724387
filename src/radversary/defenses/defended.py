"""A classifier behind a transform, itself a classifier that every attack can be run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.core.types import Access, Images, Labels
from radversary.defenses.base import Transform
from radversary.execution.devices import image_device
from radversary.storage.checksums import sha256_json
from radversary.storage.hashes import component_hash


class Defended(Classifier):
    """Classifies transformed images.

    Args:
        classifier: The victim behind the defence.
        transform: What every image goes through first.
        adaptive: Use the transform's differentiable approximation, so that gradients reach the images; the victim of an
            adaptive attacker. Predictions to be scored use the real transform.
        inherent: The transform belongs to the model, which was trained with it, so that whoever knows the classifier
            knows the transform too.

    Example:
        >>> from radversary.classifiers import wrap
        >>> from radversary.defenses.jpeg import JpegCompression
        >>> import torch
        >>> victim = wrap(torch.nn.Flatten(), classes=["a"] * 0 + [str(i) for i in range(768)], size=16)
        >>> Defended(victim, JpegCompression(quality=75)).logits(torch.rand(2, 1, 16, 16)).shape
        torch.Size([2, 768])
    """

    def __init__(self, classifier: Classifier, transform: Transform, *, adaptive: bool = False,
                 inherent: bool = False) -> None:
        self.classifier, self.transform, self.adaptive, self.inherent = classifier, transform, adaptive, inherent
        self.card = classifier.card
        self.access = classifier.access if adaptive else min(classifier.access, Access.SCORES)

    def fingerprint(self) -> str:
        """Return a hash of the classifier's weights, the transform, what that was trained to, and its code."""
        return sha256_json([self.classifier.fingerprint(), component_hash(self.transform)])

    @property
    def device(self) -> torch.device:
        """Where the classifier computes; images are transformed there too."""
        return self.classifier.device

    def to(self, device: torch.device | str) -> Self:
        """Move the classifier; transforms work where the images are."""
        self.classifier.to(device)
        return self

    def steadily(self, answer: Callable[[Images], Tensor], images: Images) -> Tensor:
        """Return answers as the classifier behind the transform gives them, whatever access the transform leaves."""
        return self.classifier.steadily(answer, images)

    def decide(self, images: Images) -> Labels:
        """Return what the classifier decides of the transformed images, (N,)."""
        return self.classifier.decide(self.transform(images.to(image_device(self.device)))).to(images.device)

    def logits(self, images: Images) -> Tensor:
        """Return the classifier's logits of the transformed images, (N, K)."""
        here = images.to(image_device(self.device))
        return self.classifier.logits(self.seen(here) if self.adaptive else self.transform(here)).to(images.device)

    def seen(self, images: Images) -> Images:
        """Return what the classifier sees of images, with the approximation's gradient (BPDA, Athalye et al. 2018).

        The values are the real transform's, so that an attacker who stops where it succeeds has succeeded. Of a random
        transform they are the approximation's: two draws differ, and where it is the mean of all draws the attacker
        wants that.
        """
        if self.transform.random or self.transform.follows != "roughly":
            return self.transform.bpda(images)
        real = self.transform(images).detach()
        if not torch.is_grad_enabled():
            return real
        near = self.transform.bpda(images)
        return real + (near - near.detach())
