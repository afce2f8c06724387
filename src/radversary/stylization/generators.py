"""Style generators: maps of content and style images to stylised images.

``adain`` is our own feed-forward network (weights in the wheel), ``fourier`` needs no weights, ``gatys`` optimises the
image and needs a VGG-19 file; ``pyramid``, ``veil``, ``relief``, ``random-convolution`` and ``random-network`` are
plain arithmetic. All are independent of batch mates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.resources import as_file

import torch

from radversary.core.errors import PlanError
from radversary.core.types import Images
from radversary.storage.checksums import sha256_file
from radversary.stylization import fourier, gatys, untrained, weightless
from radversary.stylization.distorted import distorted
from radversary.stylization.features import find_weights, load_vgg19
from radversary.stylization.network import WEIGHTS, shipped_stylizer
from radversary.stylization.registry import GENERATORS as GENERATORS


class StyleGenerator(ABC):
    """The interface of style generators."""

    @abstractmethod
    def stylise(self, images: Images, styles: Images) -> Images:
        """Give each image the style of its style image.

        Args:
            images: Content, (N, 3, H, W) in [0, 1].
            styles: One style an image, (N, 3, h, w) in [0, 1].

        Returns:
            (N, 3, H, W) in [0, 1].
        """

    def content_hashes(self) -> str:
        """Return the hash of the weights that the results depend on; nothing where there are none."""
        return ""


@dataclass(frozen=True, kw_only=True)
class AdaIn(StyleGenerator):
    """Our own feed-forward network (see ``stylization/network.py``)."""

    def stylise(self, images: Images, styles: Images) -> Images:
        """Draw images in the styles; one forward pass, no graph."""
        network = shipped_stylizer(images.device)
        with torch.no_grad():
            result: Images = network(images, network.style(styles))
        return result.clamp(0, 1)

    def content_hashes(self) -> str:
        """Return the hash of the shipped weights."""
        with as_file(WEIGHTS) as path:
            return sha256_file(path)


@dataclass(frozen=True, kw_only=True)
class Distorted(AdaIn):
    """Our own network with disturbed features: as many generators as styles (see ``stylization/distorted.py``).

    Attributes:
        spread: Deviation of the logarithm of the channels' factors; 0 with no swaps is our network in grey.
        swapped: Probability that a channel is replaced by another.
        negated: Probability that a channel is negated.
    """

    spread: float = 0.8
    swapped: float = 0.25
    negated: float = 0.15

    def __post_init__(self) -> None:
        if self.spread < 0 or not (0 <= self.swapped <= 1 and 0 <= self.negated <= 1):
            raise PlanError("distorted needs spread ≥ 0 and swapped and negated in 0 to 1, got "
                            f"{self.spread}, {self.swapped} and {self.negated}")

    def stylise(self, images: Images, styles: Images) -> Images:
        """Draw images through the disturbed network."""
        return distorted(images, styles, shipped_stylizer(images.device), spread=self.spread,
                         swapped=self.swapped, negated=self.negated)


@dataclass(frozen=True, kw_only=True)
class Fourier(StyleGenerator):
    """Low-frequency amplitudes of the style, phase of the content.

    Attributes:
        band: Frequencies touched, as a share of Nyquist in (0, 1].
        ratio: 1 replaces the amplitudes, 0 leaves them.
    """

    band: float = 0.5
    ratio: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.band <= 1 and 0 <= self.ratio <= 1):
            raise PlanError(f"fourier needs 0 < band ≤ 1 and 0 ≤ ratio ≤ 1, got band {self.band}, ratio {self.ratio}")

    def stylise(self, images: Images, styles: Images) -> Images:
        """Mix amplitudes."""
        return fourier.transfer(images, styles, band=self.band, ratio=self.ratio)


@dataclass(frozen=True, kw_only=True)
class Pyramid(StyleGenerator):
    """Band by band the contrast of the style (see ``stylization/weightless.py``).

    Attributes:
        texture: Share of the style's own texture in each band, 0 to 1.
    """

    texture: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.texture <= 1:
            raise PlanError(f"pyramid needs a texture in 0 to 1, got {self.texture}")

    def stylise(self, images: Images, styles: Images) -> Images:
        """Transfer contrast and texture."""
        return weightless.pyramid(images, styles, texture=self.texture)


@dataclass(frozen=True, kw_only=True)
class Veil(StyleGenerator):
    """The style laid over the film, without style transfer.

    Attributes:
        density: How dense the veil is, 0 to 1.
    """

    density: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.density <= 1:
            raise PlanError(f"veil needs a density in 0 to 1, got {self.density}")

    def stylise(self, images: Images, styles: Images) -> Images:
        """Lay the styles over the images."""
        return weightless.veil(images, styles, density=self.density)


@dataclass(frozen=True, kw_only=True)
class RandomConvolution(StyleGenerator):
    """Random filters, one set a style, with the style's brightness and contrast."""

    def stylise(self, images: Images, styles: Images) -> Images:
        """Filter the images."""
        return weightless.random_convolution(images, styles)


@dataclass(frozen=True, kw_only=True)
class RandomNetwork(StyleGenerator):
    """A network of random weights, one a style, whose features take the style's statistics."""

    def stylise(self, images: Images, styles: Images) -> Images:
        """Redraw the images."""
        return untrained.random_network(images, styles)


@dataclass(frozen=True, kw_only=True)
class Relief(StyleGenerator):
    """Edges redrawn as relief band by band, one drawing a style (see ``stylization/untrained.py``)."""

    def stylise(self, images: Images, styles: Images) -> Images:
        """Redraw the images."""
        return untrained.relief(images, styles)


@dataclass(frozen=True, kw_only=True)
class Gatys(StyleGenerator):
    """Optimisation of the image (see ``stylization/gatys.py``); minutes where the others take milliseconds.

    Attributes:
        steps: Gradient steps.
        style_weight: Style loss against content loss.
        learning_rate: Adam's.
        content_layer: Layer of the content loss.
        style_layers: Layers of the style loss; empty takes all of Gatys' that the weights reach.
        vgg: Weights file; None takes the best known.
    """

    steps: int = 100
    style_weight: float = 30.0
    learning_rate: float = 0.02
    content_layer: str = "relu3_1"
    style_layers: tuple[str, ...] = ()
    vgg: str | None = None

    def __post_init__(self) -> None:
        if self.steps < 0 or self.style_weight < 0:
            raise PlanError(f"gatys needs steps and style_weight ≥ 0, got {self.steps} and {self.style_weight}")

    def stylise(self, images: Images, styles: Images) -> Images:
        """Optimise the images towards the styles."""
        return gatys.transfer(images, styles, load_vgg19(self.vgg, images.device), steps=self.steps,
                              style_weight=self.style_weight, learning_rate=self.learning_rate,
                              content_layer=self.content_layer, style_layers=self.style_layers)

    def content_hashes(self) -> str:
        """Return the hash of the VGG-19 file."""
        return sha256_file(find_weights(self.vgg))
