"""Uploads: kept whole or not at all; a zip is unpacked with care, and nothing in it is executed."""

from __future__ import annotations

import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from anyio import open_file, to_thread

from radversary.core.errors import DataError, InputError, StorageError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.errors import FullError, TooLargeError
from radversary.service.platform import Platform
from radversary.service.store.log import note
from radversary.service.store.tables import new_id
from radversary.storage.files import FULL

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
"""Names that an uploaded file may have."""

ENTRIES: Final = 500_000
"""Files in a zip, at most."""

BROKEN: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
                 ValueError, OverflowError)
"""What the reader of zips raises where one is damaged, cut short, encrypted or packed by a rare method."""

RATIO: Final = 100
"""How many times larger a zip may be unpacked; films are hardly smaller in one."""


async def keep_upload(platform: Platform, by: Actor, name: str, body: AsyncIterator[bytes]) -> Path:
    """Keep a file, written as it arrives; what is cut short or too large leaves nothing.

    Of its name the ending alone is kept: it may hold a patient's.

    Args:
        platform: The platform.
        by: Who sends it.
        name: Its name, which must be plain.
        body: Its bytes.

    Returns:
        Its path; of a zip the folder into which it was unpacked.

    Raises:
        ForbiddenError: The key does not allow it.
        FullError: The disk is nearly full.
        InputError: A name with a path in it, an empty file, or a damaged zip.
        TooLargeError: It is larger than an upload may be.
    """
    by.need(Scope.WRITE)
    if not NAME.fullmatch(name):
        raise InputError("an upload's name has letters, digits, dots, hyphens and underscores, and begins with a "
                         "letter or a digit")
    folder = platform.settings.folder("tenants", by.tenant, "uploads", new_id())
    ending = PurePosixPath(name).suffix.lower()
    path = folder / f"upload{ending}"
    try:
        size = await _written(platform, path, body)
        kept = await to_thread.run_sync(_unpacked, path, platform) if ending == ".zip" else path
        await to_thread.run_sync(_stored, platform, by, folder, size)
    except BaseException:  # a client that goes away, too
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return kept


async def _written(platform: Platform, path: Path, body: AsyncIterator[bytes]) -> int:
    size = 0
    async with await open_file(path, "xb") as file:
        async for part in body:
            size += len(part)
            if size > platform.settings.upload:
                raise TooLargeError(f"an upload has {platform.settings.upload} bytes at most")
            platform.check_room(len(part))
            await file.write(part)
    if not size:
        raise InputError("the upload is empty")
    return size


def _stored(platform: Platform, by: Actor, folder: Path, size: int) -> None:
    """Store an upload and note it; where one of both fails, neither is left."""
    try:
        platform.blobs.keep_upload(folder)
        with platform.database.session() as session:
            note(session, tenant=by.tenant, actor=by.id, action="upload.keep", subject=folder.name,
                 detail={"bytes": size})
    except BaseException:
        with suppress(StorageError):  # which cannot be reached, perhaps: the error that is told is the first one
            platform.blobs.forget(folder)
        raise


def _unpacked(path: Path, platform: Platform) -> Path:
    """Unpack a zip beside itself and remove it; returns the folder."""
    folder = path.with_suffix("")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check(entries, path.stat().st_size)
            platform.check_room(sum(entry.file_size for entry in entries))
            for entry in entries:
                target = folder.joinpath(*PurePosixPath(entry.filename).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as given, target.open("xb") as file:
                    shutil.copyfileobj(given, file)
    except OSError as error:
        if error.errno in FULL:
            raise FullError("the disk is full; nothing of the upload is kept") from error
        raise DataError("the zip holds two files of one name, or a name that no file can have") from error
    except BROKEN as error:
        raise DataError(f"the zip cannot be unpacked ({type(error).__name__})") from error
    path.unlink()
    inner = list(folder.iterdir())
    if len(inner) != 1 or not inner[0].is_dir():
        return folder
    return inner[0].rename(folder.with_name("files"))


def _check(entries: list[zipfile.ZipInfo], packed: int) -> None:
    """Refuse a zip whose files would lie elsewhere, are no plain files, or are far larger than itself."""
    if not entries or len(entries) > ENTRIES:
        raise DataError(f"a zip holds 1 to {ENTRIES} files, this one {len(entries)}")
    if sum(entry.file_size for entry in entries) > RATIO * packed:
        raise DataError(f"the zip would be more than {RATIO} times larger unpacked")
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        link = entry.external_attr >> 28 == 0o12
        if not parts or parts[0] in ("/", "\\") or ".." in parts or ":" in parts[0] or link or "\\" in entry.filename:
            raise DataError("the zip holds a file that would lie outside its folder")
