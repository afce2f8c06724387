"""Our stylizer with disturbed features: as many networks as there are styles.

DeepAugment (Hendrycks et al., ICCV 2021, arXiv:2006.16241) distorts the features of an image-to-image network, so that
its outputs differ from those it was trained for, while shapes stay. Here channels are swapped,
rescaled and now and then negated; a defence is thus trained on many generators.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from radversary.core.seeds import generator
from radversary.core.types import Images
from radversary.imaging.intensity import to_grey
from radversary.stylization.network import Stylizer
from radversary.stylization.weightless import fitted, mark, recast

LEAST_CONTRAST = 0.12
"""Deviation that a result is given at least: flat styles would leave nothing to look at."""


def distorted(images: Images, styles: Images, network: Stylizer, *, spread: float = 0.8, swapped: float = 0.25,
              negated: float = 0.15) -> Images:
    """Draw images in the styles through a network whose features are disturbed anew for each style.

    The disturbance follows from the style's own pixels, so that an image's result does not depend on its batch mates.

    Args:
        images: Content, (N, 3, H, W) in [0, 1].
        styles: One style an image, (N, 3, h, w) in [0, 1].
        network: The stylizer.
        spread: Deviation of the logarithm of the channels' factors.
        swapped: Probability that a channel is replaced by another.
        negated: Probability that a channel is negated.

    Returns:
        (N, 3, H, W) in [0, 1], grey.
    """
    streams = [generator("distorted", mark(style)) for style in styles]

    def disturb(features: torch.Tensor) -> torch.Tensor:
        return disturbed(features, streams, spread=spread, swapped=swapped, negated=negated)

    with torch.no_grad():
        drawn = to_grey(network.drawn(images, network.style(styles), disturb=disturb))
        wanted = to_grey(fitted(styles, (images.shape[-2], images.shape[-1])))
        result = recast(drawn, wanted, least=LEAST_CONTRAST)
    return result.clamp(0, 1).expand(-1, 3, -1, -1)


def disturbed(features: torch.Tensor, streams: Sequence[torch.Generator], *, spread: float, swapped: float,
              negated: float) -> torch.Tensor:
    """Swap, rescale and negate the channels of (N, C, H, W), each image's from its own stream."""
    count = features.shape[1]
    factors, sources = [], []
    for stream in streams:
        sign = torch.where(torch.rand(count, generator=stream) < negated, -1.0, 1.0)
        factors.append(sign * torch.exp(spread * torch.randn(count, generator=stream)))
        own, other = torch.arange(count), torch.randperm(count, generator=stream)
        sources.append(torch.where(torch.rand(count, generator=stream) < swapped, other, own))
    index = torch.stack(sources)[:, :, None, None].to(features.device)
    mixed = torch.gather(features, 1, index.expand_as(features))
    return mixed * torch.stack(factors)[:, :, None, None].to(features)
