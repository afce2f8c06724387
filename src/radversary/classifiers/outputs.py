"""From what a network returns to the one form of logits of its task: the same for every kind of model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from radversary.classifiers.answers import checked_numbers, remedy
from radversary.classifiers.card import ModelCard
from radversary.core.errors import ModelError
from radversary.core.types import Task

LEAST: Final = torch.finfo(torch.float32).tiny
"""The least probability whose logarithm is taken."""

MOST: Final = 1 - 2.0**-24
"""The greatest probability below 1 in single precision; there a sigmoid is saturated, and its gradient zero."""

BEYOND: Final = 1e-6
"""How far beyond 0 and 1 a probability may lie by rounding."""

SQUASHING: Final = frozenset({"softmax", "sigmoid"})
"""Names of the functions that turn logits into probabilities, as PyTorch calls them."""


def logits_of(answer: object, card: ModelCard, images: int, *, are_logits: bool | None = None) -> Tensor:
    """Return the logits that a network's answer stands for.

    Args:
        answer: What it returned: (N, outputs) logits or probabilities; (N, 1), (N,) or (N, 2) where the task is
            ``binary``.
        card: The model's card.
        images: Images that it was given.
        are_logits: What :func:`asked` says of it; what the card says where None.

    Returns:
        float32 (N, K), (N, 2) where the task is ``binary``, as differentiable as the answer. Logits of a softmax's
        probabilities are their logarithms.

    Raises:
        ModelError: Another type, shape or precision, a number that is not finite, or no probability where the card says
            so.

    Example:
        >>> card = ModelCard(name="m", architecture="x", task="binary", classes=("Normal", "Pneumonia"), size=8)
        >>> logits_of(torch.tensor([[1.5]]), card, 1).tolist()
        [[0.0, 1.5]]
    """
    found = checked_numbers(_shaped(answer, card, images), card, images)
    squashed = card.output != "logits" if are_logits is None else not are_logits
    logits = _unsquashed(found, card) if squashed else found
    if card.task == Task.BINARY and logits.shape[1] == 1:
        return torch.cat([torch.zeros_like(logits), logits], dim=1)
    if card.outputs and card.outputs != card.classes:
        return logits[:, [card.outputs.index(name) for name in card.classes]]
    return logits


def asked(network: Callable[[Tensor], Any], inputs: Tensor, card: ModelCard) -> tuple[Any, bool]:
    """Return what a network answers, and whether it is logits.

    Probabilities close to 0 or 1 have lost the digits of their logits, and a gradient through them vanishes. Where the
    card says that a network returns probabilities, and the last that it calls is the function of PyTorch's that belongs
    to its task (a softmax over several classes, a sigmoid of findings or of a single output), what that was given is
    returned instead: its logits, exactly. What another function made is taken for the probabilities that it is.

    Args:
        network: Maps inputs to an answer.
        inputs: Of :func:`radversary.classifiers.inputs.network_input`.
        card: The model's card.

    Raises:
        ModelError: It takes a softmax of a softmax, or a sigmoid of one.
    """
    if card.output == "logits":
        return network(inputs), True
    with _Watch(card) as seen:
        answer = network(inputs)
    if seen.twice and seen.made is answer:
        raise ModelError(f"model {card.name!r} takes a softmax or sigmoid twice in a row, which flattens what it says: "
                         "remove the last")
    return (seen.given, True) if seen.given is not None and seen.made is answer else (answer, False)


def chosen_output(outputs: Mapping[str, Sequence[int | None] | None], card: ModelCard) -> str:
    """Return which of a network's outputs holds its scores: the only one, or the only one that can.

    Args:
        outputs: Name to shape, None for an axis of any length; None for an output that holds no real numbers.
        card: The model's card.

    Returns:
        The name; where several fit, ``logits`` or ``probabilities``, if one is called what the card says it returns.

    Raises:
        ModelError: None fits, or several.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b", "c"), size=8)
        >>> chosen_output({"features": (None, 512), "scores": (None, 3)}, card)
        'scores'
    """
    wanted = widths(card)
    fitting = [name for name, shape in outputs.items()
               if shape is not None and (len(outputs) == 1 or (len(shape) == 2 and shape[1] in (None, *wanted)))]
    if len(fitting) != 1 and card.output not in fitting:
        shapes = {name: "no real numbers" if shape is None else f"{tuple(shape)}".replace("None", "any")
                  for name, shape in outputs.items()}
        named = ", ".join(f"{name}: {shape}" for name, shape in shapes.items()) or "none"
        raise ModelError(f"model {card.name!r} has {len(outputs)} outputs ({named}), of which {len(fitting)} may be "
                         f"{card.output} (N, {wanted[-1]}): export it with these alone, or name them {card.output!r}")
    return fitting[0] if len(fitting) == 1 else card.output


class _Watch(TorchFunctionMode):
    """Notes the last softmax or sigmoid that is called: what it was given, where that is logits, and what it made."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__()
        self.task = card.task
        self.given: Tensor | None = None
        self.made: Tensor | None = None
        self.twice = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        made = func(*args, **(kwargs or {}))
        if (name := getattr(func, "__name__", "")) in SQUASHING and args and isinstance(made, Tensor):
            self.twice = self.made is not None and args[0] is self.made
            over = (kwargs or {}).get("dim", args[1] if len(args) > 1 else 1)
            several = made.ndim == 2 and made.shape[1] > 1
            if self.task == Task.MULTILABEL or not several:
                fits = name == "sigmoid"
            else:
                fits = name == "softmax" and over in (1, -1)
            self.given, self.made = args[0] if fits else None, made
        return made


def _shaped(answer: object, card: ModelCard, images: int) -> Tensor:
    """Return an answer as (N, outputs), once it is known to be one."""
    if not isinstance(answer, Tensor):
        raise ModelError(f"model {card.name!r} returns a {type(answer).__name__}, expected a tensor of {card.output} "
                         f"(N, {widths(card)[-1]}): have its forward return the {card.output} alone")
    if card.task == Task.BINARY and tuple(answer.shape) == (images,):
        answer = answer[:, None]
    if answer.ndim != 2 or len(answer) != images or answer.shape[1] not in widths(card):
        raise ModelError(f"model {card.name!r} gave {tuple(answer.shape)} for {images} images and "
                         f"{widths(card)[-1]} {'outputs' if card.outputs else 'classes'}; "
                         f"{remedy(answer.shape, images, widths(card)[-1], card.task)}")
    return answer


def widths(card: ModelCard) -> tuple[int, ...]:
    """Return how many numbers an image a network may return, by its card; the usual count last."""
    return (1, 2) if card.task == Task.BINARY else (len(card.outputs or card.classes),)


def _unsquashed(found: Tensor, card: ModelCard) -> Tensor:
    """Turn probabilities into logits."""
    low, high = float(found.detach().amin()), float(found.detach().amax())
    if low < -BEYOND or high > 1 + BEYOND:
        raise ModelError(f"the card of model {card.name!r} says that it returns probabilities, and it gave numbers "
                         f"from {low:.4g} to {high:.4g}; state output: logits")
    if card.task == Task.MULTICLASS or (card.task == Task.BINARY and found.shape[1] == 2):
        return found.clamp_min(LEAST).log()
    inside = found.clamp(LEAST, MOST)
    return inside.log() - torch.log1p(-inside)
