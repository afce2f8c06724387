"""Several models as one, by the mean of their logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier, require_access
from radversary.core.errors import ModelError
from radversary.core.types import Access, Images
from radversary.storage.checksums import sha256_json


class Ensemble(Classifier):
    """Models whose logits are averaged, for attacks that shall carry over to others.

    An attack on several models at once carries over better than one on any of them (Liu et al. 2017, arXiv:1611.02770);
    the mean of logits carried over better than those of probabilities and losses (Dong et al. 2018, arXiv:1710.06081).
    Its card is that of the first model, thresholds included, under all names; its access is the least of all.

    Args:
        members: The models, of the same task, classes and size.

    Raises:
        AccessError: One answers with labels alone.
        ModelError: There is none, or one has another task, other classes or another size than the first.

    Example:
        >>> from radversary.classifiers.torch_module import wrap
        >>> pixels = wrap(torch.nn.Flatten(), name="pixels", classes=("a", "b", "c"), size=1)
        >>> same = wrap(torch.nn.Flatten(), name="same", classes=("a", "b", "c"), size=1)
        >>> Ensemble([pixels, same])
        Ensemble('pixels + same')
    """

    def __init__(self, members: Sequence[Classifier]) -> None:
        if not members:
            raise ModelError("an ensemble has one model at least, got none")
        for member in members:
            require_access(member, Access.SCORES, "an ensemble, which averages logits,")
            check_alike(members[0], member)
        self.members = tuple(members)
        least = min(members, key=lambda member: member.access)
        self.access, self.withheld = least.access, least.withheld
        name = " + ".join(member.card.name for member in members)
        self.card = members[0].card.model_copy(update={"name": name, "sha256": ""})

    def __repr__(self) -> str:
        return f"Ensemble({self.card.name!r})"

    def each(self, change: Callable[[Classifier], Classifier]) -> Ensemble:
        """Return an ensemble of what is made of each model."""
        return Ensemble([change(member) for member in self.members])

    def fingerprint(self) -> str:
        """Return a hash of the fingerprints of all, in order."""
        return sha256_json(["ensemble", *(member.fingerprint() for member in self.members)])

    @property
    def device(self) -> torch.device:
        """The device of the first model."""
        return self.members[0].device

    def to(self, device: torch.device | str) -> Self:
        """Move all models."""
        for member in self.members:
            member.to(device)
        return self

    def logits(self, images: Images) -> Tensor:
        """Return the mean of the logits, (N, K)."""
        return torch.stack([member.logits(images) for member in self.members]).mean(0)


def members_of(classifier: Classifier) -> tuple[Classifier, ...]:
    """Return the models of an ensemble, or the one model."""
    return classifier.members if isinstance(classifier, Ensemble) else (classifier,)


def check_alike(first: Classifier, other: Classifier) -> None:
    """Refuse a model that does not mean the same classes at the same size as another.

    Raises:
        ModelError: Its task, classes, their order or its size differ.
    """
    for what, own, others in (("the task", other.card.task, first.card.task),
                              ("the classes", ", ".join(other.card.classes), ", ".join(first.card.classes)),
                              ("the height and width", other.card.sides, first.card.sides)):
        if own != others:
            raise ModelError(f"models {first.card.name!r} and {other.card.name!r} cannot stand in one ensemble: "
                             f"{what} of the first is {others}, of the second {own}")
