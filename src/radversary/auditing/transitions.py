"""Which class is read as which under attack, in an audit's result: records."""

from __future__ import annotations

from radversary.auditing.schema import Record
from radversary.core.types import Estimate


class Transition(Record):
    """Images of one class, read rightly when clean, that are read as another under attack.

    Attributes:
        found: The class that is there.
        read: The class that is read under attack.
        images: Images that turned.
        share: Their share of the images of ``found`` that the same defence reads rightly when clean.
    """

    found: str
    read: str
    images: int
    share: Estimate


class TransitionTable(Record):
    """All transitions of one defence under one condition.

    Attributes:
        condition: Key of the condition.
        defence: The defence's label.
        counts: Images, rows what is there and was read when clean, columns what is read under attack, in the order of
            the classes.
        transitions: Those that occur, the largest share first.
    """

    condition: str
    defence: str
    counts: tuple[tuple[int, ...], ...]
    transitions: tuple[Transition, ...]
