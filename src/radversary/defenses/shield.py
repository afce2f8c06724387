"""JPEG at a random quality for each region of an image (SHIELD)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from radversary.core.errors import PlanError
from radversary.core.seeds import generator
from radversary.core.types import Images
from radversary.defenses.base import Transform
from radversary.imaging.jpeg import differentiable_jpeg, jpeg


@dataclass(frozen=True, kw_only=True)
class Shield(Transform):
    """Takes each region from one of several compressed copies (SHIELD: Das et al., KDD 2018, arXiv 1802.06816).

    The draw follows from the seed and the image's own content: the same image always gets the same regions, whatever
    the batch, and a changed image gets others.

    Attributes:
        qualities: JPEG qualities, each 1 to 100, all equally likely.
        block: Side of a region in pixels.
        seed: Of the draws.

    Raises:
        PlanError: No quality, one outside the scale, or no region.
    """

    random: ClassVar[bool] = True
    exact: ClassVar[bool] = True

    qualities: tuple[int, ...] = (20, 40, 60, 80)
    block: int = 8
    seed: int = 42

    def __post_init__(self) -> None:
        if not self.qualities or not all(1 <= quality <= 100 for quality in self.qualities):
            raise PlanError(f"shield needs JPEG qualities in 1..100, got {list(self.qualities)}")
        if self.block < 1:
            raise PlanError(f"shield needs regions of at least 1 pixel, got block {self.block}")

    @torch.no_grad()
    def __call__(self, images: Images) -> Images:
        """Compress with libjpeg."""
        return self._picked(self._copies(images, jpeg), self._draws(images))

    def bpda(self, images: Images) -> Images:
        """Compress with differentiable JPEG.

        The draw is made anew whenever the images change, which they do at each step of an attack; nothing is counted or
        remembered. So the same images always get the same draw, and the gradient is therefore the mean over all draws
        (EOT: Athalye et al. 2018, arXiv 1802.00420): exact for the transform, because each region is drawn for itself
        and all copies are made anyway. One call replaces many samples.
        """
        copies = self._copies(images, differentiable_jpeg)
        expected = copies.mean(0)
        return expected + (self._picked(copies, self._draws(images)) - expected).detach()

    def _copies(self, images: Images, codec: Callable[..., Images]) -> Tensor:
        return torch.stack([codec(images, quality=quality) for quality in self.qualities])

    def _draws(self, images: Images) -> Tensor:
        """Return which copy each pixel is taken from, (N, 1, H, W)."""
        height, width = images.shape[-2:]
        grid = (1, 1, -(-height // self.block), -(-width // self.block))
        drawn = [torch.randint(len(self.qualities), grid, generator=generator(self.seed, "shield", _content(image)))
                 for image in images]
        regions = torch.cat(drawn) if drawn else torch.zeros(0, *grid[1:], dtype=torch.int64)
        pixels = functional.interpolate(regions.float(), scale_factor=self.block)[..., :height, :width]
        return pixels.long().to(images.device)

    @staticmethod
    def _picked(copies: Tensor, draws: Tensor) -> Images:
        return copies.gather(0, draws.expand_as(copies[0])[None])[0]


def _content(image: Tensor) -> str:
    return sha256(image.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
