"""A small network trained to tell manipulated films from clean ones by residual and spectrum.

It is the only detector here that is trained on attacks, so its figures on those attacks are optimistic: compare them
with those on families left out of its training (:func:`radversary.guard_evaluation.families.run.leave_one_family_out`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from radversary.classifiers.base import Features
from radversary.core.errors import InputError, PlanError
from radversary.core.seeds import generator, global_seed
from radversary.core.types import Images, check_images
from radversary.detectors.reference_free import ReferenceFreeDetector, learned_from
from radversary.detectors.residual_network import ResidualNetwork
from radversary.execution.progress import check_cancelled, track
from radversary.imaging.intensity import quantise, to_grey
from radversary.imaging.reencoding import ORDINARY
from radversary.imaging.source import ChangedSource, ImagesOrSource, ImageSource, JoinedSource, source_of


def varied(grey: Images, stream: torch.Generator, *, crop: int) -> Images:
    """Return augmented images: each in one of the :data:`ORDINARY` handlings, at 8 bits, mirrored or not, cropped.

    Clean and attacked images both go through it, so that traces of saving do not separate them.

    Args:
        grey: (N, 1, H, W) in [0, 1].
        stream: What the choices are drawn from.
        crop: Side of the cut at most; one place for all.

    Returns:
        (N, 1, h, w) in [0, 1].
    """
    drawn, result = torch.randint(len(ORDINARY), (len(grey),), generator=stream), grey.clone()
    for number, handle in enumerate(ORDINARY.values()):
        if (chosen := drawn == number).any():
            result[chosen] = handle(grey[chosen])
    for axis in (2, 3):
        mirrored = torch.rand(len(grey), 1, 1, 1, generator=stream) < 0.5
        result = torch.where(mirrored, result.flip(axis), result)
    sides = [min(crop, side) for side in grey.shape[-2:]]
    top, left = (int(torch.randint(side - cut + 1, (), generator=stream))
                 for side, cut in zip(grey.shape[-2:], sides, strict=True))
    return quantise(result[..., top:top + sides[0], left:left + sides[1]], 8)


def in_grey(images: ImagesOrSource) -> ImageSource:
    """Return images as a source of grey ones; each is checked as it is read."""
    return ChangedSource(source_of(images), lambda part, _: to_grey(check_images(part)))


@dataclass(frozen=True, kw_only=True)
class LearnedDetector(ReferenceFreeDetector):
    """A small network on residual and spectrum, trained on clean and attacked images: supervised, and reported as such.

    It detects the attacks of its training and similar ones; how far that goes must be measured on families left out.
    Clean and attacked images are handled harmlessly alike while it learns, and weigh alike however many there are. Any
    size is read. Source of the idea: Bayar and Stamm, IH&MMSec 2016 (residuals before a network, against
    manipulations); the network is ours.

    Attributes:
        width: Channels of the first convolution.
        epochs: Times that all images are shown.
        batch_size: Images a step.
        learning_rate: Peak of the one-cycle schedule (Smith and Topin 2019, arXiv:1708.07120).
        weight_decay: AdamW's.
        crop: Side of what is cut out of each image while learning, in pixels; smaller images are shown whole.
        seed: Of the first weights, the order and the handling.

    Raises:
        PlanError: A number below what makes sense.

    Example:
        >>> LearnedDetector(epochs=2).supervised
        True
    """

    supervised: ClassVar[bool] = True
    kind: ClassVar[str] = "perturbation"

    width: int = 16
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    crop: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"width": 1, "epochs": 1, "batch_size": 4, "crop": 16}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise PlanError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        if not 0.0 < self.learning_rate < torch.inf or not 0.0 <= self.weight_decay < torch.inf:
            raise PlanError("learned needs a learning_rate above 0 and a weight_decay of at least 0, both finite, got "
                            f"{self.learning_rate} and {self.weight_decay}")

    def fit(self, clean: ImagesOrSource) -> Self:  # noqa: ARG002
        """Refuse: it cannot be trained on clean images alone.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{self!r} is supervised: it learns from attacked images beside clean ones and was given none")

    def fit_on(self, clean: ImagesOrSource, attacked: ImagesOrSource) -> Self:
        """Learn to tell attacked images from clean ones.

        Both must have come the same way, resized alike and of like patients: any other difference is learned as well.

        Args:
            clean: (N, C, H, W) in [0, 1], two at least; or a source of such images.
            attacked: (M, C, H, W) in [0, 1], of the same size, two at least; or a source.

        Returns:
            The detector itself.

        Raises:
            InputError: Fewer than two of either, or two sizes.
            PlanError: The weights left the finite numbers.
        """
        return self._taught_by(clean, attacked, "attacked")

    def _taught_by(self, clean: ImagesOrSource, other: ImagesOrSource, kind: str) -> Self:
        """Teach a network to tell other images from clean ones, both in grey, and keep its weights."""
        first, second = (next(learned_from(images, who=self, kind=name))[:1]
                         for images, name in ((clean, "clean"), (other, kind)))
        if first.shape[-2:] != second.shape[-2:]:
            raise InputError("clean and attacked images must be of one size, got "
                             f"{tuple(first.shape[-2:])} and {tuple(second.shape[-2:])}")
        targets = (torch.arange(len(clean) + len(other)) >= len(clean)).float()[:, None]
        network = self._taught(JoinedSource([in_grey(clean), in_grey(other)]), targets)
        learned = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if not all(value.isfinite().all() for value in learned.values()):
            raise PlanError(f"learning diverged with a learning rate of {self.learning_rate}; lower it")
        self._keep(learned)
        return self

    def measure(self, images: Images, features: Features | None) -> Tensor:  # noqa: ARG002
        """Return the network's logit, (N, 1).

        Raises:
            InputError: The detector was never fitted.
        """
        if not self.learned:
            raise InputError(f"{self!r} has not learned anything yet: fit it on clean and attacked images first")
        with torch.device("meta"):  # nothing is drawn for weights that are replaced at once
            network = ResidualNetwork(self.width)
        network.load_state_dict(self.learned, assign=True)
        logit: Tensor = network.eval().requires_grad_(requires_grad=False).to(images.device)(images)
        return logit

    def judge(self, measured: Tensor) -> Tensor:
        """Return the logit, (N,): above 0 where manipulated is the likelier class."""
        return measured[:, 0]

    @torch.enable_grad()
    def _taught(self, grey: ImageSource, targets: Tensor) -> ResidualNetwork:
        with global_seed(self.seed, "learned"):
            network = ResidualNetwork(self.width)
        attacked = targets.sum()
        weight = (len(targets) - attacked) / attacked
        optimiser = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        schedule = OneCycleLR(optimiser, self.learning_rate, total_steps=self.epochs * self._steps(len(grey)))
        for epoch in track(range(self.epochs), "Teaching the learned detector"):
            for images, wanted in self._batches(grey, targets, epoch):
                optimiser.zero_grad()
                loss = F.binary_cross_entropy_with_logits(network(images), wanted, pos_weight=weight)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        return self._settled(network, grey, targets)

    def _settled(self, network: ResidualNetwork, grey: ImageSource, targets: Tensor) -> ResidualNetwork:
        """Recompute BatchNorm's means and deviations, as the running ones lag behind the weights."""
        norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain average
        with torch.no_grad():
            for images, _ in self._batches(grey, targets, self.epochs):
                network(images)
        return network

    def _steps(self, count: int) -> int:
        return ceil(count / self.batch_size)

    def _batches(self, grey: ImageSource, targets: Tensor, epoch: int) -> Iterator[tuple[Images, Tensor]]:
        """Yield all images of one epoch in batches of nearly one size, none of a single image."""
        stream = generator(self.seed, "learned", epoch)
        order = torch.randperm(len(grey), generator=stream)
        for rows in torch.tensor_split(order, self._steps(len(grey))):
            check_cancelled()
            yield self._shown(grey.tensor(rows.tolist()), targets[rows], stream), targets[rows]

    def _shown(self, images: Images, targets: Tensor, stream: torch.Generator) -> Images:  # noqa: ARG002
        """Return an augmented batch of network inputs; ``targets`` (n, 1) says which images are not clean."""
        return varied(images, stream, crop=self.crop)
