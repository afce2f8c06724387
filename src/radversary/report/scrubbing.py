"""Texts without ids, paths, addresses and this machine's name."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

REMOVED: Final = "[removed]"
"""What stands in place of a path, an address or a value that may be one."""

PLAN: Final = "plan.yaml"
"""The only file that a command may name: it lies in the run folder."""

INSTALLED: Final = ("packages", "distributions")
"""What of a run's environment says what was installed."""

_ROOT: Final = r"(?:~?/|[A-Za-z]:[\\/]|\\\\)"
_QUOTED = re.compile(rf"""(['"]){_ROOT}.*?\1""")
_WHOLE = re.compile(rf"{_ROOT}.+", re.DOTALL)
_PATH = re.compile(rf"""(?<![\w.\])/\\<]){_ROOT}[^\s'",;)\]]{{2,}}""")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\",;)]+", re.IGNORECASE)
_OPTION = re.compile(r"(?<=[(\s])(\w+)=([^,()]*)")
_PLAIN = re.compile(r"-?\d[\d.]*|True|False|None")


def without_places(text: str) -> str:
    """Return a text without absolute paths, addresses and this machine's name.

    Example:
        >>> without_places("root='/data/St Mary', seed=7"), without_places("/data/films"), without_places("1/2 of a/b")
        ("root='[removed]', seed=7", '[removed]', '1/2 of a/b')
    """
    if _WHOLE.fullmatch(text):
        return REMOVED
    for pattern in (_ADDRESS, _QUOTED, _PATH):
        text = pattern.sub(lambda found: f"{quote}{REMOVED}{quote}" if (quote := _quote(found)) else REMOVED, text)
    return re.sub(rf"\b{re.escape(name)}\b", REMOVED, text) if (name := _machine()) else text


def command_without_values(words: Sequence[str]) -> list[str]:
    """Return a command's words: verbs, names of options and numbers stay, all other values may be paths.

    Example:
        >>> command_without_values(["radversary", "audit", "--model", "ward/m.onnx", "--seed=7", "--root=ward"])
        ['radversary', 'audit', '--model', '[removed]', '--seed=7', '--root=[removed]']
    """
    return [_word(word, place) for place, word in enumerate(words)]


def source_without_values(text: str) -> str:
    """Return the line on where images come from, of which options keep their values only where these are numbers.

    Example:
        >>> source_without_values("folders (root=ward 7, seed=7), 64 px; patients divided")
        'folders (root=[removed], seed=7), 64 px; patients divided'
    """
    return _OPTION.sub(lambda found: f"{found[1]}={found[2] if _PLAIN.fullmatch(found[2]) else REMOVED}", text)


def options_without_values(value: Any) -> Any:  # noqa: ANN401
    """Return a source's options without their texts; numbers, truth values and what lies inside stay."""
    return mapped(value, lambda _: REMOVED)


def plan_without_values(content: Any) -> Any:  # noqa: ANN401
    """Return a plan whose data source keeps no texts among its options but its name, without places.

    Example:
        >>> plan_without_values({"data": {"source": {"name": "nih", "options": {"root": "ward 7", "size": 64}}}})
        {'data': {'source': {'name': 'nih', 'options': {'root': '[removed]', 'size': 64}}}}
    """
    if isinstance(content, dict) and isinstance(data := content.get("data"), dict):
        source = data.get("source")
        if isinstance(source, dict) and "options" in source:
            changed = {**source, "options": options_without_values(source["options"])}
            content = {**content, "data": {**data, "source": changed}}
    return mapped(content, without_places, without_places)


def environment_without_values(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run was made with, its command without values; packages and their licences stay as they are."""
    found: dict[str, Any] = {name: value if name in INSTALLED else mapped(value, without_places, without_places)
                             for name, value in content.items()}
    if isinstance(words := content.get("command"), list):
        found["command"] = command_without_values(list(map(str, words)))
    return found


def mapped(value: Any, change: Callable[[str], str], keys: Callable[[str], str] = str,  # noqa: ANN401
           numbers: Callable[[float], float | str] | None = None) -> Any:  # noqa: ANN401
    """Return plain values with each text changed.

    Args:
        value: What JSON can hold.
        change: For texts.
        keys: For the keys of objects.
        numbers: For numbers; these stay where it is None.

    Example:
        >>> mapped({"a": ["b", 1]}, str.upper)
        {'a': ['B', 1]}
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [mapped(item, change, keys, numbers) for item in value]
    if isinstance(value, dict):
        return {keys(str(name)): mapped(item, change, keys, numbers) for name, item in value.items()}
    if numbers is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
        return numbers(value)
    return value


def _word(word: str, place: int) -> str:
    name, equals, value = word.partition("=")
    if word.startswith("-") and not _PLAIN.fullmatch(word):
        return name + equals + (value if not value or _PLAIN.fullmatch(value) else REMOVED)
    verb = place < 2 and word.isalpha()
    return word if verb or word == PLAN or _PLAIN.fullmatch(word) else REMOVED


def _quote(found: re.Match[str]) -> str:
    return str(found[1]) if found.re.groups else ""


@lru_cache
def _machine() -> str:
    name = socket.gethostname()
    return name if len(name) >= 4 and name != "localhost" else ""
