"""The Style Transfer Method (STM): gradients averaged over styled copies, for transfer to other models.

Ge et al., "Improving the Transferability of Adversarial Examples with Arbitrary Style Transfer", ACM Multimedia 2023,
arXiv:2308.10601. A step's gradient is the mean over N copies x̄ = γ·x + (1 − γ)·style(x) + noise. The x that is mixed
is the current iterate, as in the authors' code; mixing the clean image, as the printed line can also be read, could not
climb: the gradient would never see where the attack already is. One departure: copies are clipped to [0, 1], because
that is what every classifier here is promised; the gradient is taken at the clipped copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from radversary.attacks.goal import image_gradient
from radversary.attacks.gradient.iterative import MomentumFGSM
from radversary.attacks.style.transfer import check_styles, opened_bank
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Colour, Images, Labels
from radversary.imaging.intensity import to_grey
from radversary.stylization.bank import StyleBank
from radversary.stylization.generators import AdaIn
from radversary.stylization.network import shipped_stylizer

CHUNK = 128
"""Copies that go through the networks at once; whole images' worth, so that it changes nothing but memory."""


@dataclass(frozen=True, kw_only=True)
class StyleTransferMethod(MomentumFGSM):
    """STM on the project's own stylizer.

    Attributes:
        epsilon: Bound; the authors' 16/255.
        copies: Styled copies a step, N.
        mix: Share of the iterate in a copy, γ; 1 leaves style out.
        noise: Half width of the uniform noise in a copy, in units of epsilon, β.
        styles: ``train`` or ``test`` textures, or a folder of images.
        count: Number of procedural styles.
        style_size: Side of the style images in pixels.
        style_seed: Seed of the procedural styles.

    Raises:
        PlanError: No copy, a share outside [0, 1] or negative noise.

    Example:
        >>> StyleTransferMethod().epsilon == 16 / 255
        True
    """

    epsilon: float = 16 / 255
    copies: int = 20
    mix: float = 0.5
    noise: float = 2.0
    styles: str = "test"
    count: int = 24
    style_size: int = 128
    style_seed: int = 42

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.copies < 1 or not 0 <= self.mix <= 1 or not 0 <= self.noise < torch.inf:
            raise PlanError("stm needs at least 1 copy, a mix in [0, 1] and finite noise of at least 0, got "
                            f"{self.copies}, {self.mix} and {self.noise}")
        check_styles(self.count, self.style_size)

    @property
    def passes(self) -> int | None:
        """One pass forward and one back for each copy of each step."""
        return 2 * self.copies * self.steps * self.eot if self.epsilon else 0

    def bank(self) -> StyleBank:
        """Return the style bank, drawn or read once."""
        return opened_bank(self.styles, count=self.count, size=self.style_size, seed=self.style_seed)

    def content_hashes(self) -> tuple[str, ...]:
        """Return the hashes of the styles, sorted, and that of the stylizer's weights."""
        return (*sorted(self.bank().hashes()), AdaIn().content_hashes())

    def built_parts(self) -> tuple[Any, ...]:
        """Return the stylizer."""
        return (AdaIn(),)

    def gradient(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Tensor:
        """Return the mean gradient at the copies of each image."""
        together = max(1, CHUNK // self.copies)
        return torch.cat([self.mean_gradient(classifier, images[place:place + together],
                                             aims[place:place + together], streams[place:place + together])
                          for place in range(0, len(images), together)])

    def mean_gradient(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Tensor:
        """Return the same for images few enough to have all their copies in memory."""
        copies = self.copied(images, streams)
        many = aims.repeat_interleave(self.copies, 0)
        gradients = [image_gradient(classifier, copies, many, self.wants) for _ in range(self.eot)]
        every = torch.stack(gradients).mean(0)
        return every.reshape(len(images), self.copies, *every.shape[1:]).mean(1)

    def copied(self, images: Images, streams: Streams) -> Images:
        """Return the copies, (N · copies, C, H, W), an image's beside each other, in [0, 1]."""
        copies = images.repeat_interleave(self.copies, 0)
        if self.mix < 1:
            copies = self.mix * copies + (1 - self.mix) * self.styled(images, streams)
        if not self.noise:
            return copies.clamp(0, 1)
        channels = images.shape[1] if self.colour == Colour.RGB else 1
        drawn = streams.uniform(self.copies, channels, *images.shape[-2:]).flatten(0, 1).to(images)
        return (copies + self.noise * self.epsilon * (2 * drawn - 1)).clamp(0, 1)

    @torch.no_grad()
    def styled(self, images: Images, streams: Streams) -> Images:
        """Return each image in ``copies`` random styles; what does not depend on the style is computed once."""
        network, codes = shipped_stylizer(images.device), self.codes(images.device)
        drawn = torch.stack([torch.randint(len(codes), (self.copies,), generator=stream) for stream in streams])
        features = network.content(images.expand(-1, 3, -1, -1)).repeat_interleave(self.copies, 0)
        made = torch.sigmoid(network.paint(features, codes[drawn.flatten()], images.shape[-2:])).clamp(0, 1)
        return to_grey(made).expand(-1, images.shape[1], -1, -1) if self.colour == Colour.GREY else made

    def codes(self, device: torch.device) -> Tensor:
        """Return the style codes of the bank, (count, 128), read once."""
        return style_codes(self.bank(), self.colour, device)


@lru_cache(maxsize=8)
def style_codes(bank: StyleBank, colour: str, device: torch.device) -> Tensor:
    """Return what the stylizer reads from the styles of a bank, (count, 128), without gradients.

    Args:
        bank: The styles; the same object gives the same codes.
        colour: ``grey`` reads their luma.
        device: Where the codes are wanted.
    """
    styles = bank.images.to(device)
    if colour == Colour.GREY:
        styles = to_grey(styles).expand(-1, 3, -1, -1)
    with torch.no_grad():
        codes: Tensor = shipped_stylizer(device).style(styles)
    return codes
