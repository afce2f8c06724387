"""Many threads that screen at once get the verdicts that one gets."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from sqlalchemy import text

from radversary.screening.bundle import load_guard
from radversary.service.catalogue.screenings import Guards, screen_film
from service.conftest import actor
from service.monitoring.conftest import films

FIELDS = ("verdict", "p_value", "score", "cue", "prediction", "confidence", "group", "film")


def judged(platform, guards, guard, film):
    found = screen_film(platform, guards, actor(), guard, film)
    return [getattr(found.row, name) for name in FIELDS], found.verdict


@pytest.mark.slow
def test_32_threads_give_the_verdicts_of_one(platform, guard):
    given = films(24, seed=7)
    guards = Guards("cpu")
    alone = [judged(platform, guards, guard, film) for film in given]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda film: judged(platform, guards, guard, film), given * 4))
    for place, found in enumerate(together):
        assert found == alone[place % len(given)]


@pytest.mark.slow
def test_32_threads_in_one_guard_at_once_give_the_verdicts_of_one(bundle):
    judge = load_guard(bundle[0])
    images = torch.rand(24, 1, 48, 48, generator=torch.Generator().manual_seed(4))
    alone = [judge.screen(images[row:row + 1])[0] for row in range(24)]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda row: judge.screen(images[row:row + 1])[0], [*range(24)] * 8))
    assert together == alone * 8


@pytest.mark.slow
def test_a_guard_is_loaded_once_however_many_ask(platform, guard, bundle, monkeypatch):
    from radversary.screening import bundle as bundles

    loaded, real = [], bundles.load_guard
    monkeypatch.setattr(bundles, "load_guard", lambda *given, **named: (loaded.append(1), real(*given, **named))[1])
    guards = Guards("cpu")
    with ThreadPoolExecutor(16) as pool:
        found = set(map(id, pool.map(lambda _: guards.at(str(bundle[0])), range(32))))
    assert (len(found), len(loaded)) == (1, 1)


@pytest.mark.slow
def test_who_reads_waits_for_no_writer(platform, key):
    token = key("viewer")
    platform.keyring.actor(token)
    with platform.database.session() as session:
        session.execute(text("UPDATE keys SET name = 'changed'"))
        began = time.monotonic()
        assert platform.keyring.actor(token).name == "test"
        assert time.monotonic() - began < 5.0
