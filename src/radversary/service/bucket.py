"""Objects in a bucket or folder that an fsspec URL names. The only file that imports fsspec.

Credentials and endpoints come from the environment, as the file system takes them (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, a profile or a machine's role for ``s3://``); they are neither read nor kept here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from radversary.core.errors import InputError, MissingPartError, StorageError

ATOMIC: Final = frozenset({"s3", "s3a", "memory"})
"""Protocols whose objects appear whole; in others an object is written under another name first."""


class Bucket:
    """Objects by name under one URL. Objects are written whole or not at all.

    Args:
        url: ``s3://bucket/prefix`` or another URL that fsspec knows.

    Raises:
        InputError: No URL, or one that holds credentials.
        MissingPartError: The library for its protocol is not installed.
        StorageError: It cannot be used.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        check_url(url)
        self.url, self.protocol = url.rstrip("/"), url.partition("://")[0]
        local: dict[str, Any] = {"auto_mkdir": True} if self.protocol in ("file", "local") else {}
        try:
            self.files, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False, **local)
        except ImportError as error:
            raise MissingPartError(f"blobs at {self.protocol}:// need a library that is not installed; for s3:// it is "
                                   "s3fs: pip install 'radversary[s3]'") from error
        except Exception as error:
            raise StorageError(f"the blobs at {self.url} cannot be used ({type(error).__name__})") from error
        self.root = str(root).rstrip("/")

    def under(self, folder: str) -> dict[str, tuple[int, str]]:
        """Return the objects and folders right under a name.

        Args:
            folder: The name; the empty one for all.

        Returns:
            Last part of each one's name to its size in bytes and a mark that changes with its content.
        """
        with self._reached():
            try:
                found = self.files.ls(self._key(folder), detail=True, refresh=True) if self.protocol.startswith("s3") \
                    else self.files.ls(self._key(folder), detail=True)
            except FileNotFoundError:
                return {}
        named = ((item["name"].rstrip("/").rpartition("/")[2], item) for item in found)
        return {name: (int(item.get("size") or 0), _mark(item)) for name, item in named
                if item["name"].rstrip("/") != self._key(folder) and not name.startswith(".part-")}

    def below(self, folder: str) -> dict[str, int]:
        """Return all objects below a name, those among them that a killed writer left.

        Args:
            folder: The name.

        Returns:
            The rest of each one's name to its size in bytes.
        """
        key = self._key(folder)
        with self._reached():
            try:
                found = self.files.find(key, detail=True)
            except FileNotFoundError:
                return {}
        return {name.removeprefix(key).lstrip("/"): int(item.get("size") or 0) for name, item in found.items()
                if name.startswith(f"{key}/")}

    def read(self, name: str) -> bytes:
        """Return an object.

        Raises:
            StorageError: It is absent or cannot be reached.
        """
        with self._reached():
            content: bytes = self.files.cat_file(self._key(name))
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write an object."""
        with self._reached(), self._whole(name) as key:
            self.files.pipe_file(key, content)

    def send(self, path: Path, name: str) -> None:
        """Write an object from a file."""
        with self._reached(), self._whole(name) as key:
            self.files.put_file(str(path), key)

    def receive(self, name: str, path: Path) -> None:
        """Write a file from an object.

        Raises:
            StorageError: The object is absent or cannot be reached.
        """
        with self._reached():
            self.files.get_file(self._key(name), str(path))

    def remove(self, names: list[str]) -> None:
        """Remove objects; those that are gone are passed over."""
        with self._reached():
            for name in names:
                try:
                    self.files.rm_file(self._key(name))
                except FileNotFoundError:
                    continue

    def _key(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    @contextmanager
    def _whole(self, name: str) -> Iterator[str]:
        key = self._key(name)
        if self.protocol in ATOMIC:
            yield key
            return
        part = f"{key.rpartition('/')[0]}/.part-{secrets.token_hex(8)}"
        yield part
        self.files.mv(part, key)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Raise one error with one sentence for whatever a file system raises; its own text may quote a credential."""
        try:
            yield
        except FileNotFoundError as error:
            raise StorageError(f"something is missing from the blobs at {self.url}") from error
        except StorageError:
            raise
        except Exception as error:
            raise StorageError(f"the blobs at {self.url} cannot be reached or used ({type(error).__name__})") from error


def check_url(url: str) -> None:
    """Refuse what is no URL, and one with credentials: it would be seen in lists of processes and in logs.

    Raises:
        InputError: It is such.

    Example:
        >>> check_url("s3://key:secret@bucket/prefix")
        Traceback (most recent call last):
        radversary.core.errors.InputError: the URL of the blobs holds credentials; give them by the environment
    """
    protocol, mark, rest = url.partition("://")
    if not mark or not protocol or not rest.strip("/"):
        raise InputError("blobs are given by a URL such as s3://bucket/prefix")
    if "@" in rest or "?" in rest:
        raise InputError("the URL of the blobs holds credentials; give them by the environment")


def _mark(item: dict[str, Any]) -> str:
    return str(item.get("ETag") or item.get("mtime") or item.get("created") or item.get("LastModified") or "")
