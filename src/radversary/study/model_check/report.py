"""What the checks of a model found: a record of one line a check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from radversary.core.types import Estimate, Task
from radversary.storage.documents import Document

State = Literal["ok", "wrong", "note", "measured", "not looked at"]
"""What a check says: ``note`` is to be read, ``measured`` is a figure of which nothing is expected."""

SCHEMA_VERSION: Final = 1


class Figure(Document):
    """A figure with its 95 % interval.

    Attributes:
        value: The figure.
        low: Lower end.
        high: Upper end.
        n: Images behind it.
    """

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, estimate: Estimate) -> Figure:
        """Return an estimate as it is stored."""
        return cls(value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n)

    def beyond(self, other: Figure) -> bool:
        """Return whether it is higher than another beyond both intervals.

        Example:
            >>> low, high = (Figure(value=v, low=v - 0.1, high=v + 0.1, n=9) for v in (0.5, 0.8))
            >>> high.beyond(low), low.beyond(high)
            (True, False)
        """
        return self.low > other.high

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


class Check(Document):
    """One check of a model.

    Attributes:
        name: What was looked at.
        state: What it says.
        value: The figure that decides it; None where there is none, or it is no finite number.
        found: The figure in words, with its unit.
        expected: What a sound model has.
        sentence: What is wrong and the way out, what is to be noted, or why it was not looked at.
        figures: Further figures by name, such as the balanced accuracy under each input range.
    """

    name: str
    state: State
    value: float | None = None
    found: str = ""
    expected: str = ""
    sentence: str = ""
    figures: Mapping[str, Figure] = Field(default_factory=dict)


class ModelReport(Document):
    """All checks of a model.

    Attributes:
        schema_version: Of this form.
        model: The model's name.
        architecture: What its card calls its network.
        access: ``labels``, ``scores`` or ``gradients``.
        task: What it decides.
        classes: Its classes in the order of the logits.
        fingerprint: What its answers are known by; empty where it has none.
        images: Images of the data that were looked at.
        patients: Their patients.
        checks: One line a check.
        notes: What is to be known of the data, one sentence each.

    Example:
        >>> report = ModelReport(model="m", architecture="x", access="scores", task="binary", classes=("a", "b"),
        ...                      checks=(Check(name="repeat", state="wrong"), Check(name="batch", state="ok")))
        >>> [check.name for check in report.wrong]
        ['repeat']
    """

    schema_version: int = SCHEMA_VERSION
    model: str
    architecture: str
    access: str
    task: Task
    classes: tuple[str, ...]
    fingerprint: str = ""
    images: int = 0
    patients: int = 0
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def wrong(self) -> tuple[Check, ...]:
        """The checks that found something wrong."""
        return tuple(check for check in self.checks if check.state == "wrong")

    def check(self, name: str) -> Check:
        """Return the check of a name.

        Raises:
            KeyError: There is none.
        """
        return {check.name: check for check in self.checks}[name]


def skipped(name: str, why: str, expected: str = "") -> Check:
    """Return a check that was not made.

    Args:
        name: What would have been looked at.
        why: Why it was not.
        expected: What a sound model has.
    """
    return Check(name=name, state="not looked at", expected=expected, sentence=why)


def number(value: float) -> float | None:
    """Return a figure that a document can hold: None where it is not finite."""
    return value if math.isfinite(value) else None
