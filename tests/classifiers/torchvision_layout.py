"""Networks read straight off torchvision's key names, independent of MONAI and of the package; weights to run them."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    places = sorted({tuple(map(int, key.removeprefix("layer").split(".")[:2])) for key in state if key[:5] == "layer"})
    for layer, block in places:
        result = _block(result, state, f"layer{layer}.{block}", 2 if block == 0 and layer > 1 else 1)
    return torch.flatten(result.mean(dim=(2, 3)), 1)


def resnet(inputs: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Logits of torchvision's ResNet."""
    return F.linear(features(inputs, state), state["fc.weight"], state["fc.bias"])


def densenet(inputs: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Logits of torchvision's DenseNet in evaluation mode."""
    maps = _norm(_conv(inputs, state, "features.conv0", 2), state, "features.norm0").relu()
    maps = F.max_pool2d(maps, 3, 2, 1)
    blocks = sum(f"features.denseblock{block}.denselayer1.norm1.weight" in state for block in range(1, 9))
    for block in range(1, blocks + 1):
        layer = 1
        while (name := f"features.denseblock{block}.denselayer{layer}") + ".norm1.weight" in state:
            new = _conv(_norm(maps, state, f"{name}.norm1").relu(), state, f"{name}.conv1")
            new = _conv(_norm(new, state, f"{name}.norm2").relu(), state, f"{name}.conv2")
            maps, layer = torch.cat((maps, new), 1), layer + 1
        if block < blocks:
            step = f"features.transition{block}"
            maps = F.avg_pool2d(_conv(_norm(maps, state, f"{step}.norm").relu(), state, f"{step}.conv"), 2, 2)
    pooled = _norm(maps, state, "features.norm5").relu().mean((2, 3))
    return F.linear(pooled, state["classifier.weight"], state["classifier.bias"])


class Weights:
    """Random weights by name, of a size that keeps activations near 1."""

    def __init__(self, seed: int = 0) -> None:
        self.generator, self.state = torch.Generator().manual_seed(seed), {}

    def conv(self, name: str, given: int, made: int, side: int) -> None:
        values = torch.randn(made, given, side, side, generator=self.generator)
        self.state[f"{name}.weight"] = values * math.sqrt(2 / (given * side * side))

    def norm(self, name: str, width: int) -> None:
        for part, low in (("weight", 0.5), ("bias", -0.2), ("running_mean", -0.2), ("running_var", 0.5)):
            reach = 1.0 if low > 0 else 0.4
            self.state[f"{name}.{part}"] = torch.rand(width, generator=self.generator) * reach + low

    def dense(self, name: str, given: int, made: int) -> None:
        self.state[f"{name}.weight"] = torch.randn(made, given, generator=self.generator) / math.sqrt(given)
        self.state[f"{name}.bias"] = torch.randn(made, generator=self.generator)


def resnet_weights(layers: Sequence[int], *, deep: bool, outputs: int, channels: int = 3) -> dict[str, Tensor]:
    """Weights of a ResNet under torchvision's names, from the paper's table; without BatchNorm's counters."""
    made = Weights()
    made.conv("conv1", channels, 64, 7)
    made.norm("bn1", 64)
    given = 64
    for stage, depth in enumerate(layers, start=1):
        width = 32 * 2**stage
        last = width * 4 if deep else width
        for block in range(depth):
            name = f"layer{stage}.{block}"
            steps = ((given, width, 1), (width, width, 3), (width, last, 1)) if deep else ((given, width, 3),
                                                                                           (width, width, 3))
            for number, (before, after, side) in enumerate(steps, start=1):
                made.conv(f"{name}.conv{number}", before, after, side)
                made.norm(f"{name}.bn{number}", after)
            made.state[f"{name}.bn{len(steps)}.weight"] *= 0.2  # as many sums of two would grow with every block
            if block == 0 and (stage > 1 or deep):
                made.conv(f"{name}.downsample.0", given, last, 1)
                made.norm(f"{name}.downsample.1", last)
            given = last
    made.dense("fc", given, outputs)
    return made.state


def densenet_weights(layers: Sequence[int], *, outputs: int, channels: int = 3, growth: int = 32,
                     start: int = 64) -> dict[str, Tensor]:
    """Weights of a DenseNet under torchvision's names, from the paper's table; without BatchNorm's counters."""
    made = Weights()
    made.conv("features.conv0", channels, start, 7)
    made.norm("features.norm0", start)
    width = start
    for block, depth in enumerate(layers, start=1):
        for layer in range(1, depth + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            made.norm(f"{name}.norm1", width)
            made.conv(f"{name}.conv1", width, 4 * growth, 1)
            made.norm(f"{name}.norm2", 4 * growth)
            made.conv(f"{name}.conv2", 4 * growth, growth, 3)
            width += growth
        if block < len(layers):
            made.norm(f"features.transition{block}.norm", width)
            made.conv(f"features.transition{block}.conv", width, width // 2, 1)
            width //= 2
    made.norm("features.norm5", width)
    made.dense("classifier", width, outputs)
    return made.state
