"""The order of the axes of what a network of another library takes: channels first, as PyTorch has it, or last."""

from __future__ import annotations

from collections.abc import Sequence

from radversary.classifiers.card import ModelCard
from radversary.core.errors import ModelError


def takes_channels_last(shape: Sequence[int | None], card: ModelCard, *, where_unclear: bool) -> bool:
    """Return whether a network takes images as (N, H, W, C) rather than (N, C, H, W).

    Args:
        shape: The shape of its input as its file states it; None for an axis of any length.
        card: The model's card, whose ``mean`` has one figure a channel and whose size the network must take.
        where_unclear: What to return where the shape fits both.

    Raises:
        ModelError: It takes no images, or images of other channels or another size than the card says.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b"), size=224)
        >>> takes_channels_last((None, 224, 224, 3), card, where_unclear=False)
        True
    """
    if len(shape) != 4:
        raise ModelError(f"model {card.name!r} takes {shown(shape)}, expected images (N, channels, height, width) or "
                         "(N, height, width, channels)")
    channels, sides = len(card.mean), card.network_sides
    first, last = _fits(shape[1:], (channels, *sides)), _fits(shape[1:], (*sides, channels))
    if first or last:
        return where_unclear if first and last else last
    raise ModelError(_misfit(shape, card))


def shown(shape: Sequence[int | None]) -> str:
    """Return a shape as a person would write it.

    Example:
        >>> shown((None, 3, 224, 224))
        '(any, 3, 224, 224)'
    """
    return f"({', '.join('any' if length is None else str(length) for length in shape)})"


def _fits(shape: Sequence[int | None], wanted: Sequence[int]) -> bool:
    return all(length in (None, other) for length, other in zip(shape, wanted, strict=True))


def _misfit(shape: Sequence[int | None], card: ModelCard) -> str:
    """Say what differs between the input of a network and its card, and what to state there."""
    last = shape[3] in (1, 3) and shape[1] not in (1, 3)
    channels, sides = (shape[3], shape[1:3]) if last else (shape[1], shape[2:])
    start = f"model {card.name!r} takes images of"
    if channels not in (None, len(card.mean)):
        say = f"state {channels} in each" if channels in (1, 3) else "expected 1 or 3"
        return f"{start} {channels} channels, the mean and std of its card have {len(card.mean)} figures: {say}"
    asked = " x ".join("any" if side is None else str(side) for side in sides)
    given = " x ".join(map(str, card.network_sides))
    return f"{start} {asked} pixels, and its card says {given}: state size: {asked.replace(' x ', ', ')} in it"
