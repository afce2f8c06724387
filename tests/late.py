"""Libraries that take seconds to import, imported where a test first uses them and not when tests are collected."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


class Late:
    """Stands for a module, or for another thing that takes long to come by.

    Args:
        source: The module's name, or what gives the thing.
    """

    def __init__(self, source: str | Callable[[], Any]) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "pytest" in name:  # what collects tests looks for its own marks in everything
            raise AttributeError(name)
        found = importlib.import_module(self._source) if isinstance(self._source, str) else self._source()
        return getattr(found, name)
