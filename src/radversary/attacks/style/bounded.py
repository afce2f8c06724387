"""The greatest opacity of a style at which an image keeps a least structural similarity to itself."""

from __future__ import annotations

import torch
from torch import Tensor

from radversary.core.errors import PlanError
from radversary.core.types import Images
from radversary.imaging.intensity import quantise, to_grey
from radversary.imaging.similarity import ssim

BITS = 8
"""Depth at which similarity is judged: what a viewer shows, and the roughest grid that an audit stores."""

ROUNDS = 8
"""Opacities tried an image and style at most; four on average."""

NEAR = 0.96
"""Share of the similarity that may be lost from which on an opacity is near enough to the greatest."""

AIM = 0.985
"""Share aimed at, so that the search settles from the side on which the bound holds."""

SHRINK = 0.8
"""What a rare image that misses its bound after all is faded by, until it holds."""


def check_least(name: str, least: float | None) -> None:
    """Refuse a bound that no attack, or every one, would keep.

    Raises:
        PlanError: Not in (0, 1).
    """
    if least is not None and not 0 < least < 1:
        raise PlanError(f"{name} must lie between 0 and 1, or be left out, got {least}")


def mixed(images: Images, stylised: Images, amounts: Tensor) -> Images:
    """Mix as much of each stylised image into its image as ``amounts`` (N,) says."""
    return (images + amounts.reshape(-1, 1, 1, 1) * (stylised - images)).clamp(0, 1)


def likeness(images: Images, attacked: Images) -> Tensor:
    """Return the similarity (N,) of images to what is stored of them after an attack, in grey."""
    return ssim(to_grey(images), to_grey(quantise(attacked, BITS)))


def greatest_opacity(images: Images, stylised: Images, *, least: float) -> Tensor:
    """Find for each image the greatest opacity at which its similarity to itself stays within a bound.

    The loss of similarity grows about as a power of the opacity. So each round cuts the bracket where the power law
    through its two ends meets the bound, instead of in the middle, which takes half as many rounds; an image whose
    answer is near enough is tried no more. The answer does not depend on the opacity that is later asked for.

    Args:
        images: (N, C, H, W) in [0, 1].
        stylised: The same images at full opacity.
        least: Least structural similarity after rounding to 8 bits.

    Returns:
        Opacities (N,) in [0, 1], each tried and found within the bound; 0, the image itself, where none was.
    """
    allowed = 1 - least
    low, low_loss = torch.zeros(len(images)), torch.zeros(len(images))
    high, high_loss = torch.ones(len(images)), torch.full((len(images),), torch.inf)
    tried = high.clone()
    for _ in range(ROUNDS):
        open_rows = torch.nonzero((low < 1) & (low_loss < NEAR * allowed))[:, 0]
        if not len(open_rows):
            break
        rows = open_rows.to(images.device)
        attacked = mixed(images[rows], stylised[rows], tried[open_rows].to(images.device))
        loss = torch.full_like(low, torch.nan)
        loss[open_rows] = 1 - likeness(images[rows], attacked).cpu()
        within, beyond = loss <= allowed, loss > allowed
        low, low_loss = torch.where(within, tried, low), torch.where(within, loss, low_loss)
        high, high_loss = torch.where(beyond, tried, high), torch.where(beyond, loss, high_loss)
        tried = between(low, low_loss, high, high_loss, AIM * allowed)
    return low.to(images.device)


def between(low: Tensor, low_loss: Tensor, high: Tensor, high_loss: Tensor, wanted: float) -> Tensor:
    """Return where a power law through both ends of each bracket (N,) reaches the wanted loss.

    From zero, where a logarithm has no end, a straight line is drawn: losses grow faster, so it stays within.
    """
    steepness = (torch.log(high / low) / torch.log(high_loss / low_loss)).nan_to_num(1.0)
    law = low * (wanted / low_loss) ** steepness
    inside = (law > low) & (law < high) & (low_loss > 0)
    line = low + (high - low) * ((wanted - low_loss) / (high_loss - low_loss)).clamp(0.02, 0.9)
    return torch.where(inside, law, line)


def held(images: Images, attacked: Images, *, least: float) -> Images:
    """Fade those attacked images that miss the bound until they keep it; the image itself keeps every bound.

    Similarity need not fall evenly along the way to a style, so what holds at one opacity may fail at a lower one.

    Args:
        images: (N, C, H, W) in [0, 1].
        attacked: (N, C or 3, H, W) in [0, 1].
        least: Least structural similarity after rounding to 8 bits.

    Returns:
        Attacked images, all within the bound.
    """
    amounts = torch.ones(len(images), device=images.device)
    result = attacked
    while bool((missed := (likeness(images, result) < least) & (amounts > 0)).any()):
        amounts = torch.where(missed, torch.where(amounts < 1 / 64, 0.0, SHRINK * amounts), amounts)
        result = mixed(images, attacked, amounts)
    return result
