"""Answers about an image that are the same to the last bit however many images stand beside it.

Libraries sum a convolution or a matrix product in another order for other numbers of images: for one and several, for
odd and even ones, for fewer than 16 and more, by processor and number of threads (seen on ResNet-18, ResNet-50 and
DenseNet-121, two Intel processors). A sign step turns the last digit into a grey level. So on a CPU a model is always
asked about :data:`PART` images, and where images are so small that the calls would take longer than the answers, about
:data:`MANY` at least, from which number on no processor seen so far made a difference. On other devices it is asked
about multiples of :data:`PART`, which is not known to be enough there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from radversary.core.errors import ModelError
from radversary.core.types import Images

PART: Final = 4
"""Images that are asked about at once."""

MANY: Final = 16
"""The least number where images are small."""

SMALL: Final = 48 * 48
"""Pixels of an image from which on parts pay."""


def steady(answer: Callable[[Images], Tensor], images: Images, device: torch.device) -> Tensor:
    """Return what a model answers about images, each as if others or none stood beside it.

    Args:
        answer: The model: (M, C, H, W) to (M, ...).
        images: (N, C, H, W).
        device: Where it computes.

    Returns:
        Its N answers, (N, ...), as differentiable as they are. A model that fails on other numbers of images than there
        are is asked about these as they are: an error names them, and a model may take no more than so many at once.

    Example:
        >>> steady(lambda images: images.sum((1, 2, 3)), torch.ones(5, 1, 64, 64), torch.device("cpu")).shape
        torch.Size([5])
    """
    try:
        return in_parts(answer, images, device) if len(images) else answer(images)
    except ModelError:
        return answer(images)


def in_parts(answer: Callable[[Images], Tensor], images: Images, device: torch.device) -> Tensor:
    """Return what a model answers about images in parts of equal size, or in a number that makes no difference."""
    count = len(images)
    if device.type != "cpu":
        return answer(filled(images, -count % PART))[:count]
    if images.shape[-2] * images.shape[-1] < SMALL:
        return answer(filled(images, max(MANY - count, -count % PART)))[:count]
    return torch.cat([answer(part) for part in filled(images, -count % PART).split(PART)])[:count]  # type: ignore[no-untyped-call]


def filled(images: Images, missing: int) -> Images:
    """Return images with so many more of the last one, through which no gradient flows."""
    return images if missing <= 0 else torch.cat([images, images[-1:].detach().expand(missing, -1, -1, -1)])
