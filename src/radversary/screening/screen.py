"""Films in, verdicts out, a few at a time: what the command line and a service call alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from radversary.core.errors import DataError
from radversary.data.prepared import PreparedImages
from radversary.screening.films import Films, decoded, films_at, gathered, of_run, prepared_in
from radversary.screening.guard import BATCH, Guard, Verdict


def screen_place(guard: Guard, place: Path, *, left_out: list[str], part: str = "test") -> Iterator[Verdict]:
    """Judge every film at a place.

    Args:
        guard: A calibrated guard.
        place: An image, a folder of images, a CSV table, or a run's folder.
        left_out: Filled with one sentence for each file that cannot be read; the rest goes on.
        part: Which part of a run's images.

    Yields:
        One verdict a film, in order.

    Raises:
        DataError: There is nothing there, or nothing that can be read.
        InputError: The guard is not calibrated, or a film's group never was.
    """
    guard.calibrated()
    some = False
    for films in batches(guard, place, left_out, part):
        some = True
        yield from guard.screen(films.images, films.groups(guard.record.get("grouped_by")), names=films.names)
    if not some:
        raise DataError(f"no film at {place} could be read; the first: {left_out[0]}")


def batches(guard: Guard, place: Path, left_out: list[str], part: str) -> Iterator[Films]:
    """Yield the films at a place, a batch at a time."""
    card = guard.classifier.card
    if (prepared := prepared_in(place)) is not None:
        yield of_run(PreparedImages.load(prepared), card, part)
        return
    read = decoded(films_at(place), card, left_out)
    while chunk := list(islice(read, BATCH)):
        yield gathered([film for film, _ in chunk], torch.cat([image for _, image in chunk]), ())


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain values, for one line of JSON."""
    return asdict(verdict)
