"""The draft of a model's card: each field with where it came from, and what is still to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from radversary.classifiers.card import ModelCard, make_card
from radversary.classifiers.facts import json_of
from radversary.core.errors import ModelError
from radversary.core.types import Task
from radversary.storage.documents import find_document
from radversary.storage.json_files import write_json

Origin = Literal["read", "probed", "answered", "assumed", "unknown"]
"""Where a field came from: the model's file or files beside it; what it answered to generated images; a person; taken
for granted; nowhere."""

OPTIONS: Final = MappingProxyType({
    "name": "--name", "architecture": "--architecture", "size": "--size", "classes": "--classes", "task": "--task",
    "output": "--output", "outputs": "--outputs", "thresholds": "--threshold", "input_range": "--input-range",
    "mean": "--mean", "std": "--std", "channels": "--channels", "crop": "--crop", "resize": "--resize",
    "interpolation": "--interpolation", "licence": "--licence", "source": "--source", "trained_on": "--trained-on"})
"""Field of a card to the option of ``radversary model describe`` that gives it, in the order of its table."""

NEEDED: Final = MappingProxyType({
    "architecture": "architecture of the network, a name that `radversary list architectures` shows",
    "size": "side of the images that it reads, in pixels, or height,width",
    "classes": "classes in the order of its outputs, separated by commas",
    "task": "task: multiclass, binary or multilabel",
    "output": "what it returns: logits or probabilities",
    "input_range": "what it is given for black and for white, such as 0,1 or 0,255 or -1,1; imagenet for ImageNet's "
                   "mean and std on 0,1"})
"""Fields that no model works without, and how they are asked for."""

WISHED: Final = MappingProxyType({
    "thresholds": "probability from which on a finding is read as there, one for all or one each",
    "resize": "how films of another shape were made to fit: stretch, pad or centre-crop",
    "licence": "licence of the weights"})
"""Fields that have a default, and how they are asked for."""


@dataclass(frozen=True)
class DraftField:
    """One field of a draft.

    Attributes:
        name: The card's field.
        value: Its value; None where it is not known.
        origin: Where it came from.
        why: More of that, in a few words.
    """

    name: str
    value: Any
    origin: Origin
    why: str = ""

    @property
    def text(self) -> str:
        """The value as a person reads it."""
        if isinstance(self.value, list | tuple):
            return ", ".join(map(json_of, self.value))
        return "" if self.value is None else json_of(self.value)


@dataclass(frozen=True)
class Draft:
    """What is known of a model before its card is written.

    Attributes:
        reference: The model.
        kind: A name in :data:`radversary.classifiers.registry.CLASSIFIERS`.
        path: Where the card goes.
        fields: The card's fields in the order of :data:`OPTIONS`.
        count: Outputs of the network; None where they are not known.
        remarks: What is to be said of it, one sentence each.
        served: Address of a model behind HTTP, which its file holds beside the card; empty for any other.
    """

    reference: str
    kind: str
    path: Path
    fields: tuple[DraftField, ...]
    count: int | None = None
    remarks: tuple[str, ...] = ()
    served: str = ""

    @property
    def missing(self) -> Mapping[str, str]:
        """Fields that are needed and not known, with how they are asked for."""
        unknown = {field.name for field in self.fields if field.origin == "unknown"}
        return {name: text for name, text in NEEDED.items() if name in unknown}

    @property
    def wished(self) -> Mapping[str, str]:
        """Fields that were taken for granted and that a person may know better."""
        assumed = {field.name for field in self.fields if field.origin == "assumed"}
        return {name: text for name, text in WISHED.items() if name in assumed}

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Fields that ``radversary model check`` is to confirm."""
        return tuple(field.name for field in self.fields if field.origin == "assumed")

    def value(self, name: str) -> Any:  # noqa: ANN401
        """Return the value of a field; None where it is not known."""
        return next((field.value for field in self.fields if field.name == name), None)

    def card(self) -> ModelCard:
        """Return the card.

        Raises:
            ModelError: Something that is needed is not known, or a value is none that a card may have.
            UnknownNameError: A task that does not exist.
        """
        if self.missing:
            raise ModelError(f"what cannot be read from {self.reference} must be given: "
                             f"{', '.join(OPTIONS[name] for name in self.missing)}"
                             f"{f' (the network has {self.count} outputs)' if self.count else ''}")
        fields = {field.name: field.value for field in self.fields if field.value not in (None, "", ())}
        card = make_card(self.reference, fields)
        _check_count(card, self.count, self.reference)
        return card


def write_card(draft: Draft, *, force: bool = False) -> Path:
    """Write the card of a draft where loaders look for it.

    Args:
        draft: The draft.
        force: Write over a card that is there.

    Returns:
        Where it was written.

    Raises:
        ModelError: There is a card already, or the draft is not complete.
        StorageError: Writing failed.
    """
    card = draft.card().model_dump(mode="json", exclude_unset=True)
    refuse_written(draft.path, force=force)
    if not draft.served:
        return write_json(draft.path, card)
    return write_json(draft.path, {**_served_file(draft.path), "url": draft.served, "card": card})


def refuse_written(path: Path, *, force: bool) -> None:
    """Refuse to write over a card.

    Raises:
        ModelError: There is one, and ``force`` is not set.
    """
    awaits = path.name.endswith(".http.json") and "card" not in _served_file(path)
    if path.exists() and not force and not awaits:
        raise ModelError(f"{path} is there already; --force writes over it")


def _served_file(path: Path) -> dict[str, Any]:
    """Return what a file of a served model holds; nothing where there is none."""
    return find_document(path, dict[str, Any]) or {}


def _check_count(card: ModelCard, count: int | None, reference: str) -> None:
    """Refuse classes that are not as many as the outputs.

    Raises:
        ModelError: They are not.
    """
    allowed = {1, 2} if card.task == Task.BINARY else {len(card.outputs or card.classes)}
    if count is not None and count not in allowed:
        named = _listed(card.outputs or card.classes)
        raise ModelError(f"the network of {reference} has {count} output{'s' if count > 1 else ''}, and a {card.task} "
                         f"model of {named} has {' or '.join(map(str, sorted(allowed)))}: name each in --classes or, "
                         "where some were never trained, in --outputs")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20])
