"""Whether a folder holds the result of an audit, seen without importing what draws it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from radversary.core.errors import InputError


def check_result(folder: Path) -> None:
    """Refuse a folder without the result of an audit.

    Raises:
        InputError: It has none.

    Example:
        >>> check_result(Path("nowhere"))
        Traceback (most recent call last):
        radversary.core.errors.InputError: nowhere has no result.json; run an audit there first, or give its run folder
    """
    if not (folder / "result.json").is_file():
        raise InputError(f"{folder} has no result.json; run an audit there first, or give its run folder")


def check_results(folders: Iterable[Path]) -> None:
    """Refuse folders of which one has no result, as :func:`check_result` does."""
    for folder in folders:
        check_result(folder)
