"""Stored documents, read through a schema: whatever is wrong with one becomes a sentence that says what to do.

A document is JSON that radversary wrote earlier: a card, a record beside images, a result. It may be
damaged, of another version, or untrusted, so it is decoded strictly, within limits, and checked by a pydantic model
before anything is taken from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from radversary.core.errors import DataError, InputError
from radversary.core.text import FAULT, first_fault, shortened
from radversary.storage.files import LIMIT, read_text
from radversary.storage.json_files import parse_json

Kind = TypeVar("Kind")


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""A seed: every random generator takes one of these."""
Count = Annotated[int, Field(ge=0, le=10**9)]
"""A count: a whole number of at least 0."""


class Document(BaseModel):
    """A part of a stored document: frozen, without unknown keys, its numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_document(path: Path, kind: type[Kind], *, what: str, remedy: str = "",
                  error: type[InputError] = DataError, limit: int = LIMIT, constants: bool = False,
                  upgrade: Callable[[Any], Any] | None = None) -> Kind:
    """Read a stored document.

    Args:
        path: The JSON file.
        kind: What it must be: a pydantic model, or a type such as ``list[str]``.
        what: What it is called, with its article, such as ``an audit result``.
        remedy: The way out, such as ``prepare the images again``.
        error: The error to raise.
        limit: Bytes at most.
        constants: Whether not-a-number and infinities are numbers in it.
        upgrade: Makes the newest version of it from an earlier one; raises :class:`ValueError` where it cannot.

    Returns:
        The document as ``kind``.

    Raises:
        InputError: ``error``, of one sentence: the file is absent or too long, no strict JSON
            (:func:`radversary.storage.json_files.parse_json`), or not what ``kind`` says.

    Example:
        >>> read_document(Path("absent.json"), list[str], what="a list of names", remedy="make it again")
        Traceback (most recent call last):
        radversary.core.errors.DataError: absent.json cannot be read: No such file or directory; make it again
    """
    way_out = f"; {remedy}" if remedy else ""
    try:
        text = read_text(path, limit=limit)
        content = parse_json(text, constants=constants)
        if upgrade is not None and (newest := upgrade(content)) is not content:
            text = json.dumps(newest)
        return _adapter(kind).validate_json(text, strict=True)
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}{way_out}") from problem
    except ValidationError as problem:
        fault = first_fault(problem)
    except json.JSONDecodeError as problem:
        fault = f"it is not JSON, {problem.msg.lower()} in line {problem.lineno}, column {problem.colno}"
    except ValueError as problem:
        fault = str(problem)
    raise error(f"{shortened(str(path), FAULT)} is not {what}, or is damaged: {fault}{way_out}")


def find_document(path: Path, kind: type[Kind], *, limit: int = LIMIT) -> Kind | None:
    """Read a document that can be made again: None where it is absent, damaged or of another version.

    Args:
        path: The JSON file.
        kind: What it must be, as for :func:`read_document`.
        limit: Bytes at most.
    """
    try:
        return read_document(path, kind, what="what it was", limit=limit)
    except InputError:
        return None


def checked(content: Any, kind: type[Kind], *, what: str, where: object = "what was given", remedy: str = "",  # noqa: ANN401
            error: type[InputError] = InputError) -> Kind:
    """Check plain values, as a document of them would be checked.

    Args:
        content: What JSON can hold, tuples included.
        kind: What it must be.
        what: What it is called, with its article.
        where: Where it is from, for the error.
        remedy: The way out.
        error: The error to raise.

    Raises:
        InputError: ``error``: it is not what ``kind`` says, or no plain value.

    Example:
        >>> checked({"a": (1, 2)}, dict[str, tuple[int, int]], what="a pair")
        {'a': (1, 2)}
    """
    try:
        return _adapter(kind).validate_json(json.dumps(content), strict=True)
    except ValidationError as problem:
        fault = first_fault(problem)
    except (TypeError, ValueError, RecursionError):
        fault = "it holds other than plain values"
    raise error(f"{shortened(str(where), FAULT)} is not {what}, or is damaged: {fault}"
                f"{f'; {remedy}' if remedy else ''}")


def _adapter(kind: type[Kind]) -> TypeAdapter[Kind]:
    return cast("TypeAdapter[Kind]", _made_once(cast("Hashable", kind)))


@cache
def _made_once(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))
