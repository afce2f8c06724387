"""A ResNet of basic blocks in torchvision's layout, built again of Keras' layers with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from radversary.classifiers.keras_model import keras_on_torch


def keras_resnet(network: nn.Module, shape: tuple[int, int, int], path: Path) -> Any:  # noqa: ANN401
    """Return the network as a Keras model that takes channels last.

    Args:
        network: With ``conv1``, ``bn1``, ``layer1`` to ``layer4`` of basic blocks, and ``fc``.
        shape: Channels, height and width of its input.
        path: Where it is to be saved, for error texts.

    Raises:
        MissingPartError: Keras 3 is not installed.
    """
    keras = keras_on_torch(path)
    inputs = keras.Input((*shape[1:], shape[0]))
    maps = keras.layers.ReLU()(normed(keras, convolved(keras, inputs, network.conv1), network.bn1))
    # Zeros around maps that are nowhere negative change no greatest value.
    maps = keras.layers.MaxPooling2D(3, strides=2)(keras.layers.ZeroPadding2D(1)(maps))
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            maps = added(keras, maps, block)
    dense = keras.layers.Dense(network.fc.out_features)
    model = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(maps)))
    dense.set_weights([network.fc.weight.detach().numpy().T, network.fc.bias.detach().numpy()])
    return model


def convolved(keras: Any, maps: Any, layer: nn.Module) -> Any:  # noqa: ANN401
    """Return maps after a convolution; PyTorch pads both sides alike, so the padding is a layer of its own."""
    if any(layer.padding):
        maps = keras.layers.ZeroPadding2D(layer.padding)(maps)
    made = keras.layers.Conv2D(layer.out_channels, layer.kernel_size, strides=layer.stride, use_bias=False)
    result = made(maps)
    made.set_weights([layer.weight.detach().permute(2, 3, 1, 0).contiguous().numpy()])
    return result


def normed(keras: Any, maps: Any, layer: nn.Module) -> Any:  # noqa: ANN401
    """Return maps after a batch normalisation."""
    made = keras.layers.BatchNormalization(epsilon=layer.eps)
    result = made(maps)
    made.set_weights([part.detach().numpy() for part in (layer.weight, layer.bias, layer.running_mean,
                                                         layer.running_var)])
    return result


def added(keras: Any, maps: Any, block: nn.Module) -> Any:  # noqa: ANN401
    """Return maps after a basic block."""
    inner = keras.layers.ReLU()(normed(keras, convolved(keras, maps, block.conv1), block.bn1))
    inner = normed(keras, convolved(keras, inner, block.conv2), block.bn2)
    short = maps if block.downsample is None else normed(keras, convolved(keras, maps, block.downsample[0]),
                                                         block.downsample[1])
    return keras.layers.ReLU()(keras.layers.Add()([inner, short]))
