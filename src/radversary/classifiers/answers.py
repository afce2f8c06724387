"""What a model may answer: finite float32 logits for each image, or decisions, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from radversary.classifiers.card import ModelCard
from radversary.core.errors import ModelError
from radversary.core.types import Task


def checked_logits(answer: object, card: ModelCard, images: int) -> Tensor:
    """Return what a model answered, once it is known to be logits.

    Args:
        answer: What it returned.
        card: Its card.
        images: Images that it was given.

    Returns:
        The same tensor, float32 (images, K). Half precision passes where the caller asked for it by autocasting.

    Raises:
        ModelError: Another type, shape or precision, or a number that is not finite.

    Example:
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b"), size=8)
        >>> checked_logits((torch.zeros(1, 2), None), card, 1)
        Traceback (most recent call last):
        radversary.core.errors.ModelError: model 'm' returns a tuple, expected a tensor of logits (N, 2): have its \
forward return the logits alone
    """
    classes = len(card.classes)
    if not isinstance(answer, Tensor):
        raise ModelError(f"model {card.name!r} returns a {type(answer).__name__}, expected a tensor of logits "
                         f"(N, {classes}): have its forward return the logits alone")
    if tuple(answer.shape) != (images, classes):
        raise ModelError(f"model {card.name!r} gave {tuple(answer.shape)} for {images} images and {classes} classes; "
                         f"{remedy(answer.shape, images, classes, card.task)}")
    return checked_numbers(answer, card, images)


def checked_numbers(answer: Tensor, card: ModelCard, images: int) -> Tensor:
    """Return what a model answered, once its numbers are known to be finite and of single precision.

    Args:
        answer: What it returned, (images, M).
        card: Its card.
        images: Images that it was given.

    Returns:
        The same tensor, float32. Half precision passes where the caller asked for it by autocasting.

    Raises:
        ModelError: Another precision, or a number that is not finite.
    """
    asked_for = answer.is_floating_point() and torch.is_autocast_enabled(answer.device.type)
    if answer.dtype != torch.float32 and not asked_for:
        kind = str(answer.dtype).removeprefix("torch.")
        raise ModelError(f"model {card.name!r} answers in {kind}, expected float32: call float() on the module and on "
                         "what it returns")
    if not bool(answer.isfinite().all()):
        broken = int((~answer.isfinite()).any(dim=1).sum())
        raise ModelError(f"model {card.name!r} gave {card.output} that are not finite numbers for {broken} of {images} "
                         "images")
    return answer.float()


def checked_decisions(answer: object, card: ModelCard, images: int) -> Tensor:
    """Return what a model decided, once it is known to be class indices.

    Args:
        answer: What it returned.
        card: Its card.
        images: Images that it was given.

    Returns:
        The same tensor, int64 (images,); (images, K) where the task is ``multilabel``.

    Raises:
        ModelError: Another type or shape, or an index of no class.
    """
    classes = len(card.classes)
    many = card.task == Task.MULTILABEL
    shape, what = ((images, classes), "0 or 1 a finding") if many else ((images,), "class indices")
    if not isinstance(answer, Tensor) or answer.dtype != torch.int64 or tuple(answer.shape) != shape:
        kind = type(answer).__name__
        found = f"{answer.dtype} {tuple(answer.shape)}" if isinstance(answer, Tensor) else kind
        raise ModelError(f"model {card.name!r} decides {found}, expected an int64 tensor of {what} {shape}")
    top = 1 if many else classes - 1
    if images and not 0 <= int(answer.min()) <= int(answer.max()) <= top:
        low, high = int(answer.min()), int(answer.max())
        raise ModelError(f"model {card.name!r} decides {low} to {high} for findings, expected 0 or 1" if many else
                         f"model {card.name!r} decides for classes {low} to {high}, its card names {classes} "
                         f"(0 to {classes - 1})")
    return answer


def remedy(shape: Sequence[int], images: int, classes: int, task: Task = Task.MULTICLASS) -> str:
    """Say what to change in a network, or in its card, whose answer has another shape than (images, classes).

    Example:
        >>> remedy((5, 3, 1, 1), 5, 3)
        'expected (5, 3): flatten what it returns'
    """
    expected = f"expected {(images, classes)}"
    if task == Task.MULTICLASS and images and list(shape) in ([images], [images, 1]):
        return f"{expected}: where it gives one number an image, state task: binary in its card"
    if len(shape) > 2 and list(shape[:2]) == [images, classes] and set(shape[2:]) == {1}:
        return f"{expected}: flatten what it returns"
    if task == Task.MULTILABEL and len(shape) == 2 and shape[0] == images and shape[1] > classes:
        return f"{expected}: name all {shape[1]} in 'outputs' of its card, in their order, those never trained too"
    return expected
