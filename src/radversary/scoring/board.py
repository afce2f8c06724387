"""The scores of one result or of several runs, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from radversary.auditing.result import AuditResult
from radversary.core.errors import DataError, InputError
from radversary.scoring.advice import Change, changes
from radversary.scoring.profile import Profile
from radversary.scoring.score import Score, scores_of
from radversary.scoring.subscores import Part, SubScore


@dataclass(frozen=True)
class Scored:
    """One deployed system.

    Attributes:
        score: Its score.
        changes: What would raise it most.
    """

    score: Score
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Scoreboard:
    """The scores of a result.

    Attributes:
        profile: What they are made of.
        systems: The deployed systems in the order of the audit, no defence first; none where there is a reason.
        reason: Why nothing can be scored; empty where it can.
    """

    profile: Profile
    systems: tuple[Scored, ...]
    reason: str = ""


@dataclass(frozen=True)
class Ranked:
    """A deployed system of one of several runs.

    Attributes:
        place: 1 for the greatest score; equal scores share a place.
        run: Name of the run.
        score: Its score.
    """

    place: int
    run: str
    score: Score


def scoreboard(result: AuditResult, profile: Profile) -> Scoreboard:
    """Return the scores of a result, or why it has none.

    Args:
        result: What an audit found.
        profile: What a score is made of.
    """
    try:
        return Scoreboard(profile, tuple(Scored(item, changes(item, profile)) for item in scores_of(result, profile)))
    except DataError as error:
        return Scoreboard(profile, (), str(error))


def worksheet(part: SubScore) -> tuple[Part, ...]:
    """Return the parts of a sub-score as a page lists them: the severities of a corruption as one, by their means.

    Args:
        part: The sub-score.
    """
    if part.key != "CO":
        return part.parts
    kinds: dict[str, list[Part]] = {}
    for item in part.parts:
        kinds.setdefault(item.title.rpartition(" ")[0], []).append(item)
    return tuple(Part(f"{kind}, mean of {len(own)} severities", sum(item.share for item in own),
                      fmean(item.low for item in own), fmean(item.value for item in own), min(item.n for item in own),
                      sum(item.conditions for item in own), own[0].missing) for kind, own in kinds.items())


def ranked(results: Mapping[str, AuditResult], profile: Profile) -> tuple[Ranked, ...]:
    """Rank the deployed systems of several runs by score, the greatest first.

    Args:
        results: Run's name to its result.
        profile: What a score is made of.

    Returns:
        The systems; of equal scores the one that the runs name first.

    Raises:
        InputError: The runs were measured on different test images or with different batteries.
        DataError: A result holds nothing to score.
    """
    refuse_different("test images", {name: result.data.sha256[:12] for name, result in results.items()})
    refuse_different("batteries", {name: result.battery or "none" for name, result in results.items()})
    found = [(name, item) for name, result in results.items() for item in scores_of(result, profile)]
    found.sort(key=lambda pair: -pair[1].value)
    values = [item.value for _, item in found]
    return tuple(Ranked(values.index(item.value) + 1, name, item) for name, item in found)


def refuse_different(what: str, given: Mapping[str, str]) -> None:
    """Refuse runs that differ in what a comparison of scores needs to be the same.

    Raises:
        InputError: They do.
    """
    if len(set(given.values())) > 1:
        told = ", ".join(f"{name} has {value}" for name, value in given.items())
        raise InputError(f"scores of different {what} cannot be ranked: {told}")
