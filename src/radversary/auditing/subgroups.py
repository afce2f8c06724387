"""Subgroups of the test images in an audit's result: records."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from radversary.auditing.schema import Record
from radversary.core.types import Estimate

Moment = Literal["clean", "attacked", "worst"]
"""When readings are counted: on clean images, under the headline's condition, under all aimed attacks at once."""

LEAST: Final = 30
"""Images of a value below which it is not assessed: the interval of a share of one half is 36 points wide then."""
ALPHA: Final = 0.05
"""Adjusted p-value up to which values are said to differ."""


class SubgroupFigure(Record):
    """Right readings of one defence on the images of one value.

    Attributes:
        defence: Its label.
        moment: ``clean``; ``attacked``: under the headline's condition; ``worst``: under each aimed attack of the
            standing's goal that was run against it.
        images: Images counted.
        accuracy: Share of right readings; None where images are fewer than :data:`LEAST`: not assessable.
    """

    defence: str
    moment: Moment
    images: int
    accuracy: Estimate | None = None


class SubgroupValue(Record):
    """Test images of one value of a characteristic.

    Attributes:
        value: Such as ``F``.
        images: Test images.
        patients: Their patients.
        figures: Figures of each moment and defence.
    """

    value: str
    images: int
    patients: int
    figures: tuple[SubgroupFigure, ...] = ()

    def figure(self, defence: str, moment: Moment) -> SubgroupFigure | None:
        """Return the figure of one defence at one moment; None where it was not run."""
        return next((item for item in self.figures if (item.defence, item.moment) == (defence, moment)), None)


class SubgroupTest(Record):
    """Whether one defence is right equally often for each value of a characteristic.

    Attributes:
        characteristic: Such as ``sex``.
        defence: The defence's label.
        moment: When.
        best: The value with the largest share of right readings, of those that are assessable.
        worst: The value with the smallest.
        gap: Their difference, with the interval of two independent shares; picked as the largest, it is too large
            rather than too small.
        p_value: Of a permutation test over patients: (:func:`radversary.metrics.group_difference.permutation_p`).
        adjusted: The same by Holm over all tests of the result.
        differs: Whether the adjusted value is :data:`ALPHA` at most.
    """

    characteristic: str
    defence: str
    moment: Moment
    best: str
    worst: str
    gap: Estimate
    p_value: float
    adjusted: float
    differs: bool


class SubgroupTable(Record):
    """One characteristic.

    Attributes:
        name: Such as ``sex``.
        values: Its known values.
        unknown: Test images of which it is not known.
    """

    name: str
    values: tuple[SubgroupValue, ...]
    unknown: int = 0


class Subgroups(Record):
    """Figures by what is known of the test images.

    Attributes:
        attacked: Key of the condition that ``attacked`` means; None where nothing was attacked.
        least: Images below which a value is not assessed.
        permutations: Permutations of each test.
        tables: Characteristics of which two values at least are known.
        tests: All tests, adjusted together.
    """

    attacked: str | None = None
    least: int = LEAST
    permutations: int = 0
    tables: tuple[SubgroupTable, ...] = Field(default=())
    tests: tuple[SubgroupTest, ...] = Field(default=())

    def tests_of(self, characteristic: str) -> tuple[SubgroupTest, ...]:
        """Return the tests of one characteristic."""
        return tuple(test for test in self.tests if test.characteristic == characteristic)
