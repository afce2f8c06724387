"""What the kinds of model say of themselves, read from their source: no library of any kind is imported."""

from __future__ import annotations

from typing import Final

from radversary.classifiers.registry import CLASSIFIERS
from radversary.core.errors import MissingPartError
from radversary.core.types import Access

UNSAID: Final = "by its model"
"""Access to a kind whose loader states none."""


def access_of(kind: str) -> str:
    """Return how much of a model of some kind an attacker sees: ``labels``, ``scores`` or ``gradients``.

    Args:
        kind: A name in :data:`radversary.classifiers.registry.CLASSIFIERS`.

    Returns:
        The attribute ``access`` of its loader as text, such as ``access = Access.SCORES``; :data:`UNSAID` where its
        models differ, so that it states none.

    Example:
        >>> access_of("folder"), access_of("code")
        ('gradients', 'by its model')
    """
    try:
        stated = CLASSIFIERS.declared(kind).constants.get("access", "")
    except MissingPartError:
        return UNSAID
    level = stated.rpartition(".")[2].strip("'\"").lower()
    return level if level.upper() in Access.__members__ else UNSAID
