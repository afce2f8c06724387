"""JSON read strictly: UTF-8, no key twice, no number beyond range, limited in size and depth."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from radversary.core.text import quoted, shortened
from radversary.storage.files import LIMIT, read_text, write_text

DEPTH = 64
"""Lists and objects inside each other in a stored document, at most."""


def write_json(path: Path, content: Any) -> Path:  # noqa: ANN401
    """Write JSON with sorted keys whole or not at all; not-a-number is refused."""
    return write_text(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def parse_json(text: str, *, constants: bool = False, depth: int = DEPTH) -> Any:  # noqa: ANN401
    """Parse JSON strictly.

    Args:
        text: The document.
        constants: Whether ``NaN``, ``Infinity`` and ``-Infinity``, which are no JSON, stand for numbers.
        depth: Lists and objects inside each other at most.

    Returns:
        Plain values.

    Raises:
        ValueError: No JSON, a key twice in one object, a number beyond all range, half a surrogate pair, or values
            nested too deeply; the text says which.

    Example:
        >>> parse_json('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        ValueError: key 'a' stands twice in one object
    """
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_float=_in_range,
                             parse_constant=float if constants else _no_constant)
        if "\\u" in text:
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError(f"its values are nested more than {depth} deep") from error
    except UnicodeEncodeError as error:
        raise ValueError("a text in it holds half a surrogate pair") from error
    if nesting(content) > depth:
        raise ValueError(f"its values are nested more than {depth} deep")
    return content


def nesting(content: Any) -> int:  # noqa: ANN401
    """Return how deep lists and objects lie inside each other, 0 for a plain value.

    Example:
        >>> nesting([{"a": []}]), nesting(1)
        (3, 0)
    """
    depth, level = 0, [content]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
        depth += 1
    return depth


def read_json(path: Path, *, limit: int = LIMIT) -> Any:  # noqa: ANN401
    """Read plain values, checked against no schema; :func:`radversary.storage.documents.read_document` checks them.

    Args:
        path: The file.
        limit: Bytes at most.

    Raises:
        OSError: It is absent or may not be read.
        ValueError: No strict JSON (:func:`parse_json`), or too long.
    """
    return parse_json(read_text(path, limit=limit))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {quoted(twice)} stands twice in one object")
    return found


def _in_range(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {shortened(text, 40)} is beyond all range")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")
