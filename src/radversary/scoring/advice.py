"""What would raise a score most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """Yield what each sub-score could gain, were it 100; those of which attacks are missing together."""
    missing = [part for part in score.parts if missing_of(part)]
    if missing:
        labels = dict.fromkeys(label for part in missing for label in missing_of(part))
        given = [cap.remedy for cap in score.caps if cap.code == "G7"]
        yield raised(score, profile, given[0] if given else f"run what is missing: {', '.join(labels)}", missing)
    for part in score.parts:
        if part not in missing:
            yield raised(score, profile, REMEDIES[part.key], [part])


def missing_of(part: SubScore) -> list[str]:
    """Return the labels of the required attacks of a sub-score that were not run."""
    return [label for item in part.parts for label in item.missing]


def raised(score: Score, profile: Profile, what: str, parts: Sequence[SubScore]) -> Change:
    """Return the change that would make some sub-scores 100.

    Args:
        score: The score.
        profile: Its profile.
        what: The change, in a sentence.
        parts: The sub-scores.
    """
    whole = weighted({part.key: 100.0 if part in parts else part.value for part in score.parts}, profile)
    top = capped(whole, [cap.most for cap in score.caps if cap.most is not None])
    named = ", ".join(f"{TITLES[part.key]} {part.value:.1f}" for part in parts)
    return Change(f"{what} ({named})", round(top - score.value, 1), round(whole - score.uncapped, 1))
