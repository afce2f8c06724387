"""How goals are written: a word, the names of findings between bars, and whether all others are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

KEEP: Final = "keep"
"""The last word of a goal that keeps all other findings as they are read."""

_NAME: Final = re.compile(r'\s*(?P<quoted>"(?:[^"\\]|\\.)*")\s*(?:\||$)|(?P<plain>[^|]*)(?:\||$)', re.DOTALL)


class GoalText(NamedTuple):
    """A goal as it is written.

    Attributes:
        kind: Its word.
        findings: The names after it.
        keep: Whether all other findings are kept.
    """

    kind: str
    findings: tuple[str, ...]
    keep: bool


def goal_text(kind: str, findings: Sequence[str], *, keep: bool) -> str:
    """Write a goal; a name that would be read otherwise stands in quotation marks, as JSON writes text.

    Example:
        >>> goal_text("hide", ("Mass", "Nodule"), keep=True), goal_text("invent", ("keep",), keep=False)
        ('hide Mass|Nodule keep', 'invent "keep"')
    """
    return " ".join(filter(None, (kind, "|".join(map(_written, findings)), KEEP if keep else "")))


def goal_parts(text: str) -> GoalText:
    """Read a goal as :func:`goal_text` writes it.

    Example:
        >>> goal_parts('hide Mass|"a|b" keep').findings
        ('Mass', 'a|b')
    """
    kind, *rest = text.split(maxsplit=1)[:2] or [""]
    names = rest[0].strip() if rest else ""
    keep = names == KEEP or names.endswith(f" {KEEP}")
    return GoalText(kind, tuple(_names(names.removesuffix(KEEP) if keep else names)), keep)


def _names(text: str) -> Iterator[str]:
    for found in _NAME.finditer(text):
        name = _unquoted(found["quoted"]) if found["quoted"] else found["plain"].strip()
        if name:
            yield name


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:  # not as JSON writes it: the marks are part of the name
        return text


def _written(name: str) -> str:
    plain = "|" not in name and not name.startswith('"') and name.strip() == name
    return name if plain and name != KEEP and not name.endswith(f" {KEEP}") else json.dumps(name, ensure_ascii=False)
