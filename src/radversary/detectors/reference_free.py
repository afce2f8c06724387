"""The interface of detectors that need no original."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from itertools import chain
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier, Features, require_access, require_features
from radversary.core.errors import InputError
from radversary.core.types import Access, Images, Task
from radversary.data.batches import tracked_batches
from radversary.detectors.base import Detector
from radversary.imaging.source import BATCH, ImagesOrSource


def learned_from(images: ImagesOrSource, *, who: object, kind: str = "clean") -> Iterator[Images]:
    """Yield images that a detector learns from, a batch at a time.

    Args:
        images: Images or a source of them.
        who: The detector, for the error.
        kind: ``clean`` or ``attacked``, for the error.

    Yields:
        (n, C, H, W) in [0, 1].

    Raises:
        InputError: Fewer than two.
        TensorError: Images outside the pixel contract.
    """
    if len(images) < 2:
        raise InputError(f"{who!r} needs two {kind} images at least to learn from, got {len(images)}")
    return tracked_batches(images, f"Learning from {kind} images", name=f"{kind} images")


def one_below_another(parts: Iterable[Tensor], *, count: int) -> Tensor:
    """Return parts as one tensor, allocated when the first part is there.

    Args:
        parts: Tensors (n, ...) of one shape but for n; one is held at a time.
        count: The sum of all n, 1 at least.

    Returns:
        (count, ...).

    Example:
        >>> one_below_another((torch.full((2, 1), float(number)) for number in range(2)), count=4).flatten().tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    # Small tensors that were kept between the large ones of each batch would keep the heap from shrinking: gathering
    # 2 kB a film in a list cost 1 MB a film.
    waiting = iter(parts)
    first = next(waiting)
    result, start = first.new_empty((count, *first.shape[1:])), 0
    for part in chain([first], waiting):
        result[start:start + len(part)] = part
        start += len(part)
    return result


def shown(classifier: Classifier, images: Images, *, logits_alone: bool) -> Features:
    """Return what a classifier shows of images, from one pass.

    Args:
        classifier: The classifier.
        images: (N, C, H, W) in [0, 1].
        logits_alone: Whether nothing else is looked at: then it need not show more; there are no maps, and the
            embedding is the logits.
    """
    if not logits_alone:
        return classifier.features(images)
    logits = classifier.logits(images)
    return Features(logits=logits, maps=(), embedding=logits)


