"""The worst of several styles: an attacker who asks the defended model which of K stylisations misleads it most.

A fixed random style measures a defence on average; whoever may ask the model picks. ``least_ssim`` bounds what may show
of it: of each style as much is mixed in as keeps the image that similar to itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from radversary.attacks.base import check_strength
from radversary.attacks.goal import UNTARGETED
from radversary.attacks.metering import charged_to
from radversary.attacks.style.bounded import BITS, check_least, greatest_opacity, held, mixed
from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.classifiers.base import Classifier
from radversary.classifiers.tasks import logits_from
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Access, Budget, Images, Labels
from radversary.imaging.intensity import quantise
from radversary.stylization.textures import POOLS

SHELF_BYTES = 400_000_000
"""Stylisations of one batch that are kept in memory at most; the rest is drawn again."""

Drawn = tuple[Images, Tensor]
"""Images in full style, and the greatest opacity (N,) of each."""


@lru_cache(maxsize=1)
def shelf(key: str) -> dict[int, Drawn]:  # noqa: ARG001
    """Return the place for one batch's stylisations by their number; opening another batch's clears it."""
    return {}


def shelved(place: dict[int, Drawn]) -> int:
    """Return the bytes of the images on a shelf."""
    return sum(images.nelement() * images.element_size() for images, _ in list(place.values()))  # other threads add


@dataclass(frozen=True, kw_only=True)
class WorstStyleAttack(StyleTransferAttack):
    """Of ``k`` random styles an image the one with which the classifier is furthest on the wrong side.

    It asks the classifier ``k`` times an image and opacity and looks at its scores only. The stylisations depend on no
    classifier, so the last batch's are kept: attacking a second model with the same attack costs no drawing.

    Attributes:
        k: Styles tried an image, without repetition.
        least_ssim: Least structural similarity of each attacked image to its original, in grey and after rounding to 8
            bits; the opacity is lowered image by image until it holds. None sets no bound.
        eot: Answers averaged a style, for a model that answers at random.

    Raises:
        PlanError: Fewer styles in the bank than ``k``, or a bound outside (0, 1).

    Example:
        >>> WorstStyleAttack(generator="fourier", k=4, least_ssim=0.9).needs.name
        'SCORES'
    """

    needs: ClassVar[Access] = Access.SCORES
    mixture: ClassVar[bool] = False

    k: int = 10
    least_ssim: float | None = None
    eot: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k < 1 or self.eot < 1:
            raise PlanError(f"worst-style needs k and eot of at least 1, got k={self.k}, eot={self.eot}")
        check_least("least_ssim", self.least_ssim)
        if self.styles in POOLS:  # a folder is counted when it is read
            self.check_bank(self.count)

    @property
    def budget(self) -> Budget:
        """As many answers as styles are tried, times those that are averaged."""
        return Budget(queries=self.k * self.eot)

    def check_bank(self, available: int) -> None:
        """Refuse a bank with fewer styles than are tried.

        Raises:
            PlanError: It is too small.
        """
        if available < self.k:
            raise PlanError(f"worst-style tries k={self.k} different styles, but the bank {self.styles!r} holds "
                            f"only {available}")

    def ladder(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams,
               strengths: Sequence[float]) -> Iterator[tuple[float, Images]]:
        """Attack at several opacities with the same stylisations; only the best so far is held of each."""
        for opacity in strengths:
            check_strength("opacity", opacity)
        nothing = torch.full((len(images),), -torch.inf, device=images.device)
        best = {opacity: (images, nothing) for opacity in strengths if opacity}
        for stylised, limit in self.drawn(images, streams) if best else ():
            for opacity, (worst, highest) in best.items():
                attacked = mixed(images, stylised, limit.clamp(max=opacity))
                reached = self.reached(charged_to(classifier, opacity), attacked, aims)
                worse = reached > highest
                best[opacity] = (torch.where(worse.reshape(-1, 1, 1, 1), attacked, worst),
                                 torch.where(worse, reached, highest))
        for opacity in strengths:
            yield opacity, self.kept(images, best[opacity][0]) if opacity else images.clone()

    def drawn(self, images: Images, streams: Streams) -> Iterator[Drawn]:
        """Yield the images in each of their ``k`` styles, one style an image at a time."""
        bank = self.bank()
        self.check_bank(len(bank))
        picks = torch.stack([torch.randperm(len(bank), generator=stream)[: self.k] for stream in streams])
        place = shelf(self.shelf_key(images, picks))
        for number in range(self.k):
            found = place.get(number)
            if found is None:
                found = self.in_full(images, picks[:, number])
                if shelved(place) + found[0].nelement() * found[0].element_size() <= SHELF_BYTES:
                    place[number] = found
            yield found

    def in_full(self, images: Images, picks: Tensor) -> Drawn:
        """Draw each image in its style, and find how much of it the bound lets through."""
        stylised = self.in_styles(images, picks)
        if self.least_ssim is None:
            return stylised, torch.ones(len(images), device=images.device)
        return stylised, greatest_opacity(images, stylised, least=self.least_ssim)

    def reached(self, classifier: Classifier, attacked: Images, aims: Labels) -> Tensor:
        """Return the margins (N,) of what is stored of attacked images, by the classifier's scores alone."""
        stored, card = quantise(attacked, BITS), classifier.card
        answers = [logits_from(classifier.scores(stored), card.task) for _ in range(self.eot)]
        return torch.stack([self.wants.margin(card, answer, aims) for answer in answers]).mean(0)

    def kept(self, images: Images, attacked: Images) -> Images:
        """Return attacked images within the bound."""
        return attacked if self.least_ssim is None else held(images, attacked, least=self.least_ssim)

    def shelf_key(self, images: Images, picks: Tensor) -> str:
        """Return a hash of all that the stylisations depend on."""
        same = replace(self, opacity=1.0, eot=1, goal=repr(UNTARGETED))
        key = hashlib.sha256(repr((same, self.content_hashes(), images.shape, images.device)).encode())
        for tensor in (images, picks):
            key.update(tensor.cpu().contiguous().numpy().tobytes())
        return key.hexdigest()
