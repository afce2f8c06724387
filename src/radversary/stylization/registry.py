"""The style generators by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radversary.core.registry import Registry

if TYPE_CHECKING:  # names are known without PyTorch
    from radversary.stylization.generators import StyleGenerator

GENERATORS: Registry[StyleGenerator] = Registry("style generator", {
    "adain": "radversary.stylization.generators:AdaIn",
    "distorted": "radversary.stylization.generators:Distorted",
    "fourier": "radversary.stylization.generators:Fourier",
    "gatys": "radversary.stylization.generators:Gatys",
    "microast": "radversary.stylization.microast:MicroAst",
    "pyramid": "radversary.stylization.generators:Pyramid",
    "random-convolution": "radversary.stylization.generators:RandomConvolution",
    "random-network": "radversary.stylization.generators:RandomNetwork",
    "relief": "radversary.stylization.generators:Relief",
    "veil": "radversary.stylization.generators:Veil",
}, group="radversary.generators")
