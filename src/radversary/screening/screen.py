"""Screening of films in batches; called by the command line and by a service."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from radversary.classifiers.card import ModelCard
from radversary.core.errors import CancelledError, RadversaryError
from radversary.core.types import Images
from radversary.data.prepared import PreparedImages
from radversary.execution.progress import check_cancelled, reported, working
from radversary.execution.work import Progress
from radversary.imaging.source import BATCH, source_of
from radversary.screening.films import Film, Films, decoded, films_at, gathered, of_run, prepared_in, unseen
from radversary.screening.guard import Guard
from radversary.screening.verdicts import Verdict, refused

UNKNOWN = "unknown"
"""Group of a film of which is not known what films are grouped by."""


@dataclass(frozen=True, eq=False)
class Screened:
    """A film that was looked at.

    Attributes:
        verdict: What is said of it.
        image: What the classifier read, (1, C, S, S); None where the film could not be read.
        score: The anomaly score that the p-value was made of; None where the film was refused.
        path: Its file; None where it is an image of a run.
        milliseconds: How long it took; of films that were looked at together, the mean.
    """

    verdict: Verdict
    image: Images | None
    score: float | None = None
    path: Path | None = None
    milliseconds: float = 0.0


def screen_place(guard: Guard, place: Path, *, part: str = "test",
                 progress: Progress | None = None) -> Iterator[Verdict]:
    """Judge every film at a place; see :func:`screen_places`."""
    yield from (item.verdict for item in screen_places(guard, [place], part=part, progress=progress))


def screen_places(guard: Guard, places: Sequence[Path], *, part: str = "test",
                  progress: Progress | None = None) -> Iterator[Screened]:
    """Judge every film at some places.

    A film that cannot be judged (unreadable, of a group that was never calibrated or is not known) gets the verdict
    ``refused`` with the reason; the others get theirs.

    Args:
        guard: A calibrated guard.
        places: Images, folders of images, CSV tables, or runs' folders. A place that is given twice, and a film that
            several places or rows lead to, is screened once, where it comes first.
        part: Which part of a run's images.
        progress: Receives the number of films judged, and can cancel before the next.

    Yields:
        Each film with its verdict, in order.

    Raises:
        CancelledError: It was stopped.
        DataError: A place does not exist or holds no film; said before any film is looked at.
        InputError: The guard is not calibrated, or a run's images do not fit its classifier.
        MissingColumnError: A table without a column for the file.
    """
    yield from reported(_screened(guard, places, part), progress)


def _screened(guard: Guard, places: Sequence[Path], part: str) -> Generator[Screened, None, None]:
    guard.calibrated()
    different = {place.resolve(): place for place in reversed(places)}
    seen: set[str] = set()
    sources = [(place, _source(place, guard.classifier.card, part, seen)) for place in reversed(different.values())]
    with working("Screening films", total=sum(_count(source) for _, source in sources)) as advance:
        for place, source in sources:
            began = time.perf_counter()
            for read in _chunks(source, guard):
                found = _judged(guard, read)
                each = 1000 * (time.perf_counter() - began) / len(found)
                for item in found:
                    yield replace(item, verdict=replace(item.verdict, place=str(place)), milliseconds=each)
                    advance()
                began = time.perf_counter()


@dataclass(frozen=True, eq=False)
class _Read:
    """A film after reading: its image and its group, or why there is none."""

    name: str
    image: Images | None = None
    group: str = UNKNOWN
    reason: str = ""
    path: Path | None = None


def _source(place: Path, card: ModelCard, part: str, seen: set[str]) -> Films | list[Film]:
    """Return the films at a place but for those seen at another."""
    prepared = prepared_in(place)
    return unseen(films_at(place), seen) if prepared is None else of_run(PreparedImages.load(prepared), card, part)


def _count(source: Films | list[Film]) -> int:
    return len(source.names if isinstance(source, Films) else source)


def _chunks(source: Films | list[Film], guard: Guard) -> Iterator[list[_Read]]:
    by = guard.record.get("grouped_by")
    if isinstance(source, Films):
        groups = _groups(source, by)
        for start in range(0, len(source.names), BATCH):
            rows = range(start, min(start + BATCH, len(source.names)))
            yield [_Read(source.names[row], image, groups[row])
                   for row, image in zip(rows, torch.split(source.images.tensor(rows), 1), strict=True)]
        return
    for start in range(0, len(source), BATCH):
        yield _read(source[start:start + BATCH], guard.classifier.card, by)


def _read(films: Sequence[Film], card: ModelCard, by: str | None) -> list[_Read]:
    found = [_decoded(film, card) for film in films]
    good = [item for item in found if not isinstance(item, str)]
    if not good:
        return [_Read(film.name, reason=str(reason), path=film.path) for film, reason in zip(films, found, strict=True)]
    groups = iter(_groups(gathered([film for film, _ in good], source_of(torch.cat([image for _, image in good])), ()),
                          by))
    return [_Read(film.name, reason=item, path=film.path) if isinstance(item, str)
            else _Read(film.name, item[1], next(groups), path=film.path)
            for film, item in zip(films, found, strict=True)]


def _decoded(film: Film, card: ModelCard) -> tuple[Film, Images] | str:
    """Return a film with its image, or why it cannot be read."""
    check_cancelled()
    left_out: list[str] = []
    try:
        found = next(decoded([film], card, left_out), None)
    except RadversaryError as error:
        return str(error)
    return left_out[0] if found is None else found[:2]


def _groups(films: Films, by: str | None) -> list[str]:
    """Return the group of each film, :data:`UNKNOWN` where nothing is known of it."""
    if by not in films.facts:
        return [UNKNOWN] * len(films.names)
    return [str(value) or UNKNOWN for value in films.facts[by]]


def _judged(guard: Guard, read: Sequence[_Read]) -> list[Screened]:
    """Return a verdict for each of some films."""
    reasons = [item.reason or _ungrouped(guard, item.group) for item in read]
    judged = iter(_verdicts(guard, [item for item, reason in zip(read, reasons, strict=True) if not reason]))
    said = ((refused(item.name, reason, group=item.group), None) if reason else next(judged)
            for item, reason in zip(read, reasons, strict=True))
    return [Screened(verdict, item.image, score, item.path) for item, (verdict, score) in zip(read, said, strict=True)]


def _ungrouped(guard: Guard, group: str) -> str:
    """Say why films of a group cannot be judged; nothing where they can."""
    by, known = guard.record.get("grouped_by"), guard.calibrated().final.scores
    if by is None or group in known:
        return ""
    if group == UNKNOWN:
        return f"its {by} is not known, and this guard promises nothing but for {by} {', '.join(known)}"
    return f"its {by} {group!r} was never calibrated; known: {', '.join(known)}"


def _verdicts(guard: Guard, read: Sequence[_Read]) -> list[tuple[Verdict, float | None]]:
    """Judge films together, with their scores; where that fails each alone, so that one does not stop the others."""
    if not read:
        return []
    groups = None if guard.record.get("grouped_by") is None else [item.group for item in read]
    try:
        look = guard.look(torch.cat([item.image for item in read if item.image is not None]))
        return [*guard.verdicts_with_scores(look, groups, names=[item.name for item in read])]
    except CancelledError:
        raise
    except RadversaryError as error:
        if len(read) == 1:
            return [(refused(read[0].name, str(error)), None)]
        return [judged for item in read for judged in _verdicts(guard, [item])]
