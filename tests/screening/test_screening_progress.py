"""Screening, fitting, calibrating and hashing say how far they are, and stop when they are asked to."""

from __future__ import annotations

from collections import Counter

import pytest

from radversary.core.errors import CancelledError
from radversary.execution.cancellation import Cancellation
from radversary.execution.progress import current, reporting
from radversary.execution.work import Progress, Relay
from radversary.imaging.png import encode_png
from radversary.screening.films import decoded
from radversary.screening.fitting import fit_guard
from radversary.screening.guard import pixels_sha256
from radversary.screening.screen import screen_place, screen_places
from radversary.screening.seen import marks_of

PEOPLE = [f"p{number}" for number in range(60)]


class Heard(Relay):
    """Counts what it is told, by description, and asks the work to stop at an item of one of them.

    Args:
        stop: The description; nothing where empty.
        at: The item.
    """

    def __init__(self, stop: str = "", at: int = 1) -> None:
        super().__init__(self.count, Cancellation())
        self.done: Counter[str] = Counter()
        self.totals: dict[str, int | None] = {}
        self.stop, self.at = stop, at

    def count(self, work) -> None:
        self.done[work.description], self.totals[work.description] = work.done, work.total
        if work.description == self.stop and work.done == self.at:
            self.cancellation.cancel()


@pytest.fixture(scope="module")
def films(clean, tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for number, image in enumerate(clean[40:]):
        (folder / f"{number:03d}.png").write_bytes(encode_png(image))
    return folder


def test_every_film_that_is_screened_is_told(guard, films):
    heard = Heard()
    assert len(list(screen_places(guard, [films], progress=heard))) == 80
    assert (heard.done, heard.totals) == ({"Screening films": 80}, {"Screening films": 80})


def test_screening_stops_before_the_next_film(guard, films):
    heard, judged = Heard(), []
    with pytest.raises(CancelledError):  # noqa: PT012 - the loop is what is stopped
        for verdict in screen_place(guard, films, progress=heard):
            judged.append(verdict)
            if len(judged) == 5:
                heard.cancellation.cancel()
    assert len(judged) == 5


def test_screening_stops_before_it_reads_another_film(guard, films, monkeypatch):
    heard, read = Heard(), []

    def stopping(listed, card, left_out):
        read.append(listed)
        heard.cancellation.cancel()
        return decoded(listed, card, left_out)

    monkeypatch.setattr("radversary.screening.screen.decoded", stopping)
    with pytest.raises(CancelledError):
        list(screen_places(guard, [films], progress=heard))
    assert len(read) == 1


def test_a_request_to_stop_is_no_verdict(guard, films, monkeypatch):
    def stopped(*_given, **_named):
        raise CancelledError("stopped")

    monkeypatch.setattr(type(guard), "look", stopped)
    with pytest.raises(CancelledError):
        list(screen_place(guard, films))


def test_what_is_done_between_two_films_tells_another(guard, films):
    heard, other = Heard(), Progress()
    with reporting(other):
        for _ in screen_places(guard, [films], progress=heard):
            assert current() is other
        assert current() is other


@pytest.mark.slow
def test_films_are_hashed_aloud(clean):
    for look in (marks_of, pixels_sha256):
        heard = Heard()
        with reporting(heard):
            look(clean)
        assert list(heard.done.values()) == [4]
        stopped = Heard(*heard.done, at=1)
        with reporting(stopped), pytest.raises(CancelledError):
            look(clean)
        assert list(stopped.done.values()) == [1]


@pytest.mark.slow
def test_fitting_and_calibrating_tell_who_is_named(victim, clean):
    heard = Heard()
    fitted = fit_guard(victim, clean[:40], names=("energy", "neighbours"), progress=heard)
    compared = {"Comparing films by their pixels", "Looking for copies of films"}
    assert set(heard.done) == {"Fitting detectors", "Learning from clean images", *compared}
    heard = Heard()
    fitted.calibrate(clean[60:], PEOPLE, alpha=0.1, progress=heard)
    assert set(heard.done) == {"Calibrating", *compared}
    assert (heard.done["Comparing films by their pixels"], heard.done["Calibrating"]) == (2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["Learning from clean images", "Comparing films by their pixels"])
def test_fitting_stops_within_a_detector(victim, clean, stop):
    with pytest.raises(CancelledError):
        fit_guard(victim, clean, names=("neighbours",), progress=Heard(stop))


@pytest.mark.slow
def test_calibrating_stops_within_a_pass(victim, clean):
    fitted = fit_guard(victim, clean[:40], names=("energy",))
    with pytest.raises(CancelledError):
        fitted.calibrate(clean[60:], PEOPLE, alpha=0.1, progress=Heard("Calibrating"))
