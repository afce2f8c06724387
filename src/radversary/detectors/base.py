"""The interface of every detector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch

from radversary.core.errors import InputError
from radversary.core.types import Images, check_images
from radversary.imaging.source import ImagesOrSource


class Detector(ABC):
    """Scores images; higher is more suspicious.

    A score has no unit of its own: the threshold above which it is an alarm is calibrated on clean images
    (:func:`radversary.calibration.thresholds.calibrated_threshold`), never guessed. A subclass writes
    :meth:`anomaly_score`, and :meth:`fit` when it learns what clean images look like.

    Attributes:
        needs_original: Whether it compares each image with its clean original.
    """

    needs_original: ClassVar[bool]

    def fit(self, clean: ImagesOrSource) -> Self:  # noqa: ARG002
        """Learn what clean images look like.

        Args:
            clean: (N, C, H, W) in [0, 1], or a source of such images.

        Returns:
            The detector itself; one that compares with the original has nothing to learn.
        """
        return self

    def score(self, images: Images, originals: Images | None = None) -> torch.Tensor:
        """Score images.

        Args:
            images: (N, C, H, W) in [0, 1].
            originals: Their clean originals, in the same order and of the same size; one of the two may be grey and
                the other colour. Ignored by detectors that need none.

        Returns:
            (N,), higher is more suspicious.

        Raises:
            TensorError: Images outside the pixel contract.
            InputError: The detector needs the originals and they are missing, or do not fit.
        """
        check_images(images)
        if not self.needs_original:
            return self.anomaly_score(images, None)
        if originals is None:
            raise InputError(f"{self!r} compares each image with its original, and no originals were given")
        check_images(originals, name="originals")
        return self.anomaly_score(*in_same_channels(images, originals))

    @abstractmethod
    def anomaly_score(self, images: Images, originals: Images | None) -> torch.Tensor:
        """Score images that :meth:`score` has checked.

        Args:
            images: (N, C, H, W) in [0, 1].
            originals: Images of the same shape where :attr:`needs_original`, otherwise None.

        Returns:
            (N,), higher is more suspicious.
        """


def in_same_channels(images: Images, originals: Images) -> tuple[Images, Images]:
    """Return both with the same number of channels; grey beside colour becomes three equal channels.

    Args:
        images: (N, C, H, W).
        originals: Images of the same number, height and width.

    Returns:
        Images and originals of one shape.

    Raises:
        InputError: Number or size differ.

    Example:
        >>> in_same_channels(torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2))[1].shape
        torch.Size([1, 3, 2, 2])
    """
    if (len(images), *images.shape[-2:]) != (len(originals), *originals.shape[-2:]):
        raise InputError("images and originals must be of one number and size, "
                         f"got {tuple(images.shape)} and {tuple(originals.shape)}")
    channels = max(images.shape[1], originals.shape[1])
    return images.expand(-1, channels, -1, -1), originals.expand(-1, channels, -1, -1)
