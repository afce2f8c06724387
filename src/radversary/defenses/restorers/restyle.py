"""Feature consistency in one pass: our own style network draws a suspect image in the mean style of clean films."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file

import torch
from torch import Tensor, nn

from radversary.core.errors import ModelError, PlanError
from radversary.defenses.restorers.padding import reflected
from radversary.storage.checksums import sha256_file
from radversary.stylization.network import CODE, WEIGHTS, shipped_stylizer


class Restyle(nn.Module):
    """The package's style network with one style code. Only the code is saved; the network's weights are in the wheel.

    Args:
        amount: Opacity of what the network draws over the image, 0 to 1.
    """

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount
        self.code: Tensor
        self.register_buffer("code", torch.zeros(CODE))

    def forward(self, images: Tensor) -> Tensor:
        """Draw grey images (N, 1, H, W) in [0, 1] of any size in the style of the code, (N, 1, H, W)."""
        height, width = images.shape[-2:]
        # The network halves its input twice and reflects the borders: at least 8 pixels.
        wide = reflected(images, 8).expand(-1, 3, -1, -1)
        drawn = shipped_stylizer(images.device)(wide, self.code.expand(len(images), -1))
        return torch.lerp(images, drawn.mean(1, keepdim=True)[..., :height, :width], self.amount)


def restyle(*, amount: float = 0.5, stylizer: str = "") -> Restyle:
    """Build the network; :func:`radversary.training.denoiser.restyle.fit_restyle` gives it its code.

    The same idea as the thesis' feature consistency (AdaIN towards clean statistics: Huang and Belongie, ICCV 2017,
    arXiv 1703.06868), differentiable, so that adaptive attacks need no approximation.

    Args:
        amount: Opacity of what the network draws over the image, 0 to 1.
        stylizer: SHA-256 of the style network that the code was fitted with; empty takes the one that there is.

    Raises:
        PlanError: An amount outside 0 to 1.
        ModelError: The wheel's style network is another.
    """
    if not 0 <= amount <= 1:
        raise PlanError(f"restyle needs an amount in 0..1, got {amount}")
    if stylizer and stylizer != shipped_hash():
        raise ModelError(f"this restyle was fitted with style network {stylizer[:8]}, and the one installed is "
                         f"{shipped_hash()[:8]}; fit it again")
    return Restyle(amount)


@cache
def shipped_hash() -> str:
    """Return the SHA-256 of the style network in the wheel."""
    with as_file(WEIGHTS) as path:
        return sha256_file(path)
