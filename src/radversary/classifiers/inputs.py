"""What a network is given of images, by its card: the same for every kind of model, in training and afterwards."""

from __future__ import annotations

from torch import Tensor

from radversary.classifiers.card import ModelCard
from radversary.core.errors import TensorError
from radversary.core.types import Images
from radversary.imaging.intensity import to_grey


def network_input(images: Images, card: ModelCard) -> Tensor:
    """Turn images into what the network was trained to see; training and prediction share this function.

    A radiograph is grey: where the card says one channel, colour is projected to luma first, so that no change of hue
    reaches the network. Then the centre is cropped, grey repeated to the channels that the network takes, and values
    brought to its range, less its mean, divided by its standard deviation.

    Args:
        images: (N, 1 or 3, H, W) in [0, 1], of the card's size.
        card: The model's card.

    Returns:
        (N, len(card.mean), h, w); differentiable.

    Raises:
        TensorError: The size differs from the card's.

    Example:
        >>> import torch
        >>> card = ModelCard(name="x", architecture="x", classes=("a", "b"), size=2, input_range=(-1024, 1024))
        >>> network_input(torch.ones(1, 3, 2, 2), card).unique().tolist()
        [1024.0]
    """
    if tuple(images.shape[-2:]) != card.sides:
        height, width = images.shape[-2:]
        raise TensorError(f"model {card.name!r} reads images of {card.sides[0]} x {card.sides[1]} pixels, "
                          f"got {height} x {width}")
    if card.channels == 1:
        images = to_grey(images)
    if card.crop is not None:
        (height, width), (top, left) = card.network_sides, _corner(card)
        images = images[..., top:top + height, left:left + width]
    if card.input_range != (0.0, 1.0):
        low, high = card.input_range
        images = images * (high - low) + low
    images = images.expand(-1, len(card.mean), -1, -1)
    mean, std = (images.new_tensor(figures).reshape(1, -1, 1, 1) for figures in (card.mean, card.std))
    return (images - mean) / std


def _corner(card: ModelCard) -> tuple[int, int]:
    """Return the first row and column of the centre crop."""
    top, left = ((whole - part) // 2 for whole, part in zip(card.sides, card.network_sides, strict=True))
    return top, left
