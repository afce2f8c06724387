"""Refuse a result that was changed since its run was sealed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from radversary.core.errors import DataError
from radversary.evidence.files import MANIFEST
from radversary.evidence.manifest import read_manifest
from radversary.evidence.verify import is_changed

RESULT = "result.json"
"""The result of an audit."""


def refuse_changed_result(folder: Path) -> None:
    """Refuse a sealed run whose ``result.json`` is not the one that was sealed; a run without a seal passes.

    The signature is not looked at: that is what ``radversary verify`` does.

    Args:
        folder: A run folder.

    Raises:
        DataError: The result was changed, the manifest does not list it, or the manifest is damaged.
    """
    path = folder / MANIFEST
    if not (path.exists() or path.is_symlink()):
        return
    known = {file.path: file for file in read_manifest(folder).files}
    if RESULT not in known or is_changed(folder, known[RESULT]):
        raise DataError(f"{folder / RESULT} is not the one that was sealed; see what else was changed with: "
                        f"radversary verify {folder}")


def refuse_changed_results(folders: Iterable[Path]) -> None:
    """Refuse folders of which one has a changed result, as :func:`refuse_changed_result` does."""
    for folder in folders:
        refuse_changed_result(folder)
