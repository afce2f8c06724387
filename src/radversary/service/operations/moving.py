"""A store whose home folder is another one now."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

PLACES: Final[Mapping[str, tuple[str, bool]]] = MappingProxyType({
    "models": ("reference", False), "guards": ("folder", False), "datasets": ("source", True), "jobs": ("spec", True)})
"""Tables to the column that names places, and whether that is JSON."""


def moved(store: Path, before: str, now: str) -> None:
    """Have a copy of a store name places under another home, and forget workers and people's sessions.

    Args:
        store: The copy, which nobody has open.
        before: The home folder of which it is a copy.
        now: The home folder in which it will be.
    """
    with closing(sqlite3.connect(store)) as opened, opened:
        opened.execute("DELETE FROM workers")
        opened.execute("DELETE FROM sessions")
        opened.execute("DELETE FROM handshakes")
        for table, (column, plain) in PLACES.items():
            for name, given in opened.execute(f"SELECT id, {column} FROM {table}").fetchall():  # noqa: S608 - our names
                changed = json.dumps(renamed(json.loads(given), before, now)) if plain else renamed(given, before, now)
                opened.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (changed, name))  # noqa: S608


def renamed(content: Any, before: str, now: str) -> Any:  # noqa: ANN401
    """Return plain values with every path under one folder put under another.

    Example:
        >>> renamed({"a": ["/old/x", "/older", 1]}, "/old", "/new")
        {'a': ['/new/x', '/older', 1]}
    """
    if isinstance(content, str):
        return now + content[len(before):] if content == before or content.startswith(before + "/") else content
    if isinstance(content, dict):
        return {name: renamed(value, before, now) for name, value in content.items()}
    if isinstance(content, list):
        return [renamed(value, before, now) for value in content]
    return content
