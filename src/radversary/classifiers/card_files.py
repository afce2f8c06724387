"""Where a model's card lies, and reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from radversary.classifiers.card import ModelCard, make_card
from radversary.core.errors import ModelError
from radversary.storage.documents import read_document

CARD: Final = "card.json"
"""The card of the one model in its folder."""

LARGEST: Final = 4096
"""Pixels a side of the images that a model reads, at most: the first map of a network at that size takes a gigabyte."""


def card_path(model: Path) -> Path:
    """Return where the card of a model is, or is to be.

    Args:
        model: A folder, whose card is ``card.json`` in it; or a file, whose card lies beside it as
            ``<its name without ending>.card.json`` or, where that is absent, as ``card.json``.

    Example:
        >>> card_path(Path("models/lungs.onnx")).as_posix()
        'models/lungs.card.json'
    """
    if model.is_dir():
        return model / CARD
    own, shared = model.with_name(f"{model.stem}.card.json"), model.with_name(CARD)
    return shared if shared.is_file() and not own.is_file() else own


def read_card(model: Path) -> ModelCard:
    """Read the card of a model.

    Args:
        model: The model's file or folder, for :func:`card_path`.

    Raises:
        ModelError: There is none, it is damaged, or it says what no card may.
        UnknownNameError: It has a field or a task that no card has.
    """
    path = card_path(model)
    if not path.is_file():
        raise ModelError(f"{model} has no card ({path.name}) beside it, so its classes and size are unknown; "
                         f"`radversary model describe {model}` drafts one")
    fields = read_document(path, dict[str, Any], what="the card of a model", error=ModelError)
    card = make_card(str(model), fields)
    if max(card.sides) > LARGEST:
        raise ModelError(f"the card of {model} says that it reads images of {max(card.sides)} pixels a side, more than "
                         f"{LARGEST}")
    return card
