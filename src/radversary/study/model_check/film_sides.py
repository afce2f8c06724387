"""How large the films are beside what a model reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from radversary.study.model_check.report import Check, skipped
from radversary.study.model_check.subject import Subject


def check_sides(subject: Subject) -> Iterator[Check]:
    """Say how large the films are beside what the model reads."""
    films, (height, width) = subject.films, subject.card.sides
    expected = f"{height} x {width} pixels or more"
    if films is None or not len(films.sides):
        yield skipped("size of the films", "no data was given" if films is None else "it is not known", expected)
        return
    sides = np.asarray(films.sides)
    small = float((sides < (height, width)).any(axis=1).mean())
    middle = np.median(sides, axis=0)
    yield Check(name="size of the films", state="note" if small else "ok", value=small, expected=expected,
                found=f"median {middle[0]:.0f} x {middle[1]:.0f} pixels, {small:.0%} smaller",
                sentence="smaller films are enlarged, and show the model less than it was trained on" if small else "")
