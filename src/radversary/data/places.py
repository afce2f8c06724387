"""What can be refused of a data source before pandas or PyTorch is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from radversary.core.errors import DataError
from radversary.data.registry import DATASETS
from radversary.storage.files import absent

WHAT: Final = {"root": "folder", "labels": "table", "path": "table"}
"""Options of a source that name what must be there, and what that is."""


def check_source(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a data source that is not known or whose folder or table is not there.

    What a source of another package means by its options, it alone knows.

    Args:
        name: The source's name.
        options: Its options.

    Raises:
        UnknownNameError: No such source, or no such option.
        DataError: A folder or table is not there.

    Example:
        >>> check_source("folder", {"root": "nowhere"})
        Traceback (most recent call last):
        radversary.core.errors.DataError: there is no folder nowhere
    """
    DATASETS.check(name, options)
    if not DATASETS.table()[name].startswith("radversary."):
        return
    for option, what in WHAT.items():
        given = options.get(option)
        if option == "labels" and given == "none":  # there are none
            continue
        if isinstance(given, str | Path) and "://" not in str(given) and absent(Path(given)):
            raise DataError(f"there is no {what} {given}")
