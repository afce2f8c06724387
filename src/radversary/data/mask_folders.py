"""Folders of segmentation masks, which lie beside films and are not films."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from radversary.data.cells import plain

MASKS: Final = "masks"
"""Name of the folder in which ``radversary data phantoms`` keeps the masks of its pathologies; it is no class."""

_MASKS = re.compile(r".*(masks?|segmentations?)")
_IMAGES = re.compile(r"(.*[ ._-])?(images?|imgs?|films?|x[ ._-]?rays?|cxrs?)")


def folders_of_masks(paths: Collection[Sequence[str]]) -> set[tuple[str, ...]]:
    """Return the folders of masks that some files lie in.

    A folder is one where its name ends in mask, masks or segmentation(s) and it lies beside a folder of images, or
    below the first level beside files. ``masks`` at the first level always is one.

    Args:
        paths: The files' paths below the root, as names.

    Returns:
        The folders' paths below the root, as names.

    Example:
        >>> folders_of_masks([("COVID", "images", "1.png"), ("COVID", "masks", "1.png"), ("Normal", "2.png")])
        {('COVID', 'masks')}
    """
    folders = {tuple(path[:depth]) for path in paths for depth in range(1, len(path))}
    with_images = {folder[:-1] for folder in folders if _IMAGES.fullmatch(plain(folder[-1]))}
    with_files = {tuple(path[:-1]) for path in paths if len(path) > 1}
    return {folder for folder in folders if folder == (MASKS,) or (
        _MASKS.fullmatch(plain(folder[-1])) and folder[:-1] in with_images | with_files)}


def lies_in(path: Sequence[str], folders: Collection[tuple[str, ...]]) -> bool:
    """Tell whether a path lies in one of some folders, both as names below the root."""
    return any(tuple(path[:depth]) in folders for depth in range(1, len(path)))
