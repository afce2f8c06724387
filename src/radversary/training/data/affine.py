"""Small turns and changes of size: the thesis' augmentation, drawn anew in each epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from kornia.geometry.transform import get_affine_matrix2d, warp_affine
from torch import Tensor

from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Images
from radversary.training.data.augmentation import Augmentation


@dataclass(frozen=True, kw_only=True)
class Affine(Augmentation):
    """Turns and scales each image about its centre.

    Attributes:
        degrees: Largest angle, to either side.
        scale: Least and greatest magnification.

    Raises:
        PlanError: An angle below 0, or magnifications that do not rise from above 0.

    Example:
        >>> augment = Affine(degrees=5, scale=(0.95, 1.05))
        >>> augment(torch.rand(2, 1, 8, 8), Streams.for_images(["a", "b"], seed=1, step="augment")).shape
        torch.Size([2, 1, 8, 8])
    """

    degrees: float = 10.0
    scale: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        if self.degrees < 0 or not 0 < self.scale[0] <= self.scale[1]:
            raise PlanError("affine needs degrees of at least 0 and a scale that rises from above 0, "
                            f"got {self.degrees} and {self.scale}")

    def __call__(self, images: Images, streams: Streams) -> Images:
        """Turn and scale images (N, C, H, W)."""
        angle, size = streams.uniform(2).unbind(1)
        low, high = self.scale
        return warp(images, angle=self.degrees * (2 * angle - 1), scale=low + (high - low) * size)


def warp(images: Images, *, angle: Tensor | None = None, scale: Tensor | None = None, shear: Tensor | None = None,
         shift: Tensor | None = None) -> Images:
    """Turn, scale, shear and shift images about their centres; what comes into view repeats the border.

    Args:
        images: (N, C, H, W) in [0, 1].
        angle: Degrees counter-clockwise, (N,).
        scale: Magnification, (N,).
        shear: Tangent of the shear along x and y, (N, 2).
        shift: Shift to the right and downwards as a share of the side, (N, 2).

    Returns:
        Images of the same shape in [0, 1].
    """
    count, (height, width) = len(images), images.shape[-2:]
    zero, sides = images.new_zeros(count, 2), images.new_tensor([width, height])
    slant = torch.atan(zero if shear is None else shear)
    matrix = get_affine_matrix2d(
        zero if shift is None else shift * sides, ((sides - 1) / 2).expand(count, 2),
        (images.new_ones(count) if scale is None else scale).unsqueeze(1).expand(count, 2),
        # kornia counts this matrix' angles clockwise, its rotate() the other way.
        zero[:, 0] if angle is None else -angle, slant[:, 0], slant[:, 1])
    turned: Images = warp_affine(images, matrix[:, :2], (height, width), padding_mode="border")
    return turned.clamp(0, 1)
