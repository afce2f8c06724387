"""What a model may answer: one finite float32 logit a class for each image, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from radversary.classifiers.card import ModelCard
from radversary.core.errors import ModelError


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
                         f"{remedy(answer.shape, images, classes)}")
    asked_for = answer.is_floating_point() and torch.is_autocast_enabled(answer.device.type)
    if answer.dtype != torch.float32 and not asked_for:
        kind = str(answer.dtype).removeprefix("torch.")
        raise ModelError(f"model {card.name!r} answers in {kind}, expected float32: call float() on the module and on "
                         "what it returns")
    if not bool(answer.isfinite().all()):
        broken = int((~answer.isfinite()).any(dim=1).sum())
        raise ModelError(f"model {card.name!r} gave logits that are not finite numbers for {broken} of {images} images")
    return answer.float()


def checked_decisions(answer: object, card: ModelCard, images: int) -> Tensor:
    """Return what a model decided, once it is known to be class indices.

    Args:
        answer: What it returned.
        card: Its card.
        images: Images that it was given.

    Returns:
        The same tensor, int64 (images,).

    Raises:
        ModelError: Another type or shape, or an index of no class.
    """
    classes = len(card.classes)
    if not isinstance(answer, Tensor) or answer.dtype != torch.int64 or tuple(answer.shape) != (images,):
        kind = type(answer).__name__
        found = f"{answer.dtype} {tuple(answer.shape)}" if isinstance(answer, Tensor) else kind
        raise ModelError(f"model {card.name!r} decides {found}, expected an int64 tensor of class indices ({images},)")
    if images and not 0 <= int(answer.min()) <= int(answer.max()) < classes:
        low, high = int(answer.min()), int(answer.max())
        raise ModelError(f"model {card.name!r} decides for classes {low} to {high}, its card names {classes} "
                         f"(0 to {classes - 1})")
    return answer


def remedy(shape: Sequence[int], images: int, classes: int) -> str:
    """Say what to change in a network whose answer has another shape than (images, classes).

    Example:
        >>> remedy((5, 3, 1, 1), 5, 3)
        'expected (5, 3): flatten what it returns'
    """
    expected = f"expected {(images, classes)}"
    if images and list(shape) in ([images], [images, 1]):
        return f"{expected}: where it gives one logit x, have it give the two logits (0, x)"
    if len(shape) > 2 and list(shape[:2]) == [images, classes] and set(shape[2:]) == {1}:
        return f"{expected}: flatten what it returns"
    return expected
