"""A PyTorch module as a victim with full access."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Self

import torch
from safetensors.torch import save
from torch import Tensor, nn

from radversary.classifiers.base import Classifier, Features
from radversary.classifiers.card import ModelCard, make_card
from radversary.classifiers.inputs import network_input
from radversary.classifiers.outputs import asked, logits_of
from radversary.classifiers.own_faults import asked_about, blamed_on
from radversary.classifiers.recording import passing, recording
from radversary.core.errors import ModelError
from radversary.core.types import Access, Images, check_images


def frozen(module: nn.Module, name: str) -> nn.Module:
    """Return a module in evaluation mode with its parameters frozen.

    Args:
        module: The module; changed in place.
        name: What the model is called, for error texts.

    Raises:
        ModelError: It is no module, or one of those compiled forms that allow neither.
    """
    if not isinstance(module, nn.Module):
        raise ModelError(f"model {name!r} must be a torch.nn.Module, got {type(module).__name__}")
    try:
        return module.eval().requires_grad_(requires_grad=False)
    except (RuntimeError, NotImplementedError) as error:
        raise ModelError(f"model {name!r} ({type(module).__name__}) can be neither put into evaluation mode nor "
                         f"frozen: {str(error).splitlines()[0]}; wrap the module that it was made of") from error


class TorchClassifier(Classifier):
    """A PyTorch module as a classifier with gradient access: always in evaluation mode, always float32.

    The module's parameters are frozen in place, so that an attack pays for the gradient of the images only. The
    first call of :meth:`features` registers hooks on its parts, which do nothing in any other pass.

    Args:
        module: Maps (N, len(card.mean), H, W) to logits or probabilities, as the card says.
        card: What is known of it.

    Raises:
        ModelError: No module, or one that cannot be frozen.

    Example:
        >>> classifier = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 2)), classes=("a", "b"), size=4)
        >>> classifier.predict(torch.zeros(5, 1, 4, 4)).shape
        torch.Size([5])
    """

    access = Access.GRADIENTS

    def __init__(self, module: nn.Module, card: ModelCard) -> None:
        self.module = frozen(module, card.name)
        self.card = card

    def __repr__(self) -> str:
        weights = self.card.sha256[:12] or "unsaved"
        return f"TorchClassifier({self.card.name!r}, {self.card.architecture}, sha256={weights})"

    @property
    def device(self) -> torch.device:
        """Where the module's weights are; images may come from anywhere."""
        first = next(self.module.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    def to(self, device: torch.device | str) -> Self:
        """Move the module to ``device`` and return this classifier."""
        self.module.to(device)
        return self

    def fingerprint(self) -> str:
        """Return the SHA-256 of the card, or of the weights in memory where they were never saved."""
        if self.card.sha256:
            return self.card.sha256
        state = {name: value.detach().cpu().contiguous() for name, value in self.module.state_dict().items()}
        return sha256(save(state)).hexdigest()

    def logits(self, images: Images) -> Tensor:
        """Return logits (N, K) on the device of ``images``.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1].

        Returns:
            float32 (N, K), differentiable.

        Raises:
            TensorError: Images outside the pixel contract, or of another size than the card's.
            ModelError: The module fails, or does not answer with one finite float32 number for each class of the card.
        """
        check_images(images)
        if self.module.training:
            self.module.eval()
        inputs = network_input(images.to(self.device), self.card)
        with passing(self.module), blamed_on(self.card, asked_about(self.card, len(images))):
            answer, are_logits = asked(self.module, inputs, self.card)
        return logits_of(answer, self.card, len(images), are_logits=are_logits).to(images.device)

    def features(self, images: Images) -> Features:
        """Return logits, early maps and embedding from one pass, on the device of ``images``.

        Threads do not see each other's passes, and nothing of the module is changed.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1].

        Returns:
            The features, differentiable. The maps are those of the children of ``module.trunk``, or of the module
            itself where it has no trunk (:func:`radversary.classifiers.recording.stages_of`).

        Raises:
            TensorError: Images outside the pixel contract, or of another size than the card's.
            ModelError: The module does not give one score for each class of the card.

        Example:
            >>> from radversary.classifiers.networks import build_network
            >>> victim = wrap(build_network("resnet18", classes=3), classes=("a", "b", "c"), size=64)
            >>> features = victim.features(torch.zeros(2, 1, 64, 64))
            >>> [tuple(maps.shape) for maps in features.maps], tuple(features.embedding.shape)
            ([(2, 64, 32, 32), (2, 64, 16, 16), (2, 128, 8, 8)], (2, 128))
        """
        with recording(self.module) as seen:
            logits = self.logits(images)
        embedding = logits if seen.embedding is None else seen.embedding.float().to(images.device)
        return Features(logits=logits, maps=tuple(maps.to(images.device) for maps in seen.maps), embedding=embedding)


def wrap(module: nn.Module, *, classes: Sequence[str], size: int | tuple[int, int], channels: int = 1, name: str = "",
         **card: Any) -> TorchClassifier:  # noqa: ANN401
    """Make any PyTorch module a classifier.

    Args:
        module: Maps (N, 3, H, W), or as many channels as ``mean`` has figures, to logits (N, K).
        classes: Class names in the order of the logits.
        size: Side of the images it reads, in pixels, or height and width.
        channels: 1 projects colour to grey first, 3 keeps it.
        name: What to call it; the class's name by default.
        card: Further fields of the :class:`~radversary.classifiers.card.ModelCard`, such as ``task``, ``thresholds``,
            ``output``, ``mean`` and ``std`` or ``input_range``, ``licence``.

    Returns:
        The classifier; the module's parameters are frozen.

    Raises:
        ModelError: A value that the card refuses.
        UnknownNameError: A field that no card has.

    Example:
        >>> wrap(nn.Flatten(), classes=("a", "b"), size=1, mean=(0.0,), std=(1.0,)).card.name
        'Flatten'
    """
    kind = type(module).__name__
    fields = {"name": name or kind, "architecture": kind, "classes": tuple(classes), "size": size,
              "channels": channels, **card}
    return TorchClassifier(module, make_card(f"model {name or kind}", fields))
