"""Cached results on disk: table rows under a key that hashes all that they depend on."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import Final

import pandas as pd

from radversary.storage.files import write_whole

DIGITS: Final = 32
"""Hexadecimal digits of a hash that make a file's or folder's name."""


class ResultCache:
    """Tables by key, a folder a key, added to part by part.

    Each part is a parquet file named by the hash of its content: a part that was damaged or changed by hand is passed
    over as if it were absent, and a stopped process leaves whole parts alone.

    Args:
        folder: Where the keys' folders are.

    Example:
        >>> import tempfile
        >>> cache = ResultCache(Path(tempfile.mkdtemp()))
        >>> cache.add("a" * 64, pd.DataFrame({"item": ["x"], "value": [1.0]}))
        >>> cache.read("a" * 64)["item"].tolist(), cache.read("b" * 64).empty
        (['x'], True)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> pd.DataFrame:
        """Return all rows under a key, in the order in which their parts' names sort; an empty table where none are."""
        parts = [self._part(path) for path in sorted(self._place(key).glob("*.parquet"))]
        whole = [part for part in parts if part is not None]
        return pd.concat(whole, ignore_index=True) if whole else pd.DataFrame()

    def add(self, key: str, rows: pd.DataFrame) -> None:
        """Store further rows under a key.

        Raises:
            StorageError: Writing failed; nothing half-written is left.
        """
        file = io.BytesIO()
        rows.to_parquet(file, index=False)
        content = file.getvalue()
        path = self._place(key) / f"{sha256(content).hexdigest()[:DIGITS]}.parquet"
        write_whole(path, lambda part: part.write_bytes(content))

    def _place(self, key: str) -> Path:
        return self.folder / key[:DIGITS]

    @staticmethod
    def _part(path: Path) -> pd.DataFrame | None:
        content = path.read_bytes()
        if sha256(content).hexdigest()[:DIGITS] != path.stem:
            return None
        return pd.read_parquet(io.BytesIO(content))
