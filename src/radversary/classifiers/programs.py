"""A model that brings its own network: an exported program or a TorchScript file as a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.inputs import network_input
from radversary.classifiers.outputs import asked, logits_of
from radversary.classifiers.own_faults import asked_about, blamed_on, slope_of
from radversary.classifiers.probe import BATCH, REPEAT, allowed, probe, probe_images
from radversary.core.errors import ModelError
from radversary.core.types import Access, Images, check_images
from radversary.storage.checksums import sha256_json


class Program(Protocol):
    """A network that was loaded with its model."""

    @property
    def kind(self) -> str:
        """What it is called in error texts, such as ``exported program``."""
        ...

    def __call__(self, inputs: Tensor) -> Any:  # noqa: ANN401
        """Return what the network answers to (N, C, H, W)."""
        ...

    def moved(self, device: torch.device) -> Program:
        """Return the same network on a device."""
        ...


@dataclass(frozen=True, kw_only=True)
class Intake:
    """How a program takes images.

    Attributes:
        least: Images at once at least; fewer are filled up with copies of the last, whose answers are dropped.
        most: Images at once at most; more are given one batch after the other. Any number where None.
        turned: Whether its rows are the images' columns, as where MONAI read the images that it was trained on.
    """

    least: int = 1
    most: int | None = None
    turned: bool = False

    def shape(self, card: ModelCard) -> tuple[int, int, int]:
        """Return channels, rows and columns of what the program is given, by its card."""
        height, width = card.network_sides
        return len(card.mean), *((width, height) if self.turned else (height, width))


class ProgramClassifier(Classifier):
    """A network that was loaded with its model, as a classifier.

    It shows no features: its parts are not modules that could be watched. Any number of threads may ask it.

    Args:
        program: The network.
        card: What is known of it.
        intake: How it takes images.
    """

    def __init__(self, program: Program, card: ModelCard, intake: Intake = Intake()) -> None:
        self.program, self.card, self.intake = program, card, intake
        self.access = Access.GRADIENTS
        self._device = torch.device("cpu")

    def __repr__(self) -> str:
        reason = f", {self.withheld}" if self.withheld else ""
        return (f"ProgramClassifier({self.card.name!r}, {self.program.kind}, sha256={self.card.sha256[:12]}, "
                f"{self.access.name.lower()}{reason})")

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._device

    def to(self, device: torch.device | str) -> Self:
        """Move the network to ``device`` and return this classifier."""
        if torch.device(device) != self._device:
            self.program, self._device = self.program.moved(torch.device(device)), torch.device(device)
        return self

    def fingerprint(self) -> str:
        """Return a hash of the file and of everything in its card that its answers depend on."""
        said = self.card.model_dump(mode="json", include={
            "task", "classes", "outputs", "output", "thresholds", "size", "crop", "channels", "resize",
            "interpolation", "input_range", "mean", "std", "sha256"})
        return sha256_json([self.program.kind, self.intake.turned, said])

    def logits(self, images: Images) -> Tensor:
        """Return logits (N, K) on the device of ``images``.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1].

        Returns:
            float32 (N, K), differentiable where ``access`` is ``GRADIENTS``.

        Raises:
            TensorError: Images outside the pixel contract, or of another size than the card's.
            ModelError: The program fails, or does not answer as its card says.
        """
        check_images(images)
        inputs = network_input(images.to(self.device), self.card)
        if not len(inputs):
            return images.new_zeros(0, len(self.card.classes))
        parts = torch.split(inputs, self.intake.most or len(inputs))
        return torch.cat([self._answered(part) for part in parts]).to(images.device)

    def _answered(self, inputs: Tensor) -> Tensor:
        count, missing = len(inputs), self.intake.least - len(inputs)
        if missing > 0:
            inputs = torch.cat([inputs, inputs[-1:].detach().expand(missing, -1, -1, -1)])
        with blamed_on(self.card, asked_about(self.card, count)):
            given = inputs.transpose(-1, -2).contiguous() if self.intake.turned else inputs
            answer, are_logits = asked(self.program, given, self.card)
        return logits_of(answer, self.card, len(inputs), are_logits=are_logits)[:count]


def proven(classifier: ProgramClassifier) -> ProgramClassifier:
    """Ask a program about generated images, and let a gradient come back once.

    Args:
        classifier: A program that was just loaded.

    Returns:
        The same; its access is ``SCORES``, and ``withheld`` says why, where no gradient reaches the images.

    Raises:
        ModelError: It fails, answers otherwise than its card says, or was made in training mode.
    """
    found, name = probe(classifier), classifier.card.name
    if found.repeat_difference > allowed(REPEAT, found) or found.batch_difference > allowed(BATCH, found):
        raise ModelError(f"model {name!r} ({classifier.program.kind}) answers one image in more than one way, as "
                         "dropout and BatchNorm in training mode do, and a saved program cannot be put into "
                         "evaluation mode: call eval() on the network before it is exported, traced or frozen")
    if reason := _gradient_fault(classifier):
        classifier.access, classifier.withheld = Access.SCORES, reason
    return classifier


def _gradient_fault(classifier: ProgramClassifier) -> str:
    """Say why no gradient reaches the images of a program; nothing where one does."""
    images = probe_images(classifier.card, 1).requires_grad_()
    try:
        with torch.enable_grad():
            slope = slope_of(classifier.logits(images).sum(), images, classifier.card)
    except ModelError as error:
        return f"its gradient cannot be computed ({error})"
    if slope is None:
        return "no gradient reaches its input, as it detaches it or runs without gradients"
    return "" if bool(slope.isfinite().all()) else "its gradient is not finite"
