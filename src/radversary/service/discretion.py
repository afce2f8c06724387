"""Sentences of errors and lines of logs without the names of films, which may hold a patient's."""

from __future__ import annotations

import re
from typing import Final

ENDINGS: Final = r"\.(?:png|jpe?g|dcm|dicom|ima|tiff?|bmp|webp|gif|npy|nii(?:\.gz)?)\b"
"""Endings of films, as their names have them."""

NAMED: Final = re.compile(rf"(?P<mark>['\"])[^'\"]*{ENDINGS}(?P=mark)|/[^'\":;]*?{ENDINGS}|[^\s'\"]+{ENDINGS}",
                          re.IGNORECASE)
"""A film's name or path: in quotation marks, from a slash on, or a word."""


def discreet(text: str) -> str:
    """Return a sentence in which a film is called a film, whatever its name.

    Args:
        text: The sentence.

    Example:
        >>> discreet("cannot use /films/Erika Mustermann.png: it lies in no class folder; nor 'E M.dcm', nor a.PNG")
        'cannot use a film: it lies in no class folder; nor a film, nor a film'
    """
    return NAMED.sub("a film", text)
