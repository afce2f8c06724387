"""Names of earlier versions, which are still read where plans and command lines give them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping


def warn_renamed(kind: str, old: str, new: str) -> None:
    """Warn that a name was replaced.

    Args:
        kind: What is named, such as ``plan key``.
        old: The name that was given.
        new: The name in its place.
    """
    warnings.warn(f"{kind} {old!r} is deprecated; write {new!r}", FutureWarning, stacklevel=3)


def current_name(kind: str, name: str, renamed: Mapping[str, str]) -> str:
    """Return a name as it is today, with a warning where an old one was given.

    Args:
        kind: What is named, such as ``rule``.
        name: The name that was given.
        renamed: Old name to new one.

    Example:
        >>> current_name("rule", "fisher", {"kindred": "fisher_within_tippett_across"})
        'fisher'
    """
    if name not in renamed:
        return name
    warn_renamed(kind, name, renamed[name])
    return renamed[name]