class ReferenceFreeDetector(Detector):
    """Scores an image by itself, after having learned what clean images look like.

    A subclass is a dataclass of its hyper-parameters. It writes :meth:`measure`, what it measures of each image, and
    :meth:`judge`, how suspicious such measurements are; :meth:`learn` where clean images teach it something. What it
    learned is in :attr:`learned`, tensors by name, saved as safetensors. Both methods are differentiable where
    possible, for adaptive attacks. Once it is bound and fitted, any number of threads may use it at the same time.

    Attributes:
        needs_original: Never.
        needs_features: Whether it needs the classifier's features (maps, embedding or logits); then it must be bound to
            one (:meth:`bind`).
        logits_alone: Whether of those features it looks at the logits alone, so that a classifier that is known by its
            scores will do.
        supervised: Whether it is fitted on attacked images as well (:meth:`fit_on`); most are fitted on clean ones
            alone.
        kind: What it is made to detect: ``style``, a changed look, or ``perturbation``, faint changes that mislead the
            classifier. Scores are summed within a kind, not across kinds
            (:func:`radversary.calibration.combining.fisher_within_tippett_across`).
        learned: What was learned, by name; empty before :meth:`fit`.
    """

    needs_original: ClassVar[bool] = False
    needs_features: ClassVar[bool] = False
    logits_alone: ClassVar[bool] = False
    supervised: ClassVar[bool] = False
    kind: ClassVar[str] = "style"
    classifier: Classifier | None = None

    @property
    def learned(self) -> dict[str, Tensor]:
        """What was learned in fitting, by name."""
        found: dict[str, Tensor] = self.__dict__.setdefault("_learned", {})
        return found

    def bind(self, classifier: Classifier) -> Self:
        """Bind the detector to the classifier whose features it uses, and return the detector.

        Raises:
            AccessError: It needs features or logits, and the classifier gives none.
        """
        if self.needs_features and self.logits_alone:
            require_access(classifier, Access.SCORES, repr(self))
        elif self.needs_features:
            require_features(classifier, repr(self))
        self.__dict__["classifier"] = classifier
        return self

    def bound(self) -> Classifier:
        """Return the classifier that it is bound to.

        Raises:
            InputError: It is bound to none.
        """
        if self.classifier is None:
            raise InputError(f"{self!r} looks at what a classifier sees, and was bound to none")
        return self.classifier

    @property
    def task(self) -> Task:
        """The task of the classifier that it is bound to; ``multiclass`` where it is bound to none."""
        return Task.MULTICLASS if self.classifier is None else self.classifier.card.task

    def options(self) -> dict[str, Any]:
        """Return the hyper-parameters by name, as they go into a file."""
        return asdict(self) if is_dataclass(self) else {}

    @abstractmethod
    def measure(self, images: Images, features: Features | None) -> Tensor:
        """Measure images.

        Args:
            images: (N, C, H, W) in [0, 1].
            features: What the classifier shows of them, where :attr:`needs_features`.

        Returns:
            (N, D); an image's row depends on that image alone.
        """

    def learn(self, measured: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Learn from measurements (N, D) of clean images; return what is to be kept, tensors by name."""
        return {}

    @abstractmethod
    def judge(self, measured: Tensor) -> Tensor:
        """Return how suspicious measurements (N, D) are, (N,); higher is more."""

    def heat_map(self, images: Images, features: Features | None) -> Tensor | None:  # noqa: ARG002
        """Return where images (N, C, H, W) are suspicious, (N, h, w), or None where the detector cannot tell.

        Args:
            images: (N, C, H, W) in [0, 1].
            features: As in :meth:`measure`.
        """
        return None

    def fit(self, clean: ImagesOrSource) -> Self:
        """Learn what clean images look like; pixels are held a batch at a time, measurements of all images.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least; or a source of such images.

        Returns:
            The detector itself.

        Raises:
            InputError: Fewer than two images, or a detector that reads and is bound to no classifier.
        """
        with torch.no_grad():
            measured = (self._measured(part) for part in learned_from(clean, who=self))
            self._keep(self.learn(one_below_another(measured, count=len(clean))))
        return self

    def fit_on(self, clean: ImagesOrSource, attacked: ImagesOrSource) -> Self:  # noqa: ARG002
        """Learn from clean and attacked images, where :attr:`supervised`.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least; or a source of such images.
            attacked: (M, C, H, W) in [0, 1], of the same size, two at least; or a source.

        Returns:
            The detector itself.

        Raises:
            InputError: It learns from clean images alone, or the images will not do.
        """
        raise InputError(f"{self!r} learns from clean images alone and takes no attacked ones")

    def restore(self, learned: Mapping[str, Tensor]) -> Self:
        """Restore what an equal detector learned, and return the detector."""
        self._keep(dict(learned))
        return self

    def anomaly_score(self, images: Images, originals: Images | None = None) -> Tensor:  # noqa: ARG002
        """Score images without gradients, (N,)."""
        if not len(images):
            return images.new_zeros(0)
        with torch.no_grad():
            return torch.cat([self.judge(self._measured(part)) for part in torch.split(images, BATCH)])

    def _keep(self, learned: dict[str, Tensor]) -> None:
        self.__dict__["_learned"] = learned

    def _measured(self, images: Images) -> Tensor:
        if not self.needs_features:
            return self.measure(images, None)
        return self.measure(images, shown(self.bound(), images, logits_alone=self.logits_alone))
