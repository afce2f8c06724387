"""Small networks as ONNX files, exported by PyTorch or put together node by node."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from radversary.classifiers.card import ModelCard

CARD = {"name": "tiny", "architecture": "tiny", "classes": ["a", "b", "c"], "size": 32}


def tiny_network(outputs: int = 3, channels: int = 3, seed: int = 0) -> nn.Sequential:
    """Convolution, batch normalisation, pooling and a dense layer, with random weights in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Conv2d(channels, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(),
                                nn.AvgPool2d(3), nn.Flatten(), nn.Linear(100, outputs))
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                nn.init.uniform_(norm.running_mean, -0.5, 0.5)
                nn.init.uniform_(norm.running_var, 0.5, 2.0)
        network[-1].weight.data *= 5
    return network.eval()


def export(network: nn.Module, path: Path, *, batch: int | None = None, inside: bool = True, channels: int = 3,
           dynamo: bool = False, side: int = 32, **card) -> Path:
    """Export a network and write its card beside it.

    Args:
        network: The network.
        path: Where the ``.onnx`` file goes.
        batch: Images that it takes, any number where None.
        inside: Whether the weights lie in the file; beside it, in ``<name>.onnx.data``, where not.
        channels: Of its input.
        dynamo: Whether by PyTorch's present exporter, which takes seconds, or the one before, which takes none.
        side: Of its input, in pixels.
        card: Fields of the card that differ from :data:`CARD`.
    """
    how = {"dynamic_axes": {"given": {0: "images"}} if batch is None else None}
    if dynamo:
        how = {"dynamic_shapes": ({0: torch.export.Dim("images")},) if batch is None else None,
               "external_data": not inside}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.rand(batch or 2, channels, side, side),), str(path), dynamo=dynamo,
                          input_names=["given"], **how)
    return with_card(path, **card)


def with_card(path: Path, **card) -> Path:
    """Write the card of a model file beside it."""
    path.with_name(f"{path.stem}.card.json").write_text(json.dumps({**CARD, **card}))
    return path


def card_of(**fields) -> ModelCard:
    """The same card in memory."""
    return ModelCard.model_validate({**CARD, **fields})


def write_graph(path: Path, nodes, inputs, outputs, weights=(), domains=(("", 20),), **card) -> Path:
    """Write an ONNX file of given nodes; inputs and outputs are (name, type, shape)."""
    graph = onnx.helper.make_graph(list(nodes), "g", [onnx.helper.make_tensor_value_info(*each) for each in inputs],
                                   [onnx.helper.make_tensor_value_info(*each) for each in outputs], list(weights))
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[
        onnx.helper.make_opsetid(domain, version) for domain, version in domains])
    path.write_bytes(model.SerializeToString())
    return with_card(path, **card)
