"""The style, and the opacity, that mislead the classifier and that the detectors let through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from radversary.attacks.base import check_strength
from radversary.attacks.guarded_victim import Evasive, GuardedVictim, scale_free, standing
from radversary.attacks.metering import charged_to
from radversary.attacks.style.bounded import BITS, mixed
from radversary.attacks.style.worst import WorstStyleAttack
from radversary.classifiers.base import Classifier
from radversary.core.errors import UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import Budget, Images, Labels
from radversary.imaging.intensity import quantise

Tuned = Literal["no", "yes"]
"""Whether the opacity is found image by image."""

ROUNDS = 6
"""Halvings of the range of opacities; the greatest that passes is then known to a sixty-fourth of the range."""


@dataclass
class Best:
    """The best attacked images of one batch so far.

    Attributes:
        images: The best of each image, (N, C or 3, H, W).
        value: Its ``max(-margin, excess)``, (N,); below 0 it misleads and is not flagged.
        own: The images' margins before the attack, (N,).
    """

    images: Images
    value: Tensor
    own: Tensor

    def take(self, images: Images, value: Tensor) -> None:
        """Keep those images that are better than what is held."""
        better = value < self.value
        self.images = torch.where(better.reshape(-1, 1, 1, 1), images, self.images)
        self.value = torch.where(better, value, self.value)


@dataclass(frozen=True, kw_only=True)
class EvasiveStyleAttack(Evasive, WorstStyleAttack):
    """Of ``k`` random styles an image the one with the least ``max(-margin, excess)``.

    The margin is the classifier's, positive where it is misled, on the scale of the image's own before the attack
    (:func:`radversary.attacks.guarded_victim.scale_free`); the excess is the detectors', positive where they
    raise an alarm. So a style that misleads and passes beats all that only do one of both. Scores are enough: of the
    prediction, and of the anomaly score.

    Attributes:
        tuned: ``yes`` also searches each style's opacity, ``opacity`` being the most: where that raises an alarm, the
            greatest that does not is found by halving. All that was looked at on the way is in the choice.

    Raises:
        UnknownNameError: Another word for ``tuned``.

    Example:
        >>> EvasiveStyleAttack(generator="fourier", k=20, tuned="yes").needs.name
        'SCORES'
    """

    k: int = 20
    tuned: Tuned = "no"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tuned not in get_args(Tuned):
            raise UnknownNameError("value of tuned", str(self.tuned), get_args(Tuned))

    @property
    def budget(self) -> Budget:
        """As many answers as styles are tried, times the opacities looked at, and one; times those averaged."""
        return Budget(queries=self.eot * (1 + self.k * (1 + (ROUNDS if self.tuned == "yes" else 0))))

    def ladder(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams,
               strengths: Sequence[float]) -> Iterator[tuple[float, Images]]:
        """Attack at several opacities with the same stylisations; only the best so far is held of each."""
        victim = self.guarded(classifier)
        for opacity in strengths:
            check_strength("opacity", opacity)
        worst = torch.full((len(images),), torch.inf, device=images.device)
        held = {opacity: Best(images, worst, standing(charged_to(victim, opacity), images, aims, self.wants,
                                                                              answers=self.eot)[0])
                for opacity in strengths if opacity}
        for stylised, limit in self.drawn(images, streams) if held else ():
            for opacity, best in held.items():
                self.try_style(charged_to(victim, opacity), images, stylised, aims, limit.clamp(max=opacity), best)
        for opacity in strengths:
            yield opacity, self.kept(images, held[opacity].images) if opacity else images.clone()

    def try_style(self, victim: GuardedVictim, images: Images, stylised: Images, aims: Labels, most: Tensor,
                  best: Best) -> None:
        """Look at one style, at the greatest opacity and, where tuned, at those below that halving leads to.

        Args:
            victim: The classifier with its detectors.
            images: (N, C, H, W) in [0, 1].
            stylised: The same at full opacity.
            aims: What the goal makes of the labels.
            most: Greatest opacity of each image, (N,).
            best: What is held so far; better images take their place there.
        """
        low, high, tried = torch.zeros_like(most), most, most
        for turn in range(1 + (ROUNDS if self.tuned == "yes" else 0)):
            attacked = mixed(images, stylised, tried)
            margins, excess = standing(victim, quantise(attacked, BITS), aims, self.wants, answers=self.eot)
            best.take(attacked, torch.maximum(-scale_free(margins, best.own), excess.to(margins)))
            passes = excess <= 0
            if not turn and bool(passes.all()):
                return
            low, high = torch.where(passes, tried, low), torch.where(passes, high, tried)
            tried = (low + high) / 2

    def shelf_key(self, images: Images, picks: Tensor) -> str:
        """Return a hash of all that the stylisations depend on; how the opacity is chosen is no part of it."""
        return WorstStyleAttack.shelf_key(replace(self, tuned="no"), images, picks)
