"""Watches what an attack asks a model, and what a model does while it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock, get_ident
from typing import Any, Final

import torch
from torch import Tensor

from radversary.attacks.goal import UNTARGETED
from radversary.classifiers.base import Classifier
from radversary.core.types import Budget, Images, Labels, Norm

ENGINE: Final = ("grad", "backward", "_engine_run_backward")
"""Functions of ``torch.autograd`` through which every gradient is computed; the last catches those imported by name."""

ROUNDED: Final = 1e-3
"""How far beyond the bound a point may lie that was computed or stored with rounding: a quarter of a grey level."""

_PATCHING = RLock()


class WatchedVictim(Classifier):
    """A victim that remembers of which images any point that it was asked about is misread.

    A point belongs to the one original within whose bound it lies, so that an attack may ask about any of them in any
    order; one that lies within several is left out, as those of two nearly equal films.

    Args:
        classifier: The victim.
        images: The originals, (N, C, H, W).
        labels: What it reads in them, (N,) or (N, K).
        budget: The bound of the attack that asks.

    Attributes:
        misread: Whether any point of each was misread, bool (N,).
    """

    def __init__(self, classifier: Classifier, images: Images, labels: Labels, budget: Budget) -> None:
        self.classifier, self.images, self.labels, self.budget = classifier, images, labels, budget
        self.card, self.access = classifier.card, classifier.access
        self.misread = torch.zeros(len(images), dtype=torch.bool, device=images.device)

    def fingerprint(self) -> str:
        """Return that of the victim."""
        return self.classifier.fingerprint()

    @property
    def device(self) -> torch.device:
        """Where the victim computes."""
        return self.classifier.device

    def logits(self, images: Images) -> Tensor:
        """Return the victim's logits, (N, K), and remember what it misreads."""
        logits = self.classifier.logits(images)
        with torch.no_grad():
            flat = self.images.expand(-1, images.shape[1], -1, -1).flatten(1)
            norm = torch.inf if self.budget.norm == Norm.LINF else 2.0
            near = torch.cdist(images.detach().flatten(1), flat, p=norm) <= (self.budget.epsilon or 0.0) + ROUNDED
            owners = near.float().argmax(1)
            wrong = UNTARGETED.margin(self.card, logits.detach(), self.labels[owners]) > 0
            self.misread[owners[wrong & (near.sum(1) == 1)]] = True
        return logits


@contextmanager
def gradients_watched() -> Iterator[list[str]]:
    """Note the names of the functions through which this thread computes gradients within.

    The functions work as before; one thread watches at a time.

    Yields:
        The names, filled as gradients are computed.

    Example:
        >>> point = torch.ones(1, requires_grad=True)
        >>> with gradients_watched() as seen:
        ...     slope = torch.autograd.grad(2 * point, point)
        >>> bool(seen), slope[0].item()
        (True, 2.0)
    """
    seen, thread = list[str](), get_ident()

    def noting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            if get_ident() == thread:
                seen.append(name)
            return real(*args, **kwargs)

        return noted

    with _PATCHING:
        real = {name: getattr(torch.autograd, name) for name in ENGINE if hasattr(torch.autograd, name)}
        try:
            for name, function in real.items():
                setattr(torch.autograd, name, noting(name, function))
            yield seen
        finally:
            for name, function in real.items():
                setattr(torch.autograd, name, function)
