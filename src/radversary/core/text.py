"""Text from outside made safe to print: control characters escaped, length limited."""

from __future__ import annotations

import re
import reprlib
import unicodedata
from hashlib import sha256

from pydantic import ValidationError

SENTENCE = 2_000
"""Characters of a sentence at most; longer ones are cut in the middle."""
FAULT = 300
"""Characters at most that say what is wrong with a file."""
NAME = 80
"""Bytes at most of a file's name that is made from a text, before its ending; file systems take 255."""
VALUE = 80
"""Characters of a value that a sentence quotes, at most."""

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, format characters (bidirectional overrides, joiners), surrogates (bytes
of a file name that are not UTF-8) and line separators."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_QUOTES = reprlib.Repr()
_QUOTES.maxstring = _QUOTES.maxother = _QUOTES.maxlong = VALUE
_QUOTES.maxlevel, _QUOTES.maxlist, _QUOTES.maxtuple, _QUOTES.maxdict = 3, 4, 4, 4


def printable(text: str, *, keep: str = "") -> str:
    r"""Return text with control and invisible characters written as escapes.

    Args:
        text: Any text, such as a file's name.
        keep: Characters that stay as they are.

    Returns:
        The text with ``\xNN``, ``\uNNNN``, ``\n`` and the like in place of control and format characters, surrogates
        and line separators. A byte of a file name that is not UTF-8 becomes ``\xNN``.

    Example:
        >>> printable("a\x1b[31m"), printable("lung"), printable("\udcff")
        ('a\\x1b[31m', 'lung', '\\xff')
    """
    if text.isprintable():
        return text
    marks = (mark for mark in set(text).difference(keep) if unicodedata.category(mark) in HIDDEN)
    return text.translate({ord(mark): _escaped(mark) for mark in marks})


def page(text: str) -> str:
    r"""Return a document of many lines, such as a page, with control and invisible characters written as escapes.

    Args:
        text: The document; its line ends, tabs and zero-width spaces stay.

    Example:
        >>> page("a\n\x1b[31mb")
        'a\n\\x1b[31mb'
    """
    return printable(text, keep="\n\t\N{ZERO WIDTH SPACE}")


def shortened(text: str, limit: int = SENTENCE) -> str:
    """Return text cut in the middle to some length.

    Args:
        text: Any text.
        limit: Characters at most, 8 at least.

    Returns:
        The text, or its beginning and its end around an ellipsis.

    Example:
        >>> shortened("0123456789", 8)
        '012 … 89'
    """
    if len(text) <= limit:
        return text
    tail = (limit - 3) // 2
    return f"{text[: limit - 3 - tail]} … {text[len(text) - tail:]}"


def sentence(text: str, limit: int = SENTENCE) -> str:
    r"""Return text as one printable sentence: :func:`printable`, then :func:`shortened`.

    Args:
        text: Any text.
        limit: Characters at most.

    Example:
        >>> sentence("cannot read a\nb")
        'cannot read a\\nb'
    """
    return shortened(printable(shortened(text, limit)), limit)


def quoted(value: object, limit: int = VALUE) -> str:
    """Return a value as Python writes it, cut to some length whatever it holds.

    Args:
        value: Any value, nested to any depth.
        limit: Characters at most.

    Example:
        >>> quoted([0.5, "a"]), len(quoted("x" * 10**6)) <= VALUE
        ("[0.5, 'a']", True)
    """
    try:
        return shortened(printable(_QUOTES.repr(value)), limit)
    except ValueError:  # an integer with more digits than Python writes
        return f"a number of {type(value).__name__} beyond all range"


def plain_file_name(text: str) -> str:
    """Return text as one file name: what is no letter, digit or harmless mark becomes ``_``. Texts may share a name.

    Args:
        text: Any text, such as a path.

    Example:
        >>> plain_file_name("../ward 1/film.png"), plain_file_name("..")
        ('ward_1_film.png', 'film')
    """
    return re.sub(r"[^\w.@+=-]+", "_", text).strip("._-") or "film"


def marked_file_name(text: str, limit: int = NAME) -> str:
    """Return text as a file name that no other text has, not even where upper and lower case are one.

    Args:
        text: Any text.
        limit: Bytes at most of what follows the mark; the end of a longer text is kept.

    Returns:
        Eight digits of the text's SHA-256, and :func:`plain_file_name`.

    Example:
        >>> marked_file_name("N 1.png"), marked_file_name("N_1.png")
        ('1f482a90-N_1.png', '940702d5-N_1.png')
    """
    mark = sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{mark}-{plain_file_name(text).encode()[-limit:].decode(errors='ignore')}"


def _escaped(mark: str) -> str:
    code = ord(mark)
    if mark in _SHORT:
        return _SHORT[mark]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


OBJECTS = frozenset({"model_type", "model_attributes_type", "dict_type", "dataclass_type"})
"""What pydantic calls a value that is no object where one is expected."""


def first_fault(problem: ValidationError) -> str:
    """Return the first of pydantic's findings: the place, what is expected there, and what was found.

    Args:
        problem: What pydantic raised.

    Returns:
        Text of at most :data:`FAULT` characters.
    """
    first = problem.errors(include_url=False)[0]
    if not first["loc"] and first["type"] in OBJECTS:
        return f"it must hold one JSON object, got {quoted(first['input'])}"
    place = shortened(".".join(map(str, first["loc"])), FAULT // 3)
    text = first["msg"].removeprefix("Value error, ") or "it is refused"
    quote = "" if first["type"] in ("missing", "json_invalid") else f" (got {quoted(first['input'])})"
    return sentence(f"{place + ': ' if place else ''}{text[0].lower()}{text[1:]}{quote}", FAULT)
