"""Patient ids: placeholders for unknown patients, and doubts where several sources give ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pandas as pd

from radversary.core.errors import PlanError
from radversary.data.table import UNKNOWN_PATIENT

PATIENT_FROM: Final = "patient_from"
"""Column of what named the patient of each image, in a table of images whose patients several sources named."""

TABLE, HEADER, BOTH, CONTRADICTED = "table", "header", "both", "contradicted"
"""What the column says: the table alone or otherwise spelt, the header alone, both alike, the table against the header;
empty where neither did."""

_NOBODY = re.compile(
    r"x{2,}|(patient|subject|name|phi|id)?(anon(ym|ymous|ymi[sz]ed)?|deid(entified|entification)?|removed|redacted|"
    r"deleted|hidden|masked|withheld|unknown|noname|noid|nopatient)(patient|subject|name|phi|id)?")
_ZEROS = re.compile(r"0+")
_MARKS = re.compile(r"[\W_]+")


def known_patients(ids: pd.Series[str]) -> pd.Series[str]:
    """Return patient ids with those that stand for nobody left empty.

    Such are words that anonymisers write (``Anonymous^Patient``, ``PHI Removed``, ``XXXX``), and zeros where no image
    has another id: a lone ``0`` among other ids is the first patient.

    Args:
        ids: Text, empty where nothing is known.

    Example:
        >>> known_patients(pd.Series(["7", "DEIDENTIFIED", "0", "PHI Removed"])).tolist()
        ['7', '', '0', '']
        >>> known_patients(pd.Series(["0", "", "0"])).tolist()
        ['', '', '']
    """
    if ids.empty:
        return ids
    known = ids.where(~ids.map(lambda name: bool(_NOBODY.fullmatch(_MARKS.sub("", name).casefold()))), "")
    zeros = known.map(lambda name: bool(_ZEROS.fullmatch(name)))
    return known.where(~zeros, "") if (zeros | (known == "")).all() else known


def check_pattern(pattern: str | None) -> None:
    """Refuse a pattern of file names that finds no patient.

    Args:
        pattern: A regular expression with a group, or None.

    Raises:
        PlanError: It is no regular expression, or has no group.
    """
    try:
        groups = re.compile(pattern or "()").groups
    except re.error as error:
        raise PlanError(f"patient_pattern {pattern!r} is no regular expression: {error}") from error
    if groups < 1:
        raise PlanError(f"patient_pattern {pattern!r} needs a group in parentheses")


def patient_in(name: str, pattern: str) -> str:
    r"""Return the patient in a file's name, leading zeros of a number dropped, or an empty string.

    Args:
        name: The file's name.
        pattern: Regular expression with one group.

    Returns:
        The patient id.

    Example:
        >>> patient_in("00011097_002.png", r"(\d+)_")
        '11097'
    """
    match = re.search(pattern, name)
    found = match[1] or "" if match else ""
    return str(int(found)) if found.isdecimal() else found


def named_by(table: pd.Series[str], header: pd.Series[str], unlike: pd.Series[bool]) -> pd.Series[str]:
    """Return what named each image's patient.

    Args:
        table: Ids that the table says, empty where it says none.
        header: Ids that the headers say.
        unlike: Whether the two are other people.

    Returns:
        ``table``, ``header``, ``both``, ``contradicted`` or an empty string for each.
    """
    source = pd.Series("", index=table.index, dtype=object)
    for which, name in ((header != "", HEADER), (table != "", TABLE), (unlike, CONTRADICTED),
                        ((table != "") & (table == header), BOTH)):
        source = source.mask(which, name)
    return source


def doubts_on_patients(frame: pd.DataFrame) -> Iterator[str]:
    """Yield why a person's films may bear several ids.

    Args:
        frame: Rows of a table of images.
    """
    if count := int(_unknown(frame).sum()):
        yield f"the patients of {count} of {len(frame)} images are not known"
    if count := int((frame.get(PATIENT_FROM, pd.Series(dtype=object)) == CONTRADICTED).sum()):
        yield f"table and DICOM headers name different patients for {count} of {len(frame)} images"
    if mixed := mixed_sources(frame):
        yield mixed


def mixed_sources(frame: pd.DataFrame) -> str:
    """Return a sentence on patient ids of several sources, empty where one source has named every patient.

    Args:
        frame: Rows of a table of images.
    """
    if PATIENT_FROM not in frame:
        return ""
    counts = frame[PATIENT_FROM][~_unknown(frame)].replace(CONTRADICTED, TABLE).value_counts().to_dict()
    table, header, both, name = (counts.get(source, 0) for source in (TABLE, HEADER, BOTH, ""))
    if not ((table and header) or (name and (table or header or both))):
        return ""
    parts = ((table, "a table"), (header, "DICOM headers"), (both, "both alike"), (name, "file names"))
    return ("patient ids come from several sources, which may name one person differently: "
            + ", ".join(f"those of {count} images from {source}" for count, source in parts if count))


def _unknown(frame: pd.DataFrame) -> pd.Series[bool]:
    return frame["patient_id"].str.startswith(UNKNOWN_PATIENT)
