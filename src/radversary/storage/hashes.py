"""Hashes of parts: their hyper-parameters, what they draw on, and the code that they are written in."""

from __future__ import annotations

import ast
import sys
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from radversary.storage.files import sha256_json

LIBRARIES: Final = ("builtins", "abc", "typing", "torch", "enum", *sys.stdlib_module_names)
"""Top modules whose code is told by their version, not by their text."""


def component_hash(part: Any) -> str:  # noqa: ANN401
    """Return a hash of an attack, a transform or a detector: hyper-parameters, what it draws on, and its code.

    Args:
        part: A part whose repr shows its hyper-parameters; ``content_hashes()`` gives the hashes of what it draws on.
    """
    drawn_on = part.content_hashes() if hasattr(part, "content_hashes") else ()
    return sha256_json([repr(part), list(drawn_on), code_hash(type(part))])


def code_hash(part: Any) -> str:  # noqa: ANN401
    """Return a hash of the code that a class and its bases, or a function, are written in; libraries are left out.

    Counted are the files that they stand in and what these import of the same package; of radversary's own, what they
    import of the same room (``radversary.attacks``); of a lone file, the files beside it.

    Example:
        >>> code_hash(dict) == code_hash(list), code_hash(code_hash) == code_hash(dict)
        (True, False)
    """
    written = {str(piece.__module__) for piece in (part.__mro__ if isinstance(part, type) else (part,))}
    modules = {module for module in written if module.partition(".")[0] not in LIBRARIES}
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
