"""Figures that are remembered are those that are computed, and are computed anew as soon as a film comes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from radversary.service.monitoring import overview
from radversary.service.monitoring.overview import overview_of
from radversary.service.monitoring.remembered import Remembered
from service.conftest import BOTH, actor
from service.monitoring.conftest import add_screenings


class Forgetful(Remembered):
    def get(self, key, made):
        return made()


def computed(platform, guard, **asked):
    """The same without what is remembered."""
    held = platform.__dict__.get("overviews")
    platform.__dict__["overviews"] = Forgetful(1)
    try:
        return overview_of(platform, actor(), guard, **asked)
    finally:
        platform.__dict__.pop("overviews")
        if held is not None:
            platform.__dict__["overviews"] = held


ASKED = ({}, {"since": 1010.0}, {"group": "all"}, {"group": "none"}, {"reference": 20}, {"since": 1e9})


@BOTH
@pytest.mark.slow
def test_what_is_remembered_is_what_is_computed(platform, guard):
    scores = [*np.random.default_rng(0).normal(size=60), None, None]
    for part in (scores[:1], scores[1:30], scores[30:]):
        add_screenings(platform, guard, part)
        for asked in ASKED:
            first = overview_of(platform, actor(), guard, **asked)
            assert overview_of(platform, actor(), guard, **asked) == first == computed(platform, guard, **asked)
    assert overview_of(platform, actor(), guard).films == 62


@pytest.mark.slow
def test_it_is_computed_once_until_a_film_comes(platform, guard, monkeypatch):
    made, real = [], overview.shown
    monkeypatch.setattr(overview, "shown", lambda *given, **named: (made.append(1), real(*given, **named))[1])
    counts = []
    for _ in range(3):
        add_screenings(platform, guard, [1.0])
        for _ in range(4):
            overview_of(platform, actor(), guard)
        counts.append(len(made))
    assert counts == [1, 2, 3]


@pytest.mark.slow
def test_another_tenant_is_told_nothing_of_what_is_remembered(platform, guard):
    from radversary.service.errors import NotFoundError

    add_screenings(platform, guard, [1.0])
    overview_of(platform, actor(), guard)
    with pytest.raises(NotFoundError):
        overview_of(platform, actor(tenant="other"), guard)


def test_it_remembers_the_last_alone_and_threads_agree():
    remembered = Remembered(most=3)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: remembered.get(number % 7, lambda: number % 7), range(200)))
    assert found == [number % 7 for number in range(200)]
    assert len(remembered._values) == 3


def test_an_error_is_not_remembered():
    remembered = Remembered(most=3)

    def broken():
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        remembered.get("a", broken)
    assert remembered.get("a", lambda: 1) == 1
