"""Radiographs drawn by formula, and victims that are misled by what an acquisition changes."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from radversary.classifiers.torch_module import wrap
from random_parts import smooth_images

SIDE = 48


def chests(count=4, size=SIDE):
    """Bright bodies on black air with two dark lungs and some texture; no two are alike."""
    rows, columns = np.mgrid[:size, :size] / size
    texture = smooth_images(count, size=size, seed=4)[:, 0].numpy()
    images = []
    for place in range(count):
        image = np.where(abs(columns - 0.5) < 0.44, 0.6, 0.0)
        for start in (0.3, 0.7):
            lung = ((rows - 0.45 - 0.02 * place) / 0.27) ** 2 + ((columns - start) / 0.12) ** 2 < 1
            image = np.where(lung, 0.25, image)
        images.append(ndimage.gaussian_filter(image, 0.8) + 0.15 * texture[place])
    return (torch.from_numpy(np.stack(images)).float()[:, None].clamp(0, 1) * 255).round() / 255


class Contrast(nn.Module):
    """Says b where a weighted mean of the image, less its value on an image, is above a threshold."""

    def __init__(self, weight: torch.Tensor, offset: float) -> None:
        super().__init__()
        self.weight, self.offset = nn.Parameter(weight), offset

    def forward(self, images):
        value = (images[:, :1] * self.weight).mean((1, 2, 3)) - self.offset
        return torch.stack([-value, value], 1) * 10


def victim_of(weight, images, beyond):
    """A linear victim that reads the images as a, all of them further from b than ``beyond``."""
    weight = torch.as_tensor(weight, dtype=torch.float32).expand(1, 1, *images.shape[-2:]).clone()
    offset = float((images * weight).mean((1, 2, 3)).max()) + beyond
    return wrap(Contrast(weight, offset), classes=("a", "b"), size=images.shape[-1], mean=(0,) * 3, std=(1,) * 3)
