"""Two sets of batch statistics in one network: one for clean images, one for attacked ones.

Attacked images have other feature statistics than clean ones, and a BatchNorm that averages over both fits neither (Xie
et al. 2020, arXiv:1911.09665; on chest films Han et al. 2021, Nature Communications 12, 4315). What is saved has one
set, so that the file is that of the ordinary network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from torch import Tensor, nn

from radversary.core.errors import ModelError

Side = Literal["clean", "attacked"]


class DualNorm(nn.Module):
    """A BatchNorm and a copy of it, of which one is in use.

    Args:
        norm: The BatchNorm, for clean images; the one for attacked images starts as its copy.
        side: The one that is in use.
    """

    def __init__(self, norm: nn.BatchNorm2d, *, side: Side) -> None:
        super().__init__()
        self.clean, self.attacked = norm, copy.deepcopy(norm)
        self.side: Side = side

    def forward(self, features: Tensor) -> Tensor:
        """Normalise features (N, C, H, W) with the statistics in use."""
        norm: nn.Module = getattr(self, self.side)
        normalised: Tensor = norm(features)
        return normalised


@contextmanager
def dual_norm(network: nn.Module, *, keep: Side) -> Iterator[None]:
    """Give a network two sets of BatchNorm within the context, and keep one afterwards.

    Args:
        network: Changed in place.
        keep: The set that stays, and the one in use unless :func:`normalised_as` says otherwise.

    Yields:
        Nothing.

    Raises:
        ModelError: The network has no BatchNorm.
    """
    places = [(parent, name, child) for parent in network.modules() for name, child in parent.named_children()
              if isinstance(child, nn.BatchNorm2d)]
    if not places:
        raise ModelError(f"dual norm needs a network with BatchNorm, a {type(network).__name__} has none")
    for parent, name, norm in places:
        setattr(parent, name, DualNorm(norm, side=keep))
    try:
        yield
    finally:
        for parent, name, _ in places:
            setattr(parent, name, getattr(getattr(parent, name), keep))


def dual_norms(network: nn.Module) -> list[DualNorm]:
    """Return the doubled norms of a network; none where it is an ordinary one."""
    return [module for module in network.modules() if isinstance(module, DualNorm)]


@contextmanager
def normalised_as(network: nn.Module, side: Side) -> Iterator[None]:
    """Use one side's statistics for a while; an ordinary network has one side and is left as it is."""
    norms = dual_norms(network)
    before = [norm.side for norm in norms]
    for norm in norms:
        norm.side = side
    try:
        yield
    finally:
        for norm, usual in zip(norms, before, strict=True):
            norm.side = usual
