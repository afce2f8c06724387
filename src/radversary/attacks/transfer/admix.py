"""Admix: gradients averaged over copies that other pictures were mixed into, each at several scales.

Wang et al., "Admix: Enhancing the Transferability of Adversarial Attacks", ICCV 2021, arXiv:2102.00436. A step climbs
the mean loss over copies γ · (x + η · x') of the iterate x, with pictures x' drawn anew in each step and γ = 1 / 2^i.

Departures: the authors draw x' from the other images of a batch, of other classes. Here no result may depend on what is
attacked beside an image, so that x' are pictures of the style bank, in grey where the attack is grey. Copies are
clipped to [0, 1], which is what every classifier here is promised; the gradient is taken at the clipped copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from radversary.attacks.gradient.iterative import MomentumFGSM
from radversary.attacks.style.transfer import check_styles, opened_bank
from radversary.attacks.transfer.copies import gradient_over
from radversary.attacks.transfer.scaled import halvings
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Colour, Images, Labels
from radversary.imaging.intensity import to_grey
from radversary.stylization.bank import StyleBank
from radversary.stylization.weightless import fitted


@dataclass(frozen=True, kw_only=True)
class Admix(MomentumFGSM):
    """Admix with momentum, the pictures from the style bank.

    Attributes:
        epsilon: Bound; the authors' 16/255.
        portion: Share of a picture that is added to the image, η; 0 leaves pictures out.
        pictures: Pictures a step, m2.
        scales: Scales of each mixture, m1; i runs from 0 to m1 - 1.
        styles: ``train`` or ``test`` textures, or a folder of images.
        count: Number of procedural pictures.
        style_size: Their side in pixels before they are resized to the image.
        style_seed: Seed of the procedural pictures.

    Raises:
        PlanError: No picture or scale, a portion outside [0, 1], or no styles or tiny ones.

    Example:
        >>> Admix(steps=10).passes
        300
    """

    epsilon: float = 16 / 255
    portion: float = 0.2
    pictures: int = 3
    scales: int = 5
    styles: str = "test"
    count: int = 24
    style_size: int = 128
    style_seed: int = 42

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.portion <= 1 or self.pictures < 1 or not 1 <= self.scales <= 64:
            raise PlanError("admix needs a portion in [0, 1], at least 1 picture and 1 to 64 scales, got "
                            f"{self.portion}, {self.pictures} and {self.scales}")
        check_styles(self.count, self.style_size)

    @property
    def passes(self) -> int | None:
        """One pass forward and one back for each copy of each step."""
        return 2 * self.pictures * self.scales * self.steps * self.eot if self.epsilon else 0

    def bank(self) -> StyleBank:
        """Return the style bank, drawn or read once."""
        return opened_bank(self.styles, count=self.count, size=self.style_size, seed=self.style_seed)

    def content_hashes(self) -> tuple[str, ...]:
        """Return the hashes of the pictures, sorted."""
        return tuple(sorted(self.bank().hashes()))

    def gradient(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Tensor:
        """Return the gradient of the mean over the copies; a copy's slope with respect to the image is its scale."""
        weights = [scale / (self.pictures * self.scales) for scale in halvings(self.scales)] * self.pictures
        return gradient_over(self.copied, weights, self, classifier, images, aims, streams)

    def copied(self, images: Images, streams: Streams) -> Images:
        """Return the copies, (N · pictures · scales, C, H, W): the scales of each mixture beside each other."""
        stored = pictures_of(self.bank(), self.colour, (images.shape[-2], images.shape[-1]), images.device)
        picks = torch.stack([torch.randint(len(stored), (self.pictures,), generator=stream) for stream in streams])
        mixed = images[:, None] + self.portion * stored[picks.to(images.device)]
        scales = torch.tensor(halvings(self.scales)).to(images).reshape(1, 1, -1, 1, 1, 1)
        return (mixed[:, :, None] * scales).clamp(0, 1).flatten(0, 2)


@lru_cache(maxsize=8)
def pictures_of(bank: StyleBank, colour: str, size: tuple[int, int], device: torch.device) -> Images:
    """Return the pictures of a bank at the size of images, (count, 1 or 3, H, W).

    Args:
        bank: The pictures; the same object gives the same.
        colour: ``grey`` gives their luma.
        size: Height and width.
        device: Where they are wanted.
    """
    pictures = fitted(bank.images, size)
    return (to_grey(pictures) if colour == Colour.GREY else pictures).to(device)
