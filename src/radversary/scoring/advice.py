"""What would raise a score most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from radversary.scoring.profile import Profile
from radversary.scoring.score import Score, capped, weighted
from radversary.scoring.subscores import TITLES, SubScore

MOST: Final = 3
"""Changes that are named."""

REMEDIES: Final = {
    "WB": "harden the model against small changes a pixel: adversarial training with many patients",
    "ST": "train on random styles and acquisitions, or normalise the input",
    "BB": "limit and watch queries, and harden the model against small changes",
    "DT": "put a guard before the model, with a frozen threshold",
    "CO": "train on natural corruptions of the acquisition",
    "CU": "raise clean accuracy, first in the subgroup that is worst"}


@dataclass(frozen=True)
class Change:
    """A change and what it could gain.

    Attributes:
        what: The change, in a sentence.
        gain: Points of the score, at most, by this change alone; 0 where a cap stands above it.
        potential: The same without caps.
    """

    what: str
    gain: float
    potential: float


def changes(score: Score, profile: Profile) -> tuple[Change, ...]:
    """Return the three changes that would raise a score most.

    Args:
        score: The score.
        profile: Its profile.
    """
    every = sorted((*of_caps(score), *of_parts(score, profile)), key=lambda item: (-item.gain, -item.potential))
    return tuple(every[:MOST])


def of_caps(score: Score) -> Iterator[Change]:
    """Yield what lifting each cap would gain."""
    for cap in score.caps:
        if cap.most is not None:
            left = capped(score.uncapped, [other.most for other in score.caps
                                           if other is not cap and other.most is not None])
            yield Change(f"{cap.remedy} ({cap.reason})", round(left - score.value, 1),
                         round(max(0.0, score.uncapped - cap.most), 1))


def of_parts(score: Score, profile: Profile) -> Iterator[Change]:
    """Yield what each sub-score could gain, were it 100."""
    values = {part.key: part.value for part in score.parts}
    for part in score.parts:
        whole = weighted({**values, part.key: 100.0}, profile)
        top = capped(whole, [cap.most for cap in score.caps if cap.most is not None])
        yield Change(f"{remedy(part)} ({TITLES[part.key]} {part.value:.1f})", round(top - score.value, 1),
                     round(whole - score.uncapped, 1))


def remedy(part: SubScore) -> str:
    """Return what would raise a sub-score: the attacks that are missing, else what hardens."""
    missing = list(dict.fromkeys(label for item in part.parts for label in item.missing))
    if missing:
        return f"run what is missing: {', '.join(missing[:4])}{' …' if len(missing) > 4 else ''}"
    return REMEDIES[part.key]
