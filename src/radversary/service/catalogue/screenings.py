"""Screening of single films: judged in this process, noted without what identifies anybody."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from radversary.core.errors import InputError, UnreadableImageError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.catalogue.batching import MicroBatcher, PassThread, on_one_core
from radversary.service.catalogue.query_watch import WINDOW
from radversary.service.errors import NotFoundError, TooLargeError
from radversary.service.noting import described, mark_of
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.log import note
from radversary.service.store.tables import Guard, Screening

if TYPE_CHECKING:
    from radversary.core.types import Images
    from radversary.screening.guard import Guard as Judge
    from radversary.screening.guard import Look
    from radversary.screening.verdicts import Verdict

HELD: Final = 4
"""Guards that are held in memory."""

ROUNDED: Final = 2
"""Digits of figures that a key without the scope ``read`` is given: who tries attacks learns from them (MITRE ATLAS
AML.T0042)."""

FILM: Final = "the film"
"""What a film is called in every text: its name may hold a patient's."""


@dataclass(frozen=True)
class Judged:
    """A film that was judged.

    Attributes:
        row: What was noted.
        verdict: All that the guard says.
        image: What the model read, (1, C, S, S); None where the film could not be read.
    """

    row: Screening
    verdict: Verdict
    image: Images | None


class Guards:
    """Calibrated guards, loaded on first use and held.

    Args:
        device: ``auto`` or a torch device.
        batch: Films of one guard that are looked at together, at most.
        place: Returns the folder that a guard's reference names, fetched where need be.
    """

    def __init__(self, device: str, batch: int = 1, place: Callable[[str], Path] = Path) -> None:
        self.device, self.batch, self.place, self._lock = device, batch, place, threading.Lock()
        self._held = OrderedDict[str, tuple["Judge", MicroBatcher]]()
        self._passes: PassThread | None = None  # made with the first guard: until then nothing imports PyTorch

    def at(self, folder: str) -> Judge:
        """Return the guard of a folder.

        Raises:
            ModelError: There is none, or it was changed.
        """
        return self._loaded(folder)[0]

    def look(self, folder: str, image: Images) -> Look:
        """Return what the guard of a folder sees in a film (1, C, S, S), looked at with others that come meanwhile.

        Raises:
            ModelError: There is no guard, or it was changed.
            TensorError: The film is outside the pixel contract.
        """
        return self._loaded(folder)[1].look(image)

    def drop(self, folder: str) -> None:
        """Hold the guard of a folder no longer."""
        with self._lock:
            self._held.pop(folder, None)

    def _loaded(self, folder: str) -> tuple[Judge, MicroBatcher]:
        from radversary.execution.devices import select_device
        from radversary.screening.bundle import load_guard

        with self._lock:
            passes = self._passes = self._passes or PassThread()
            on_one_core()
            if folder not in self._held:
                judge = passes.run(partial(load_guard, self.place(folder), device=select_device(self.device)))
                self._held[folder] = judge, MicroBatcher(lambda images: passes.run(judge.look, images), self.batch)
                if len(self._held) > HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(folder)
            return self._held[folder]


def screen_film(platform: Platform, guards: Guards, by: Actor, given: str, film: bytes) -> Judged:
    """Judge a film.

    Args:
        platform: The platform.
        guards: Loaded guards.
        by: Who asks.
        given: Id of a guard.
        film: Bytes of a PNG, JPEG or DICOM file.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: No such guard.
        InputError: The film cannot be read, or cannot be judged.
        TooLargeError: It is larger than a film may be.
    """
    by.need(Scope.SCREEN)
    if len(film) > platform.settings.film:
        raise TooLargeError(f"a film has {platform.settings.film} bytes at most")
    with platform.database.reading() as session:
        chosen = owned(session, Guard, given, by.tenant)
    judge, began, span = guards.at(chosen.folder), time.perf_counter(), platform.tracing.span
    mark, near = mark_of(platform.settings.home, film), 0
    row = Screening(tenant=by.tenant, guard_id=chosen.id, film=mark, verdict="refused")
    try:
        with span("screening.decode"):
            image, group = read_film(judge, film)
        with span("screening.look"):
            look = guards.look(chosen.folder, image)
        with span("screening.judge"):
            seen = judged(judge, look, image, group)
        describe(row, seen)
        near = platform.query_watch.look(by.id, row.film, seen.image)
        return Judged(row, seen.verdict, seen.image)
    finally:  # a film that was refused is noted too: it counts among those that came
        row.milliseconds = 1000 * (time.perf_counter() - began)
        with platform.database.session() as session:
            if session.get(Guard, chosen.id, with_for_update={"read": True, "key_share": True}) is None:
                raise NotFoundError("guard", chosen.id)  # it was removed meanwhile, and its screenings with it
            session.add(row)
            if near:
                note(session, tenant=by.tenant, actor=by.id, action="screening.near-duplicates", subject=chosen.id,
                     detail={"films": near, "seconds": WINDOW})


@dataclass(frozen=True)
class Seen:
    """What a guard says of a film.

    Attributes:
        verdict: All that it says.
        score: The anomaly score that the p-value was made of.
        image: What the model read, (1, C, S, S).
    """

    verdict: Verdict
    score: float
    image: Images


def judged(judge: Judge, look: Look, image: Images, group: str) -> Seen:
    """Judge a film by what was seen in it.

    Args:
        judge: The guard.
        look: What it saw.
        image: The film, (1, C, S, S).
        group: The group that it is judged within.

    Raises:
        InputError: It cannot be judged.
    """
    groups = None if judge.record.get("grouped_by") is None else [group]
    ((verdict, score),) = judge.verdicts_with_scores(look, groups, names=[FILM])
    return Seen(verdict, score, image)


def describe(row: Screening, seen: Seen) -> None:
    """Write into a row what a guard says of a film."""
    for name, value in described(seen.verdict, seen.score).items():
        setattr(row, name, value)


def read_film(judge: Judge, film: bytes) -> tuple[Images, str]:
    """Read a film as a guard's model takes it, and the group that it is judged within.

    Args:
        judge: The guard.
        film: Bytes of the file.

    Returns:
        Images (1, C, S, S) in [0, 1], and the group; ``unknown`` where nothing is known of it.

    Raises:
        InputError: It cannot be read, or is of a group that was never calibrated.
    """
    import pandas as pd

    from radversary.data.columns import facts_of
    from radversary.data.reading import read_image
    from radversary.imaging.image import to_model_input
    from radversary.screening.films import bands
    from radversary.screening.screen import UNKNOWN

    try:
        found = read_image(film, name=FILM)
    except UnreadableImageError as error:
        raise InputError(str(error)) from None
    group = UNKNOWN
    if by := judge.record.get("grouped_by"):
        facts = bands(pd.DataFrame([facts_of(found.tags)]).fillna(""))
        group = str(facts[by].iloc[0]) if by in facts else UNKNOWN
        if group not in judge.calibrated().final.scores:
            raise InputError(f"the film's {by} is {group!r}, for which this guard was never calibrated")
    return to_model_input(found, judge.classifier.card), group


def rounded(value: float | None, by: Actor) -> float | None:
    """Return a figure as a key may see it."""
    return value if value is None or by.may(Scope.READ) else round(value, ROUNDED)
