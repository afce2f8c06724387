"""Hashes of parts: their hyper-parameters, what they draw on, and the code that they are written in."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from hashlib import sha256
from inspect import isfunction, ismethod
from pathlib import Path
from typing import Any, Final

from torch import nn

from radversary.storage.checksums import sha256_json

LIBRARIES: Final = frozenset((
    *sys.stdlib_module_names, "torch", "lightning", "monai", "kornia", "torchmetrics", "torchvision", "sklearn",
    "scipy", "numpy", "pandas", "pyarrow", "PIL", "pydantic", "safetensors"))
"""Top-level modules whose code is identified by version, not by text."""


def component_hash(part: Any) -> str:  # noqa: ANN401
    """Return a hash of an attack, a transform or a detector: hyper-parameters, what it draws on, and its code.

    Args:
        part: A part whose repr shows its hyper-parameters; ``content_hashes()`` gives the hashes of what it draws on.
            The code of the parts that it is made of counts too (:func:`made_of`).
    """
    drawn_on = part.content_hashes() if hasattr(part, "content_hashes") else ()
    return sha256_json([repr(part), list(drawn_on), code_hash(*made_of(part))])


def made_of(part: Any) -> list[Any]:  # noqa: ANN401
    """Return the classes and functions of a part and of all parts that it holds, each once.

    Held are the values of its attributes, what stands in lists, tuples, sets and mappings there, and what
    ``built_parts()`` returns of a part that builds others by name. Objects of libraries are not looked into, but for
    the modules that a module of theirs holds.

    Example:
        >>> from fractions import Fraction
        >>> made_of([Fraction(1)]) == [list, Fraction]
        True
    """
    # What is seen is kept, so that no two objects bear one id in turn.
    seen: dict[int, Any] = {}
    waiting = [part]
    while waiting:
        held = waiting.pop()
        if id(held) not in seen:
            seen[id(held)] = held
            waiting += _held(held)
    return list(dict.fromkeys(item if isinstance(item, type) or isfunction(item) else type(item)
                              for item in seen.values()))


def _held(item: Any) -> Iterable[Any]:  # noqa: ANN401
    """Return the objects that one object holds directly."""
    if isinstance(item, Mapping):
        return item.values()
    if isinstance(item, list | tuple | set | frozenset):
        return item
    if isinstance(item, partial):
        return (item.func, *item.args, *item.keywords.values())
    if ismethod(item):
        return (item.__self__,)
    if isinstance(item, type) or isfunction(item):
        return ()
    if _is_library(type(item).__module__):
        return item.children() if isinstance(item, nn.Module) else ()
    slots = (getattr(item, field.name, None) for field in fields(item)) if is_dataclass(item) else ()
    built = item.built_parts() if hasattr(item, "built_parts") else ()
    return (*getattr(item, "__dict__", {}).values(), *slots, *built)


def _is_library(module: str) -> bool:
    """Return whether a module's code is identified by a version."""
    return module.partition(".")[0] in LIBRARIES


def code_hash(*parts: Any) -> str:  # noqa: ANN401
    """Return a hash of the code that classes and their bases, or functions, are written in; libraries are left out.

    Counted are the files that they stand in and what these import of the same package; of radversary's own, what they
    import of the same room (``radversary.attacks``); of a lone file, the files beside it.

    Example:
        >>> code_hash(dict) == code_hash(list), code_hash(code_hash) == code_hash(dict)
        (True, False)
    """
    pieces = (piece for part in parts for piece in (part.__mro__ if isinstance(part, type) else (part,)))
    modules = {str(piece.__module__) for piece in pieces if not _is_library(str(piece.__module__))}
    return sha256("".join(_source(module) for module in sorted(_with_imports(modules))).encode()).hexdigest()


def _with_imports(modules: set[str]) -> set[str]:
    """Return modules and all that they import of their own packages, directly or not."""
    found, waiting = set(modules), list(modules)
    while waiting:
        fresh = _imports(waiting.pop()) - found
        found |= fresh
        waiting += fresh
    return found


@lru_cache(maxsize=512)
def _imports(module: str) -> frozenset[str]:
    """Return the modules of its own package that a module imports anywhere, also inside a function."""
    try:
        tree = ast.parse(_source(module))
    except (SyntaxError, ValueError):
        return frozenset()
    named = {name for node in ast.walk(tree) for name in _named(node, module)}
    return frozenset(name for name in named if _is_beside(name, module) and _file(name) is not None)


def _named(node: ast.AST, module: str) -> list[str]:
    """Return what an import statement may name: of ``from a import b`` both ``a`` and ``a.b``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    levels = node.level - hasattr(sys.modules.get(module), "__path__")
    above = module.split(".")[:-levels or None] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _is_beside(name: str, module: str) -> bool:
    """Return whether a module is of the same package as another, of the same room, or a lone file of its folder."""
    top = module.partition(".")[0]
    if not hasattr(sys.modules.get(top), "__path__"):
        return "." not in name and name not in LIBRARIES and _is_lone(name, module)
    scope = ".".join(module.split(".")[:2]) if top == __name__.partition(".")[0] else top
    return name == scope or name.startswith(f"{scope}.")


def _is_lone(name: str, module: str) -> bool:
    """Return whether a module is a file in the folder of another's."""
    own = _file(module)
    return own is not None and (own.parent / f"{name}.py").is_file()


def _file(module: str) -> Path | None:
    """Return the file that a module's text stands in, without running it; None where there is none."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded:
        return Path(loaded)
    top, *rest = module.split(".")
    for folder in getattr(sys.modules.get(top), "__path__", sys.path):
        place = Path(folder, *rest) if rest else Path(folder, top)
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None


@lru_cache(maxsize=512)
def _source(module: str) -> str:
    """Return the text that a module was loaded from; its name where there is none, as in a notebook."""
    try:
        file = _file(module)
        return module if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return module
