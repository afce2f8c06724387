"""What a log may say of an error of the program itself: where it was, not what it was given."""

from __future__ import annotations

import traceback


def places_of(error: BaseException) -> str:
    """Return the types of an error and of those behind it, and the lines of the program where they were raised.

    Their texts are left out: they may quote a film's name or what its headers say.

    Args:
        error: The error.

    Example:
        >>> places_of(ValueError("Erika Mustermann"))
        'ValueError'
    """
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [] if behind is None else [places_of(behind)]
    return "\n".join((*lines, *(f"  {frame.filename}:{frame.lineno} in {frame.name}"
                                for frame in traceback.extract_tb(error.__traceback__)), type(error).__name__))
