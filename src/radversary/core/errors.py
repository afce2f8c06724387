"""Everything that radversary raises on purpose.

RadversaryError
├── InputError               what a person gave cannot be used (exit code 2)
│   ├── UnknownNameError     a name that no registry, plan or table knows
│   ├── PlanError            a plan that contradicts itself or the data
│   ├── BudgetError          an attack that went further than it declares
│   ├── DataError            images or tables that cannot be used
│   │   ├── UnreadableImageError
│   │   └── MissingColumnError
│   ├── BusyError            another process writes there
│   ├── TensorError          a tensor outside the pixel contract
│   └── ModelError           a model that does not fit or cannot be loaded
│       ├── UnsafeModelError     loading it could execute code
│       └── AccessError          it offers less access than an attack needs
├── MissingPartError         an optional library or a weights file is not installed
├── CancelledError           it was asked to stop (exit code 130)
├── WorkerError              a process that took part in the work ended before it was done
└── StorageError             a file could not be written
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from radversary.core.text import sentence


class RadversaryError(Exception):
    """Base of all errors raised on purpose; its text is one sentence for a person.

    Names and values from files are quoted in it, so that it is cleaned here, once: no control character, and
    :data:`radversary.core.text.SENTENCE` characters at most.

    Args:
        text: The sentence.
        advice: Lines that follow it, such as those of a small program.
    """

    def __init__(self, text: str, *, advice: Sequence[str] = ()) -> None:
        super().__init__("\n  ".join(map(sentence, (text, *advice))))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the sentence, so that an error of another process arrives as it was raised there."""
        return _again, (type(self), str(self), self.__dict__)


def _again(kind: type[RadversaryError], text: str, attributes: dict[str, object]) -> RadversaryError:
    error = kind.__new__(kind)
    error.args = (text,)
    error.__dict__.update(attributes)
    return error


class InputError(RadversaryError):
    """Something a person gave cannot be used."""


class UnknownNameError(InputError):
    """A name that is not in the list it was looked up in.

    Args:
        kind: What the name is for, such as ``attack`` or ``plan key``.
        given: The name as given.
        known: The names that exist.

    Example:
        >>> str(UnknownNameError("attack", "stlye", ["style", "identity"]))
        "unknown attack 'stlye'; did you mean 'style'? Known: identity, style"
    """

    def __init__(self, kind: str, given: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(given, names, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        super().__init__(f"unknown {kind} {given!r}{hint} Known: {', '.join(names) or 'none'}")
        self.kind, self.given, self.known = kind, given, tuple(names)


class PlanError(InputError):
    """A plan contradicts itself, the data or the model."""


class BudgetError(InputError):
    """An attack changed an image further, or asked the classifier more often, than the budget that it declares."""


class DataError(InputError):
    """Images or tables cannot be used."""


class UnreadableImageError(DataError):
    """One image file cannot be read; the run goes on without it.

    Args:
        path: The file.
        reason: Why, in a few words.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"cannot read {path}: {reason}")
        self.path, self.reason = str(path), reason


class MissingColumnError(DataError):
    """A table lacks a column that was asked for.

    Args:
        table: The file.
        column: The missing column.
        present: The columns it has.
    """

    def __init__(self, table: object, column: str, present: Iterable[str]) -> None:
        names = list(present)
        near = difflib.get_close_matches(column, names, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        super().__init__(f"{table} has no column {column!r}{hint} (columns: {', '.join(names)})")
        self.column = column


class BusyError(InputError):
    """Another process writes what this one was asked to write."""


class TensorError(InputError):
    """A tensor is outside the pixel contract: float32 (N, C, H, W) in [0, 1], C 1 or 3."""


class ModelError(InputError):
    """A model does not fit the data or cannot be loaded."""


class UnsafeModelError(ModelError):
    """A model file could execute code when it is loaded."""


class AccessError(ModelError):
    """A classifier offers less access than an attack needs."""


class MissingPartError(RadversaryError):
    """An optional library or a weights file is absent; the text says how to get it."""


class CancelledError(RadversaryError):
    """Work was cancelled; no file is half-written."""


class WorkerError(RadversaryError):
    """A process that took part in the work ended before it was done."""


class StorageError(RadversaryError):
    """A file could not be written."""


def lacks_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out; PyTorch says so in an error of another kind."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("allocate memory", "out of memory")))
