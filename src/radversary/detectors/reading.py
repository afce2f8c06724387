"""What one pass of the classifier shows of an image, for detectors to share: logits, early maps, last features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from radversary.classifiers.base import Classifier, require_access
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import AccessError
from radversary.core.types import Access, Images

EARLY = 3
"""Stages whose maps are kept: style lives in the shallow ones, and what is deeper is the finding's."""


@dataclass(frozen=True)
class Reading:
    """One pass of a classifier over images.

    Attributes:
        logits: (N, K).
        maps: The last maps of each spatial size, shallow to deep, each (N, C, h, w); :data:`EARLY` at most.
        deep: What the last dense layer sees, (N, D).
    """

    logits: Tensor
    maps: tuple[Tensor, ...]
    deep: Tensor


@dataclass
class Taps:
    """What the hooks of one pass have caught, by spatial size."""

    maps: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    deep: Tensor | None = None

    def keep_map(self, _part: nn.Module, _given: object, made: object) -> None:
        """Keep a part's maps; later ones of the same size take their place."""
        if isinstance(made, Tensor) and made.ndim == 4 and min(made.shape[-2:]) > 1:
            self.maps[int(made.shape[-2]), int(made.shape[-1])] = made

    def keep_deep(self, _part: nn.Module, given: tuple[object, ...]) -> None:
        """Keep what a dense layer is given; the last one called wins."""
        if given and isinstance(given[0], Tensor):
            self.deep = given[0].flatten(1)


class Reader:
    """Reads images once and keeps what detectors look at; costs nothing beyond the classifier's own pass.

    Args:
        classifier: The victim; its parts must be open (a PyTorch module).

    Raises:
        AccessError: A classifier behind an interface that shows no features.

    Example:
        >>> from radversary.classifiers.networks import build_network
        >>> from radversary.classifiers.torch_module import wrap
        >>> victim = wrap(build_network("resnet18", classes=3), classes=("a", "b", "c"), size=64)
        >>> reading = Reader(victim)(torch.zeros(2, 1, 64, 64))
        >>> [tuple(maps.shape) for maps in reading.maps], tuple(reading.deep.shape)
        ([(2, 64, 32, 32), (2, 64, 16, 16), (2, 128, 8, 8)], (2, 128))
    """

    def __init__(self, classifier: Classifier) -> None:
        require_access(classifier, Access.GRADIENTS, "a detector that looks at features")
        if not isinstance(classifier, TorchClassifier):
            raise AccessError(f"a detector that looks at features needs a PyTorch module, got {classifier!r}")
        self.classifier = classifier

    def __call__(self, images: Images) -> Reading:
        """Read images (N, C, H, W) in [0, 1]; differentiable where gradients are on."""
        with self._tapped() as taps:
            logits = self.classifier.logits(images)
        deep = logits if taps.deep is None else taps.deep
        return Reading(logits=logits, maps=tuple(taps.maps.values())[:EARLY], deep=deep.float())

    @contextmanager
    def _tapped(self) -> Iterator[Taps]:
        module, taps = self.classifier.module, Taps()
        trunk = getattr(module, "trunk", module)
        handles = [part.register_forward_hook(taps.keep_map) for part in trunk.children()]
        dense = [part for part in module.modules() if isinstance(part, nn.Linear)]
        handles += [part.register_forward_pre_hook(taps.keep_deep) for part in dense]
        try:
            yield taps
        finally:
            for handle in handles:
                handle.remove()
        taps.maps = {size: maps.float() for size, maps in taps.maps.items()}


@torch.no_grad()
def read_all(reader: Reader, images: Images, batch: int = 32) -> Reading:
    """Read any number of images without gradients.

    Args:
        reader: What reads them.
        images: (N, C, H, W) in [0, 1], one image at least.
        batch: Images that go through at once.

    Returns:
        One reading of all.
    """
    parts = [reader(part) for part in torch.split(images, batch)]
    return Reading(logits=torch.cat([part.logits for part in parts]), deep=torch.cat([part.deep for part in parts]),
                   maps=tuple(torch.cat(maps) for maps in zip(*(part.maps for part in parts), strict=True)))
