"""What the maker of a model declares in a plan; an audit carries it into its result and checks nothing of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from radversary.storage.plans import Plan

Statement = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600)]
"""A few sentences."""
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]
"""A sentence, or nothing."""


class IntendedUse(Plan):
    """What a model is for, in its maker's words.

    Attributes:
        statement: What it is meant to do.
        users: Who uses it.
        population: Whose images it reads.
        setting: Where, and beside what else.
    """

    statement: Statement
    users: Words = ""
    population: Words = ""
    setting: Words = ""
