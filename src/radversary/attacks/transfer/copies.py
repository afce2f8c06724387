"""The gradient of images as the weighted sum of the gradients at changed copies of each, in parts of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

from radversary.attacks.goal import image_gradient
from radversary.attacks.gradient.linf import LinfAttack
from radversary.attacks.metering import about
from radversary.classifiers.base import Classifier
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels

CHUNK: Final = 128
"""Copies that go through the model at once; whole images' worth, so that it changes nothing but memory."""

Copied = Callable[[Images, Streams], Images]
"""Images (N, C, H, W) and their streams to M copies of each, (N · M, C, H, W) in [0, 1], an image's together."""


def gradient_over(copied: Copied, weights: Sequence[float], attack: LinfAttack, classifier: Classifier, images: Images,
                  aims: Labels, streams: Streams) -> Tensor:
    """Return the weighted sum of the gradients at the copies of each image, (N, C, H, W).

    Args:
        copied: Makes the copies.
        weights: One a copy: its share times the slope of the copy with respect to the image.
        attack: Says what is wanted, and how many gradients of a copy are averaged (``eot``).
        classifier: One that gives gradients.
        images: (N, C, H, W) in [0, 1].
        aims: What the goal makes of the labels.
        streams: One random generator an image.

    Example:
        >>> from torch import nn
        >>> from radversary.attacks.gradient.fgsm import FGSM
        >>> from radversary.classifiers.torch_module import wrap
        >>> victim = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), classes=("a", "b"), size=8)
        >>> drawn = Streams.for_images(["image"], seed=1, step="example")
        >>> twice = lambda images, streams: images.repeat_interleave(2, 0)
        >>> gradient_over(twice, [0.5, 0.5], FGSM(), victim, torch.rand(1, 1, 8, 8), torch.tensor([0]), drawn).shape
        torch.Size([1, 1, 8, 8])
    """
    together, parts = max(1, CHUNK // len(weights)), list[Tensor]()
    shares = torch.tensor(weights, dtype=torch.float32, device=images.device).reshape(1, -1, 1, 1, 1)
    for first in range(0, len(images), together):
        here = slice(first, min(first + together, len(images)))
        rows = torch.arange(here.start, here.stop).repeat_interleave(len(weights))
        copies, victim = copied(images[here], streams[here]), about(classifier, rows)
        every = [image_gradient(victim, copies, aims[rows.to(aims.device)], attack.wants) for _ in range(attack.eot)]
        mean = every[0] if len(every) == 1 else torch.stack(every).mean(0)
        parts.append((mean.reshape(-1, len(weights), *mean.shape[1:]) * shares).sum(1))
    return torch.cat(parts)
