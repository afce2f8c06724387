"""Style-transfer manipulation: a radiograph drawn in the style of another picture, mixed in by opacity.

The thesis' attack. The generator, the styles and the opacity are independent choices; one stylisation serves all
opacities. ``colour="grey"`` is what a scanner or a PACS could carry; ``"rgb"`` is the thesis' threat model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from radversary.attacks.base import Attack, blend, check_strength
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackFamily, Colour, Images, Labels
from radversary.imaging.intensity import to_grey
from radversary.stylization.bank import StyleBank, style_bank
from radversary.stylization.generators import GENERATORS, StyleGenerator

opened_bank = lru_cache(maxsize=8)(style_bank)

AT_ONCE: Final = 32
"""Images that are drawn at a time, at least where there are as many."""


@dataclass(frozen=True, kw_only=True)
class StyleTransferAttack(Attack):
    """x' = opacity · stylised(x) + (1 − opacity) · x, one random style an image.

    Attributes:
        generator: A style generator's name.
        options: Its hyper-parameters.
        styles: ``train`` or ``test`` (pools of procedural textures that share no family), or a folder of images.
        count: Number of procedural styles.
        style_size: Side of the style images in pixels.
        style_seed: Seed of the procedural styles.
        opacity: How much of the stylised image is mixed in, in [0, 1]; 0 is the identity.
        colour: ``grey`` (one shared channel) or ``rgb``.

    Raises:
        UnknownNameError: No such generator, option or style source.
        PlanError: An opacity outside [0, 1], no styles or tiny ones.

    Example:
        >>> StyleTransferAttack(generator="fourier", opacity=0.3).strength
        'opacity'
    """

    needs: ClassVar[Access] = Access.NONE
    strength: ClassVar[str] = "opacity"
    family: ClassVar[AttackFamily] = AttackFamily.STYLE
    mixture: ClassVar[bool] = True

    generator: str = "adain"
    options: Mapping[str, Any] = field(default_factory=dict)
    styles: str = "test"
    count: int = 24
    style_size: int = 128
    style_seed: int = 42
    opacity: float = 1.0
    colour: str = Colour.GREY.value

    def __post_init__(self) -> None:
        check_strength("opacity", self.opacity)
        if self.colour not in list(Colour):
            raise UnknownNameError("colour", self.colour, [colour.value for colour in Colour])
        check_styles(self.count, self.style_size)
        self.build_generator()

    def build_generator(self) -> StyleGenerator:
        """Return the style generator."""
        return GENERATORS.create(self.generator, **self.options)

    def bank(self) -> StyleBank:
        """Return the style bank, drawn or read once."""
        return opened_bank(self.styles, count=self.count, size=self.style_size, seed=self.style_seed)

    def content_hashes(self) -> tuple[str, ...]:
        """Return the hashes of the styles, sorted, and that of the generator's weights."""
        weights = self.build_generator().content_hashes()
        return (*sorted(self.bank().hashes()), *([weights] if weights else []))

    def built_parts(self) -> tuple[Any, ...]:
        """Return the style generator."""
        return (self.build_generator(),)

    def stylise(self, images: Images, streams: Streams) -> Images:
        """Draw each image in the style its stream picks, at full opacity.

        Args:
            images: (N, C, H, W) in [0, 1].
            streams: One random generator an image.

        Returns:
            (N, C, H, W) in grey, (N, 3, H, W) in rgb, in [0, 1].
        """
        return self.in_styles(images, streams.integers(len(self.bank())))

    def in_styles(self, images: Images, picks: Tensor) -> Images:
        """Draw each image in the style of the bank that ``picks`` (N,) names; see :meth:`stylise`.

        Many images are drawn some at a time, so that memory does not grow with their number.
        """
        parts = max(1, len(images) // AT_ONCE)
        return torch.cat([self._drawn(*part) for part in zip(images.tensor_split(parts), picks.tensor_split(parts),
                                                             strict=True)])

    def _drawn(self, images: Images, picks: Tensor) -> Images:
        styles = self.bank().take(picks).to(images.device)
        if self.colour == Colour.GREY:
            styles = to_grey(styles).expand(-1, 3, -1, -1)
        stylised = self.build_generator().stylise(images.expand(-1, 3, -1, -1), styles)
        return to_grey(stylised).expand(-1, images.shape[1], -1, -1) if self.colour == Colour.GREY else stylised

    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Attack images; the classifier is not looked at."""
        ((_, attacked),) = self.ladder(classifier, images, aims, streams, [self.opacity])
        return attacked

    def ladder(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams,  # noqa: ARG002
               strengths: Sequence[float]) -> Iterator[tuple[float, Images]]:
        """Attack at several opacities with one stylisation."""
        for opacity in strengths:
            check_strength("opacity", opacity)
        stylised = self.stylise(images, streams) if any(strengths) else images
        for opacity in strengths:
            yield opacity, blend(images, stylised, opacity).clamp(0, 1) if opacity else images.clone()


def check_styles(count: int, style_size: int) -> None:
    """Refuse too few procedural styles, or too small ones.

    Raises:
        PlanError: They are.
    """
    if count < 1 or style_size < 16:
        raise PlanError("styles need a count of at least 1 and a style_size of at least 16 pixels, "
                        f"got count={count}, style_size={style_size}")
