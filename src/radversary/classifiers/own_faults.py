"""What a model's own code raises is said of the model; a gradient that it does not give is zero."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from radversary.classifiers.card import ModelCard
from radversary.core.errors import ModelError, RadversaryError, lacks_memory


@contextmanager
def blamed_on(card: ModelCard, doing: str) -> Iterator[None]:
    """Raise whatever is raised within, by code of the model's own, as one sentence that names the model.

    Our own errors, and memory that ran out, pass as they are.

    Args:
        card: The model's card.
        doing: What it was to do, after "fails".

    Raises:
        ModelError: Anything else was raised.

    Example:
        >>> with blamed_on(ModelCard(name="m", architecture="x", classes=("a", "b"), size=8), "on 1 image"):
        ...     raise ValueError("too small")
        Traceback (most recent call last):
        radversary.core.errors.ModelError: model 'm' fails on 1 image: ValueError: too small
    """
    try:
        yield
    except RadversaryError:
        raise
    except Exception as error:  # a network of a stranger may raise anything
        if lacks_memory(error):
            raise
        reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        raise ModelError(f"model {card.name!r} fails {doing}: {reason}") from error


def asked_about(card: ModelCard, images: int) -> str:
    """Return what a model does whose code fails on so many images, for :func:`blamed_on`."""
    return f"on {images} images of {card.sides[0]} x {card.sides[1]} pixels"


def slope_of(climbed: Tensor, at: Tensor, card: ModelCard, *, again: bool = False) -> Tensor | None:
    """Return the gradient of what a model answered, None where the model lets none through.

    Args:
        climbed: One number, computed from the model's answer.
        at: What the gradient is taken with respect to; it requires one.
        card: The model's card.
        again: Another gradient of the same answer will be taken.

    Raises:
        ModelError: The model's answer has no gradient that can be computed, as where it changes its input in place.
    """
    if not climbed.requires_grad:
        return None
    with blamed_on(card, "as the gradient of its answer is taken"):
        (slope,) = torch.autograd.grad(climbed, at, retain_graph=again, allow_unused=True)
    return slope


def gradient_of(climbed: Tensor, at: Tensor, card: ModelCard, *, again: bool = False) -> Tensor:
    """Return :func:`slope_of`, zero where the model lets no gradient through: there is nothing to follow."""
    slope = slope_of(climbed, at, card, again=again)
    return torch.zeros_like(at) if slope is None else slope
