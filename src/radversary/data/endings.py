"""Names of files and folders: which stand for films, for images of kinds that are not read, or for neither."""

from __future__ import annotations

import re
from typing import Final

FILMS: Final = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".dcm", ".dicom", ".dic", ".ima"})
"""Endings of the kinds that are read, in lower case."""

UNREAD: Final = {
    **dict.fromkeys((".bmp", ".dib", ".tif", ".tiff", ".gif", ".webp", ".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf",
                     ".jls", ".jxl", ".jxr", ".heic", ".heif", ".avif", ".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".exr",
                     ".tga", ".psd", ".svs", ".raw"), "a picture of another kind"),
    **dict.fromkeys((".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgh", ".mgz", ".mnc", ".hdr", ".img"), "a volume"),
    **dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5", ".tfrecord"), "an array"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".7z", ".rar"), "an archive"),
}
"""Endings of images, volumes, arrays and archives of kinds that are not read, each with what such a file is."""

SIDECARS: Final = frozenset({
    ".txt", ".json", ".jsonl", ".csv", ".tsv", ".xls", ".xlsx", ".ods", ".xml", ".yaml", ".yml", ".toml", ".ini",
    ".cfg", ".md", ".rst", ".html", ".htm", ".pdf", ".doc", ".docx", ".log", ".py", ".ipynb", ".sh", ".md5", ".sha256",
    ".bib", ".db", ".lnk", ".url", ".lock"})
"""Endings of what lies beside films and is none, in lower case."""

LITTER: Final = frozenset({
    "thumbs.db", "desktop.ini", "ehthumbs.db", "dicomdir", "__macosx", "$recycle.bin", "recycler", "lost+found",
    "system volume information", "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"})
"""Names of files and folders that systems, network drives and archives leave behind, in lower case."""

_BACKUP = re.compile(r".+(~|\.(bak|old|orig|swp)\d*)|#.*#")
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4"})


def is_litter(name: str) -> bool:
    """Tell whether a file or folder is hidden, a backup, or left behind by a system: nothing of it counts.

    Example:
        >>> [is_litter(name) for name in (".DS_Store", "@eaDir", "x.png~", "x.png.bak", "x.png", "#7")]
        [True, True, True, True, False, False]
    """
    low = name.lower()
    return low.startswith(".") or low in LITTER or _BACKUP.fullmatch(low) is not None


def is_sidecar(name: str) -> bool:
    """Tell whether a file lies beside films and is none by its name, compressed or not.

    Example:
        >>> [is_sidecar(name) for name in ("labels.csv", "labels.csv.gz", "x.dcm.gz", "IM0001")]
        [True, True, False, False]
    """
    stem, ending = _divided(name)
    return ending in SIDECARS or (ending in _COMPRESSED and _divided(stem)[1] in SIDECARS)


def ending_of(name: str) -> str:
    """Return the last ending of a file's name in lower case, with its dot; empty where it has none."""
    return _divided(name)[1]


def kind_by_name(name: str) -> str:
    """Return what a file of a kind that is not read is by its name; empty where the name says nothing.

    Example:
        >>> kind_by_name("x.nii.gz"), kind_by_name("x.dcm.gz"), kind_by_name("x.png")
        ('a volume', 'an archive', '')
    """
    stem, ending = _divided(name)
    inner = UNREAD.get(_divided(stem)[1], "") if ending in _COMPRESSED else ""
    return inner if inner == "a volume" else UNREAD.get(ending, "")


def _divided(name: str) -> tuple[str, str]:
    """Return a name in lower case without its last ending, and that ending with its dot."""
    stem, dot, ending = name.lower().rpartition(".")
    return (stem, dot + ending) if stem else (name.lower(), "")
