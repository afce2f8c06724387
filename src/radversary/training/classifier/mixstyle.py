"""MixStyle: feature statistics of two images mixed in training, so that predictions depend on them less.

Zhou, Yang, Qiao and Xiang 2021, arXiv:2104.02008: means and deviations of a feature map carry an image's style. Mixing
them between the images of a batch costs nothing and needs no style pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from radversary.core.errors import ModelError

STAGES = ("layer1", "layer2")
"""The stages of a residual trunk whose output is mixed: the first two, as the authors found; never the last."""

ALPHA = 0.1
"""Both parameters of the Beta distribution: most mixes lie near one of the two images."""


def mix_styles(features: Tensor, partners: Tensor, share: Tensor) -> Tensor:
    """Give feature maps statistics between their own and those of partners.

    Args:
        features: (N, C, H, W).
        partners: Index of each image's partner in the batch, (N,).
        share: How much of its own statistics an image keeps, (N,) in [0, 1].

    Returns:
        Features of the same shape; no gradient flows through the statistics.

    Example:
        >>> maps = torch.rand(2, 3, 4, 4)
        >>> torch.allclose(mix_styles(maps, torch.tensor([1, 0]), torch.ones(2)), maps, atol=1e-5)
        True
    """
    wide = features.detach().float()
    mean, deviation = wide.mean((2, 3), keepdim=True), (wide.var((2, 3), keepdim=True) + 1e-6).sqrt()
    share = share.reshape(-1, 1, 1, 1).to(mean)
    new_mean = share * mean + (1 - share) * mean[partners]
    new_deviation = share * deviation + (1 - share) * deviation[partners]
    return ((features - mean) / deviation * new_deviation + new_mean).to(features.dtype)


@contextmanager
def mixed_styles(network: nn.Module, probability: float) -> Iterator[None]:
    """Mix styles behind the first two stages of a network while it is in training mode.

    Draws come from the global generator, which a training seeds at each epoch as it does for dropout.

    Args:
        network: Needs a residual trunk, ``trunk.layer1`` and ``trunk.layer2``; left as it was afterwards.
        probability: Of mixing, for each stage and step.

    Yields:
        Nothing.

    Raises:
        ModelError: The network has no such stages.
    """
    stages = [getattr(getattr(network, "trunk", None), name, None) for name in STAGES]
    if not all(isinstance(stage, nn.Module) for stage in stages):
        raise ModelError(f"mixstyle needs a residual network with {' and '.join(f'trunk.{name}' for name in STAGES)}")

    def hook(stage: nn.Module, _inputs: Any, features: Tensor) -> Tensor | None:  # noqa: ANN401
        if not stage.training or torch.rand(()) >= probability:
            return None
        share = torch.distributions.Beta(ALPHA, ALPHA).sample((len(features),))
        return mix_styles(features, torch.randperm(len(features)).to(features.device), share)

    handles = [stage.register_forward_hook(hook) for stage in stages if stage is not None]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
