"""A small network over residuals: what the learned detector trains."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radversary.core.types import Images
from radversary.detectors.traces import BANDS, GREY, rings
from radversary.imaging.intensity import to_grey

FILTERS: Final = ((0, 0, 0, 1, -2, 1, 0, 0, 0), (0, 1, 0, 0, -2, 0, 0, 1, 0), (-1, 2, -1, 2, -4, 2, -1, 2, -1))
"""Second differences along rows and along columns, and a 3 x 3 high-pass that is blind to straight edges, row by row.

Source of the last: Ker and Böhme, SPIE 6819, 2008; all three open the networks of steganalysis (Fridrich and Kodovský,
IEEE TIFS 7(3), 2012)."""

REACH: Final = 8.0 * GREY
"""Scale of the soft limit on residuals, so that a few strong edges do not outweigh faint texture everywhere."""


def residuals(grey: Images) -> Tensor:
    """Return what three small filters leave of each image, softly limited to (-1, 1).

    Args:
        grey: (N, 1, H, W) in [0, 1].

    Returns:
        (N, 3, H, W).

    Example:
        >>> residuals(torch.full((1, 1, 8, 8), 0.4)).abs().max() < 1e-5
        tensor(True)
    """
    kernels = torch.tensor(FILTERS, dtype=grey.dtype, device=grey.device).reshape(len(FILTERS), 1, 3, 3)
    return torch.tanh(F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), kernels) / REACH)


def log_rings(grey: Images) -> Tensor:
    """Return the mean log power of each ring of the spectrum, slow to fast.

    Args:
        grey: (N, 1, H, W) in [0, 1].

    Returns:
        (N, 8); rings are the same frequencies at every size from 64 pixels a side on.

    Example:
        >>> log_rings(torch.rand(2, 1, 64, 64)).shape
        torch.Size([2, 8])
    """
    window, members, _ = (part.to(grey) for part in rings(*grey.shape[-2:]))
    centred = (grey[:, 0] - grey[:, 0].mean(dim=(1, 2), keepdim=True)) * window
    power = torch.view_as_real(torch.fft.rfft2(centred, norm="ortho")).square().sum(dim=-1).flatten(1)
    return F.linear((power + GREY**2).log(), members)


class ResidualNetwork(nn.Module):
    """Three strided convolutions over residuals, averaged over the image, and the spectrum beside them: one logit.

    Args:
        width: Channels of the first convolution; the others have two and three times as many.

    Example:
        >>> sum(part.numel() for part in ResidualNetwork(width=16).parameters())
        21025
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = (len(FILTERS), width, 2 * width, 3 * width)
        self.stages = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(given, made, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(made), nn.SiLU())
            for given, made in pairwise(channels)))
        self.summary = nn.BatchNorm1d(channels[-1] + BANDS)
        self.head = nn.Sequential(nn.Linear(channels[-1] + BANDS, 2 * width), nn.SiLU(), nn.Linear(2 * width, 1))

    def forward(self, images: Images) -> Tensor:
        """Return the logit (N, 1) that images (N, C, H, W) in [0, 1] are manipulated; colour is ignored."""
        grey = to_grey(images)
        seen = torch.cat([self.stages(residuals(grey)).mean(dim=(2, 3)), log_rings(grey)], dim=1)
        logit: Tensor = self.head(self.summary(seen))
        return logit
