"""The rules of a gate, as a command line or a file gives them."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Self

from pydantic import Field, field_validator

from radversary.core.errors import PlanError, UnknownNameError
from radversary.scoring.profile import DEFAULT
from radversary.storage.plans import Plan

ALONE: Final = "none"
"""The system without a defence."""

MEASURES: Final = ("accuracy", "macro-recall")
CLEAN: Final = "clean"
FORM: Final = "MEASURE@ATTACK=STRENGTH:LEAST, such as accuracy@style=0.5:0.7 or accuracy@clean:0.9"


class Floor(Plan):
    """The least that a figure may be.

    Attributes:
        measure: One of :data:`MEASURES`.
        attack: The attack's label; ``clean`` for untouched images.
        strength: Its strength; not looked at where ``attack`` is ``clean``.
        least: In [0, 1].
    """

    measure: str
    attack: str
    strength: float = 0.0
    least: float = Field(ge=0, le=1)

    @field_validator("measure")
    @classmethod
    def _known(cls, given: str) -> str:
        if given not in MEASURES:
            raise UnknownNameError("measure", given, MEASURES)
        return given

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a floor as a command line gives it.

        Args:
            text: Such as ``accuracy@style=0.5:0.7``; a strength may be a fraction, such as ``4/255``.

        Raises:
            PlanError: It has another form.
            UnknownNameError: No such measure.

        Example:
            >>> Floor.read("accuracy@pgd=4/255:0.5").strength == 4 / 255
            True
        """
        left, _, least = text.rpartition(":")
        measure, at, what = left.partition("@")
        attack, equals, strength = what.rpartition("=") if what != CLEAN else (CLEAN, "=", "0")
        if not (at and equals and attack):
            raise PlanError(f"cannot read {text!r}: a floor is {FORM}")
        try:
            return cls(measure=measure, attack=attack, strength=float(Fraction(strength)), least=float(Fraction(least)))
        except (ValueError, ZeroDivisionError) as error:
            raise PlanError(f"cannot read {text!r}: a floor is {FORM}") from error


class Rules(Plan):
    """What a result has to keep.

    Attributes:
        system: Label of the deployed system; ``none`` is the model alone.
        profile: The score's profile.
        min_score: The least score; None asks for none.
        max_drop: By how many points no figure may be worse than the baseline's; None compares with none.
        min: The least that figures may be.
    """

    system: str = ALONE
    profile: str = DEFAULT
    min_score: float | None = Field(default=None, ge=0, le=100)
    max_drop: float | None = Field(default=None, ge=0, le=100)
    min: tuple[Floor, ...] = ()

    @field_validator("min", mode="before")
    @classmethod
    def _as_text(cls, given: object) -> object:
        return [Floor.read(item) if isinstance(item, str) else item for item in given] if isinstance(
            given, list | tuple) else given
