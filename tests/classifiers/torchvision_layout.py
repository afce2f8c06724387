"""A residual network read straight off torchvision's key names, independent of MONAI."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def _norm(inputs: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return F.batch_norm(inputs, state[f"{name}.running_mean"], state[f"{name}.running_var"], state[f"{name}.weight"],
                        state[f"{name}.bias"])


def _conv(inputs: Tensor, state: dict[str, Tensor], name: str, stride: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(inputs, weight, stride=stride, padding=weight.shape[-1] // 2)


def _block(inputs: Tensor, state: dict[str, Tensor], name: str, stride: int) -> Tensor:
    deep = f"{name}.conv3.weight" in state
    strides = (1, stride, 1) if deep else (stride, 1)
    result = inputs
    for number, step in enumerate(strides, start=1):
        result = _norm(_conv(result, state, f"{name}.conv{number}", step), state, f"{name}.bn{number}")
        if number < len(strides):
            result = result.relu()
    if f"{name}.downsample.0.weight" in state:
        inputs = _norm(_conv(inputs, state, f"{name}.downsample.0", stride), state, f"{name}.downsample.1")
    return (result + inputs).relu()


def features(inputs: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Pooled features (N, width) of torchvision's ResNet in evaluation mode."""
    result = _norm(_conv(inputs, state, "conv1", 2), state, "bn1").relu()
    result = F.max_pool2d(result, 3, 2, 1)
    blocks = sorted({tuple(key.split(".")[:2]) for key in state if key.startswith("layer")})
    for layer, block in blocks:
        result = _block(result, state, f"{layer}.{block}", 2 if block == "0" and layer != "layer1" else 1)
    return torch.flatten(result.mean(dim=(2, 3)), 1)
