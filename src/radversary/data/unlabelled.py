"""Films of which nothing is known but where they lie."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from radversary.core.errors import DataError
from radversary.data.files import is_folder, list_films
from radversary.data.mask_folders import folders_of_masks, lies_in
from radversary.data.names import image_ids, written
from radversary.data.reading import why_unread

NO_LABELS = "none"
"""The option ``labels`` of a source whose images have none."""


def films_without_labels(root: Path) -> tuple[pd.DataFrame, list[tuple[str, str]], tuple[str, ...]]:
    """Find the films below a folder, symbolic links followed, each once; folders of masks are passed over.

    Args:
        root: The folder.

    Returns:
        One row a film (``path``, ``key``: its path below ``root``, ``label`` and ``split``: nothing, ``image_id``,
        ``source``); what may hold films and cannot be read, each with the reason; and a sentence that says so.

    Raises:
        DataError: No folder, or no film in it.
    """
    if not is_folder(root):
        raise DataError(f"there is no folder {root}")
    listing = list_films(root)
    masks = folders_of_masks([path.relative_to(root).parts for path in listing.films])
    films = [path for path in listing.films if not lies_in(path.relative_to(root).parts, masks)]
    left_out = [(written(str(path)), why_unread(path) or f"cannot use {written(str(path))}: it changed meanwhile")
                for path in listing.unread]
    if not films:
        raise DataError(f"{root} holds no film" + (f"; the first of {len(left_out)} left out: {left_out[0][1]}"
                                                   if left_out else ""))
    keys = [path.relative_to(root).as_posix() for path in films]
    frame = pd.DataFrame({"label": "", "path": list(map(str, films)), "key": keys, "split": ""}, dtype=object)
    frame = frame.assign(image_id=image_ids(keys), source=written(root.resolve().name))
    return frame, left_out, ("the images are taken without labels",)
