"""Pseudonyms of patients and images: HMAC-SHA-256 of the id under a random salt, in tables and in texts."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from radversary.core.errors import DataError
from radversary.data.table import UNKNOWN_PATIENT
from radversary.evidence.files import SALT
from radversary.storage.files import read_text, write_private

BYTES: Final = 32
"""Bytes of a salt."""

DIGITS: Final = 24
"""Hexadecimal digits of a pseudonym: 96 bits."""

SHORTEST, SHORTEST_NUMBER = 4, 6
"""Characters of an id that is looked for in texts, and of one that is only digits, which might be any number."""

SHORTEST_VALUE: Final = 3
"""Characters of the name of a site that is looked for in texts; it has a letter."""

SHORT: Final = 12
"""Hexadecimal digits of a pseudonym of a site: 48 bits."""

IMAGE, PATIENT, SENTENCE = "image", "patient", "sentence"
"""What pseudonyms stand for; an image and a patient of one id have two."""


def salt_of(folder: Path) -> bytes:
    """Return the salt of a run folder, made where there is none and then readable by its owner alone.

    Raises:
        DataError: It is damaged.
        StorageError: Writing failed.
    """
    path = folder / SALT
    if not path.exists():
        write_private(path, f"{secrets.token_hex(BYTES)}\n".encode())
    try:
        text = read_text(path).strip()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the salt {path}: {error}") from error
    if not re.fullmatch(rf"[0-9a-f]{{{2 * BYTES}}}", text):
        raise DataError(f"{path} is no salt of {BYTES} bytes in hexadecimal; remove it to get other pseudonyms")
    return bytes.fromhex(text)


def pseudonym(salt: bytes, kind: str, name: str) -> str:
    """Return what stands for an id: the first digits of HMAC-SHA-256 (RFC 2104) of ``kind:name`` under the salt.

    Args:
        salt: The key of the HMAC.
        kind: Such as ``image``.
        name: The id.

    Example:
        >>> pseudonym(bytes(32), "image", "film 1")
        '75013456b4533787004049ae'
    """
    return hmac.digest(salt, f"{kind}:{name}".encode("utf-8", "surrogateescape"), "sha256").hex()[:DIGITS]


class Pseudonyms:
    """Pseudonyms under one salt.

    Args:
        salt: The key of the HMAC.
        images: Ids of images that are looked for in texts.
        patients: Ids of patients that are looked for in texts.
        kept: Names that stay in texts although an id is written like them, such as those of classes.
        values: Characteristic to its values that are looked for in texts, such as names of sites.
        words: Further words that stay in texts although a value is written like them.
    """

    def __init__(self, salt: bytes, images: Iterable[str] = (), patients: Iterable[str] = (),
                 kept: Iterable[str] = (), *, values: Mapping[str, Iterable[str]] | None = None,
                 words: Collection[str] = ()) -> None:
        self._salt = salt
        found = {name: self.patient(name) for name in patients} | {name: self.image(name) for name in images}
        stay = set(kept)
        self._ids = _Search({name: alias for name, alias in found.items() if _tellable(name) and name not in stay})
        stay |= set(words).union(*map(words_of, stay))
        sites = {value: self.value(kind, value) for kind, known in (values or {}).items() for value in known
                 if _is_name(value) and value not in stay}
        self._all = _Search({**sites, **self._ids.known})

    def text(self, text: str) -> str:
        """Return a text with pseudonyms for ids and values that stand alone or between marks, the longest first."""
        return self._all.replaced(text)

    def key(self, text: str) -> str:
        """Return the name of a field or a file with pseudonyms for ids; values are not looked for."""
        return self._ids.replaced(text)

    def number(self, number: float) -> float | str:
        """Return a number, or the pseudonym where it is written like an id that is looked for in texts."""
        return self._ids.known.get(str(number), number)

    def value(self, kind: str, name: str) -> str:
        """Return the pseudonym of a characteristic's value, such as ``site-75013456b453``."""
        return f"{kind}-{pseudonym(self._salt, kind, name)[:SHORT]}"

    def image(self, name: str) -> str:
        """Return the pseudonym of an image."""
        return pseudonym(self._salt, IMAGE, name)

    def patient(self, name: str) -> str:
        """Return the pseudonym of a patient; one that is not known keeps the mark that says so, before its image's."""
        if name.startswith(UNKNOWN_PATIENT):
            return UNKNOWN_PATIENT + self.image(name.removeprefix(UNKNOWN_PATIENT))
        return pseudonym(self._salt, PATIENT, name)

    def left_out(self, sentence: str) -> str:
        """Return what stands for a sentence on a file that was left out; the sentence names it, and is not told."""
        return f"file {pseudonym(self._salt, SENTENCE, sentence)} was left out; the run folder says why"


class _Search:
    """Finds names in texts.

    Args:
        known: Name to what stands for it.
    """

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self._lengths = sorted({len(name) for name in known}, reverse=True)
        self.replaced = lru_cache(2**16)(self._replaced)

    def _replaced(self, text: str) -> str:
        return "".join(self._pieces(text))

    def _pieces(self, text: str) -> Iterator[str]:
        """Yield a text piece by piece, names that stand alone or between marks replaced, the longest first."""
        start = place = 0
        while place < len(text):
            name = "" if place and text[place - 1].isalnum() and text[place].isalnum() else self._at(text, place)
            if name:
                yield text[start:place] + self.known[name]
                start = place = place + len(name)
            else:
                place += 1
        yield text[start:]

    def _at(self, text: str, place: int) -> str:
        for length in self._lengths:
            name, after = text[place:place + length], text[place + length:place + length + 1]
            if name in self.known and not (name[-1].isalnum() and after.isalnum()):
                return name
        return ""


def words_of(text: str) -> set[str]:
    """Return the words of a text.

    Example:
        >>> sorted(words_of("style (texture), 0.5"))
        ['0', '5', 'style', 'texture']
    """
    return set(re.findall(r"\w+", text))


def _tellable(name: str) -> bool:
    return len(name) >= (SHORTEST_NUMBER if name.isdecimal() else SHORTEST)


def _is_name(value: str) -> bool:
    return len(value) >= SHORTEST_VALUE and any(map(str.isalpha, value))
