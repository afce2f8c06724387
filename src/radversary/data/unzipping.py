"""Takes archives apart without trusting them."""

from __future__ import annotations

import shutil
import stat
import zlib
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import BadZipFile, ZipFile, ZipInfo

from radversary.core.errors import DataError
from radversary.core.text import quoted
from radversary.data.endings import is_litter
from radversary.execution.progress import track
from radversary.storage.files import storage_errors

LARGEST: Final = 2**37
"""Bytes that an archive may hold: 128 GiB, more than all of NIH ChestX-ray14."""

MOST: Final = 5_000_000
"""Files that an archive may hold."""

RATIO: Final = 200
"""How many times its packed size a file may be, beyond the first MiB: images hardly shrink, tables twentyfold."""

_FREE, _CHUNK = 2**20, 2**20


def unzip(archive: Path, folder: Path) -> Path:
    """Take a ZIP archive apart, whole or not at all.

    Args:
        archive: The archive.
        folder: Where its files go; must not be there.

    Returns:
        ``folder``; nothing outside it is written. Hidden files and what systems leave behind are passed over.

    Raises:
        DataError: No archive, damaged or encrypted, a path that leads out of it, a link, a name twice, or more than
            ``LARGEST`` bytes, ``MOST`` files, ``RATIO`` times its own size, or the free space of the disk.
        StorageError: Writing failed.
    """
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with storage_errors(folder), ZipFile(archive) as opened:
            inside = _checked(opened, archive, folder)
            part.mkdir(parents=True)
            for name, info in track(list(inside.items()), "unpacking", total=len(inside)):
                _extract(opened, info, part / name, archive)
            part.replace(folder)
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{archive} is no ZIP archive that can be read: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _checked(opened: ZipFile, archive: Path, folder: Path) -> dict[PurePosixPath, ZipInfo]:
    """Return the files of an archive that are taken, by their path in it.

    Raises:
        DataError: As :func:`unzip`.
    """
    files = [info for info in opened.infolist() if not info.filename.endswith("/")]
    inside: dict[PurePosixPath, ZipInfo] = {}
    for info in files:
        name = _name(info, archive)
        if any(map(is_litter, name.parts)):
            continue
        if name in inside:
            raise DataError(f"{archive} holds {quoted(info.filename)} twice")
        inside[name] = info
    size = sum(info.file_size for info in files)
    free = shutil.disk_usage(next(place for place in folder.absolute().parents if place.is_dir())).free
    for count, limit, what in ((len(files), MOST, "files, allowed are"), (size, LARGEST, "bytes, allowed are"),
                               (size, free, "bytes, the disk has room for")):
        if count > limit:
            raise DataError(f"{archive} holds {count} {what} {limit}; nothing was unpacked")
    return inside


def _name(info: ZipInfo, archive: Path) -> PurePosixPath:
    """Return a file's path in the archive.

    Raises:
        DataError: It leads out of it, the file is a link, is encrypted, or shrinks too much.
    """
    name, shown = PurePosixPath(info.filename.replace("\\", "/")), quoted(info.filename)
    if not name.parts or name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        raise DataError(f"{archive} holds {shown}, which leads out of the archive; nothing was unpacked")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise DataError(f"{archive} holds {shown}, which is a link or no regular file; nothing was unpacked")
    if info.flag_bits & 1:
        raise DataError(f"{archive} is encrypted; unpack it and give the folder")
    if info.file_size > _FREE + RATIO * info.compress_size:
        raise DataError(f"{archive} holds {shown}, which is {info.file_size} bytes packed into {info.compress_size}; "
                        "nothing was unpacked")
    return name


def _extract(opened: ZipFile, info: ZipInfo, path: Path, archive: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = info.file_size
    with opened.open(info) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:  # its header does not tell the truth
                raise DataError(f"{archive} holds {quoted(info.filename)}, which is larger than it says")
            target.write(chunk)
