"""Spellings of ids and labels: what is normalised, and what is only reported as similar."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_CODES: Final = (r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
                 r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\ufff0-\ufffb\uffa0"
                 r"\U000e0000-\U000e0fff")
"""Invisible characters: control and format characters, fillers, variation selectors."""

_UNSEEN = re.compile(f"[{_CODES}]+")
_EDGES = re.compile(rf"^[\s\u2800{_CODES}]+|[\s\u2800{_CODES}]+\Z")
_BLANKS = re.compile(r"[\s\u2800]+")
_AS_TEXT = re.compile(r"=\"(.*)\"|'(?=\d)(.*?)'?")
_WHOLE = re.compile(r"\+?(-?\d+)(?:\.0*)?")
_SCIENTIFIC = re.compile(r"([1-9])(?:[.,](\d+))?E\+(\d{2})", re.IGNORECASE)
_EXPONENT = re.compile(r"[+-]?(\d+)(?:[.,](\d+))?e\+?(\d{1,2})")
_THOUSANDS = re.compile(r"\d{1,3}(?:[,.' \u2019]\d{3})+")
_DECIMALS = re.compile(r"(\d+),0{0,2}")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_MARKS: Final = r"[\s_.,;:/\\^'\u2019\u2010-\u2015\u2212-]+"
_BETWEEN_DIGITS = re.compile(rf"(?<=\d){_MARKS}(?=\d)")
_BETWEEN = re.compile(rf"(?<=[^\W\d_]){_MARKS}(?=[^\W_])|(?<=\d){_MARKS}(?=[^\W\d_])")


def blank(cell: str) -> str:
    r"""Return a cell without the blanks around it, and without quotation marks that stood behind a blank.

    Invisible characters, such as a zero-width space, are blanks too.

    Example:
        >>> blank(' "Normal" '), blank("P 7\xa0"), blank("P7\u200d")
        ('Normal', 'P 7', 'P7')
    """
    text = _EDGES.sub("", cell)
    return _EDGES.sub("", text[1:-1]) if len(text) > 1 and text[0] == text[-1] == '"' else text


def tidy(cell: str) -> str:
    r"""Return a text in one normal form: blanks around it gone, those within it one, characters written one way.

    Unicode's form NFKC: an umlaut is one character, full-width digits are digits. Invisible characters are removed.

    Example:
        >>> tidy(" No\xa0 Finding"), tidy("u\u0308"), tidy("P\u200d\uff17")
        ('No Finding', 'ü', 'P7')
    """
    if not (cell.isascii() and cell.isprintable()):
        cell = unicodedata.normalize("NFKC", _UNSEEN.sub("", cell))
    return _BLANKS.sub(" ", blank(cell))


def identity(cell: str) -> str:
    """Return an id or a label as it is meant: :func:`tidy`, and a whole number as its digits.

    ``104.0``, ``+104``, ``1.04E+02`` and spreadsheets' ``="104"`` and ``'104`` are 104. Leading zeros stay: ``007`` and
    ``7`` may be two people. A number that was rounded, such as ``1.2E+11``, stays as it is.

    Example:
        >>> identity(" 104.0"), identity("1.04E+02"), identity('="0104"'), identity("007"), identity("1.5")
        ('104', '104', '0104', '007', '1.5')
    """
    text = tidy(cell)
    if marked := _AS_TEXT.fullmatch(text):
        text = tidy(marked[1] or marked[2] or "")
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    number = _SCIENTIFIC.fullmatch(text)
    return number[1] + number[2][:int(number[3])] if number and _is_exact(number) else text


def is_rounded(name: str) -> bool:
    """Tell whether an id is a number as a spreadsheet writes long ones, of which digits may be lost.

    Example:
        >>> is_rounded("1.2E+11"), is_rounded("1.04E+02"), is_rounded("12E4")
        (True, False, False)
    """
    number = _SCIENTIFIC.fullmatch(tidy(name))
    return number is not None and not _is_exact(number)


def bare(name: str) -> str:
    """Return an id or a label as it is compared where case, leading zeros, marks and number formats are in doubt.

    Example:
        >>> bare("P007"), bare("p-7"), bare("1,000"), bare("101e2"), bare("No_Finding"), bare("1-12")
        ('p7', 'p7', '1000', '10100', 'nofinding', '1 12')
    """
    text = "".join(str(unicodedata.decimal(mark)) if mark.isdecimal() else mark for mark in identity(name).casefold())
    if number := _EXPONENT.fullmatch(text):
        whole, part, zeros = number[1], number[2] or "", int(number[3])
        text = (whole + part + "0" * zeros)[:len(whole) + zeros] if not part[zeros:].strip("0") else text
    elif _THOUSANDS.fullmatch(text):
        text = re.sub(r"\D", "", text)
    elif decimals := _DECIMALS.fullmatch(text):
        text = decimals[1]
    return _LEADING_ZEROS.sub("", _BETWEEN.sub("", _BETWEEN_DIGITS.sub(" ", text)))


def spelt_apart(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of names that compare equal by :func:`bare` and are not, each sorted.

    Example:
        >>> spelt_apart(["Normal", "normal", "Pneumonia"])
        [['Normal', 'normal']]
    """
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(bare(name), set()).add(name)
    return [sorted(group) for _, group in sorted(groups.items()) if len(group) > 1]


def _is_exact(number: re.Match[str]) -> bool:
    """Tell whether a number with an exponent has a digit for each place before the point, and no other after it."""
    decimals, places = number[2] or "", int(number[3])
    return len(decimals) >= places and not decimals[places:].strip("0")
