"""A copy of a platform in one file, and a platform from such a file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from radversary import __version__
from radversary.core.errors import InputError
from radversary.service.operations.moving import moved
from radversary.service.settings import Settings
from radversary.storage.files import storage_errors

STORE: Final = "store.sqlite"
"""The store's name, in a home folder and in a backup."""

ABOUT: Final = "backup.json"
"""What a backup says of itself."""

TREES: Final = ("jobs", "tenants")
"""Folders of a home that hold what cannot be made anew."""


class Kept(NamedTuple):
    """What a backup holds.

    Attributes:
        path: The file.
        jobs: Job folders in it; 0 where it holds the store alone.
        size: Bytes.
    """

    path: Path
    jobs: int
    size: int


def back_up(settings: Settings, out: Path, *, files: bool) -> Kept:
    """Write a backup, whole or not at all; the platform may run meanwhile.

    The store is copied first. A job that goes on while its files are copied is, in the backup, one that runs: restored,
    it finds its files and goes on.

    Args:
        settings: Of the platform.
        out: The file, a tar archive that its owner alone may read; none may be there.
        files: Whether the folders of jobs and uploads are in it; else the store alone is, and the folders must be
            copied by other means. What lies in a bucket is never in it.

    Raises:
        InputError: The store is PostgreSQL's, there is no store, or the file is there.
        StorageError: Writing failed.
    """
    if settings.kind != "sqlite":
        raise InputError("the store is in PostgreSQL: back it up with pg_dump, then copy the folders of --home")
    if not (settings.home / STORE).is_file():
        raise InputError(f"{settings.home} holds no platform: it has no {STORE}")
    if out.exists():
        raise InputError(f"{out} exists; a backup writes over nothing")
    trees = TREES if files and not settings.blobs else ()
    with storage_errors(out), _private(out) as part, tarfile.open(part, "w") as archive:
        with tempfile.TemporaryDirectory(dir=part.parent, prefix=".backup-") as folder:
            copy = Path(folder, STORE)
            copied(settings.home / STORE, copy)
            about = Path(folder, ABOUT)
            about.write_text(json.dumps({**summary(copy), "home": str(settings.home.resolve()),
                                         "files": bool(trees)}))
            archive.add(about, ABOUT)
            archive.add(copy, STORE)
        for path in (path for tree in trees for path in files_of(settings.home / tree)):
            with open_file(path) as found:
                if found:
                    archive.add(path, path.relative_to(settings.home).as_posix(), recursive=False)
    return Kept(out, sum(1 for _ in (settings.home / "jobs").glob("*")) if trees else 0, out.stat().st_size)


@contextmanager
def open_file(path: Path) -> Iterator[bool]:
    """Say whether a file is still there: files come and go where the platform runs."""
    try:
        yield path.is_file()
    except FileNotFoundError:
        if path.exists():
            raise


@contextmanager
def _private(out: Path) -> Iterator[Path]:
    """Yield a new file beside another, which becomes that one where all went well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        os.link(part, out)
    finally:
        part.unlink(missing_ok=True)


def copied(store: Path, copy: Path) -> None:
    """Copy a SQLite database as it is at one moment, whoever writes it meanwhile."""
    with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as source, \
            closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def summary(store: Path) -> dict[str, Any]:
    """Return what a backup says of its store: when, by what, and the end of the audit log, to be noted elsewhere."""
    with closing(sqlite3.connect(store)) as opened:
        last = opened.execute("SELECT number, digest FROM log ORDER BY number DESC LIMIT 1").fetchone()
        number, digest = last or (0, "")
        (schema,) = opened.execute("SELECT version_num FROM alembic_version").fetchone()
    return {"created": time.time(), "version": __version__, "schema": schema, "lines": number, "last": digest}


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the plain files under a folder, in order; no links, and no locks."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name != ".lock":
            yield path


def restore(settings: Settings, archive: Path) -> dict[str, Any]:
    """Make a home folder of a backup, whole or not at all.

    Args:
        settings: Of the platform, whose home must be absent or empty.
        archive: The backup.

    Returns:
        What the backup says of itself.

    Raises:
        InputError: The home is not empty, or the file is no backup of this or an earlier version.
        StorageError: Writing failed.
    """
    if settings.kind != "sqlite":
        raise InputError("a backup restores a SQLite store; restore PostgreSQL's with pg_restore")
    home = settings.home
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise InputError(f"{home} is not empty; a backup is restored into an empty folder alone")
    with storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".restoring-", dir=home))
        try:
            about = _unpacked(archive, work)
            moved(work / STORE, str(about["home"]), str(home.resolve()))
            for name in (*TREES, STORE):  # the store last: without it there is no platform
                if (work / name).exists():
                    (work / name).rename(home / name)
        except BaseException:
            for name in TREES:
                shutil.rmtree(home / name, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return about


def _unpacked(archive: Path, folder: Path) -> dict[str, Any]:
    try:
        with tarfile.open(archive, "r:") as opened:
            for member in opened:
                if not _fits(member):
                    raise InputError(f"{archive} is no backup: it holds {member.name[:80]!r}")
                opened.extract(member, folder, filter="data")
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
        with closing(sqlite3.connect(folder / STORE)) as store:
            (state,) = store.execute("PRAGMA integrity_check").fetchone()
        if state != "ok" or not about["home"]:
            raise InputError(f"{archive} is damaged: {state}")
    except (tarfile.TarError, KeyError, ValueError, TypeError, FileNotFoundError, sqlite3.DatabaseError) as error:
        raise InputError(f"{archive} is no whole backup ({type(error).__name__})") from error
    return about


def _fits(member: tarfile.TarInfo) -> bool:
    parts = PurePosixPath(member.name).parts
    return member.isfile() and ".." not in parts and (member.name in {ABOUT, STORE} or parts[0] in TREES)
