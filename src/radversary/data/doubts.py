"""Whether patients or classes are one or several, where how they are written leaves it in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from radversary.core.text import quoted
from radversary.data.cells import names_somebody
from radversary.data.spelling import is_rounded, spelt_apart

NAMED: Final = 20
"""Groups of classes that a sentence names, at most."""


def spelling(patients: Iterable[str], classes: Sequence[str] = ()) -> Iterator[str]:
    """Yield a sentence where it is in doubt whether patients or classes are one or several.

    Args:
        patients: Patient ids, those of unknown patients left out.
        classes: Class names.
    """
    for doubt in unsure_patients(patients):
        yield f"{doubt}: they count as different patients; where they are not, write them one way"
    if alike := spelt_apart(classes):
        pairs = "; ".join(" and ".join(map(quoted, group)) for group in alike[:NAMED])
        yield (f"{sum(map(len, alike))} classes differ from another only in how they are written ({pairs}): they count "
               "as different classes; where they are not, write them one way")
    if odd := [name for name in classes if not names_somebody(name)]:
        yield (f"the class {' and '.join(map(quoted, odd))} may stand for a label that is not known; where it does, "
               "leave its cell empty")


def unsure_patients(patients: Iterable[str]) -> Iterator[str]:
    """Yield what is in doubt of patient ids, those of unknown patients left out; no sentence names one."""
    names = set(patients)
    if alike := sum(map(len, spelt_apart(names))):
        yield (f"{alike} patient ids differ from another only in how they are written (case, leading zeros, marks, "
               "number format)")
    if rounded := sum(map(is_rounded, names)):
        yield f"{rounded} patient ids are numbers that a spreadsheet may have rounded (such as 1.2E+11)"
