"""Why gradients of one network differ by more than its logits do: kinks, next to which rounding decides."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.form_weights import Weights
from radversary.attacks.goal import UNTARGETED
from radversary.classifiers.inputs import network_input
from radversary.core.types import Images, Labels

LAYOUTS = (torch.channels_last, torch.contiguous_format)


def rounding(weights: Weights, images: Images, labels: Labels) -> dict[str, Any]:
    """Compare the network with itself, its weights in the other order in memory, in single and double precision.

    Args:
        weights: The network.
        images: (N, 1, H, W) in [0, 1].
        labels: Their classes (N,).

    Returns:
        By precision the greatest difference of a gradient; how many outputs of a ReLU are zero in one order and not in
        the other; and how many maxima above zero of a pooling are found in another place; each of how many.
    """
    found = {}
    for kind in (torch.float32, torch.float64):
        first, second = (slopes(weights, images.to(kind), labels, layout) for layout in LAYOUTS)
        found[str(kind).removeprefix("torch.")] = {
            "gradient": float((first[0] - second[0]).abs().amax()),
            "units": int((first[1] != second[1]).sum()), "of units": len(first[1]),
            "maxima": int((first[2] != second[2]).sum()), "of maxima": len(first[2])}
    return found


def slopes(weights: Weights, images: Images, labels: Labels, layout: torch.memory_format) -> tuple[Tensor, ...]:
    """Return the gradient of the margin, which outputs of a ReLU are above zero, and where maxima above zero lie."""
    network = deepcopy(weights.network).to(images.dtype).to(memory_format=layout)
    active: list[Tensor] = []
    places: list[Tensor] = []

    def pooled(pool: nn.MaxPool2d, given: tuple[Tensor], made: Tensor) -> None:
        _, found = nn.functional.max_pool2d(given[0], pool.kernel_size, pool.stride, pool.padding, return_indices=True)
        places.append(torch.where(made > 0, found, -1).flatten())

    for part in network.modules():
        if isinstance(part, nn.ReLU):
            part.register_forward_hook(lambda _part, _given, made: active.append((made > 0).flatten()))
        elif isinstance(part, nn.MaxPool2d):
            part.register_forward_hook(pooled)
    at = images.clone().requires_grad_()
    reached = UNTARGETED.margin(weights.card, network(network_input(at, weights.card)), labels)
    (slope,) = torch.autograd.grad(reached.sum(), at)
    return slope, torch.cat(active), torch.cat(places)
