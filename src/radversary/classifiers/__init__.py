"""Classifiers of radiographs (the victims): cards, weights and adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radversary.classifiers.files import load_classifier, save_classifier
    from radversary.classifiers.torch_module import wrap

__all__ = ["load_classifier", "save_classifier", "wrap"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used, so that a card is read, and refused, without PyTorch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from radversary.classifiers import files, torch_module

    return getattr(torch_module if name == "wrap" else files, name)
