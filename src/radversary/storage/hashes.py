"""Hashes of parts: their hyper-parameters, what they draw on, and the code that they are written in."""

from __future__ import annotations

import inspect
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
    """Return a hash of the files that a class and its bases, or a function, are written in; libraries are left out.

    Example:
        >>> code_hash(dict) == code_hash(list), code_hash(code_hash) == code_hash(dict)
        (True, False)
    """
    written = {str(piece.__module__) for piece in (part.__mro__ if isinstance(part, type) else (part,))}
    modules = {module for module in written if module.partition(".")[0] not in LIBRARIES}
    return sha256("".join(_source(module) for module in sorted(modules)).encode()).hexdigest()


@lru_cache(maxsize=512)
def _source(module: str) -> str:
    """Return the text that a module was loaded from; its name where there is none, as in a notebook."""
    try:
        file = inspect.getsourcefile(sys.modules[module])
        return Path(str(file)).read_text(encoding="utf-8")
    except (KeyError, TypeError, OSError, UnicodeDecodeError):
        return module
