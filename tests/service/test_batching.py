"""Films that come at once are looked at in few passes, each gets its own answer, one that fails harms no other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from radversary.core.errors import InputError
from radversary.screening.guard import Look
from radversary.service.catalogue.batching import MicroBatcher
from radversary.service.settings import Settings

FILMS = 24


class Looker:
    """Sees in each film its mean; the first pass lasts until it is let go."""

    def __init__(self):
        self.passes, self.go, self.begun = [], threading.Event(), threading.Event()

    def __call__(self, images):
        self.passes.append(len(images))
        self.begun.set()
        assert self.go.wait(20)
        if (images < 0).any():
            raise InputError("a film below zero")
        means = images.mean(dim=(1, 2, 3)).double().numpy()[:, None]
        return Look(means, (means[:, 0] > 0.5).astype(np.int64), np.concatenate([means, 1 - means], axis=1))


def film(value):
    return torch.full((1, 1, 4, 4), value)


def looked_at_once(batcher, looker, values):
    """Have one film looked at, and all others come while that lasts; return what each gets."""
    with ThreadPoolExecutor(len(values)) as pool:
        asked = [pool.submit(batcher.look, film(values[0]))]
        assert looker.begun.wait(20)
        asked += [pool.submit(batcher.look, film(value)) for value in values[1:]]
        while len(batcher._waiting) < len(values) - 1:
            pass
        looker.go.set()
        return [answer.exception(20) or answer.result() for answer in asked]


@pytest.mark.parametrize(("most", "passes"), [(1, [1] * FILMS), (8, [1, 8, 8, 7]), (100, [1, FILMS - 1])])
def test_those_who_wait_are_looked_at_together_and_each_gets_its_own(most, passes):
    looker, values = Looker(), [number / FILMS for number in range(FILMS)]
    found = looked_at_once(MicroBatcher(looker, most), looker, values)
    assert looker.passes == passes
    for value, look in zip(values, found, strict=True):
        assert look.scores.shape == (1, 1)
        assert look.scores[0, 0] == pytest.approx(value, abs=1e-6)
        assert look.decisions.tolist() == [int(value > 0.5)]
        assert look.probabilities.shape == (1, 2)


def test_a_film_that_fails_concerns_no_other():
    looker = Looker()
    found = looked_at_once(MicroBatcher(looker, 8), looker, [0.1, 0.2, -1.0, 0.3])
    assert [type(answer) for answer in found] == [Look, Look, InputError, Look]
    assert looker.passes == [1, 3, 1, 1, 1]


def test_after_a_failure_it_goes_on():
    looker = Looker()
    looker.go.set()
    batcher = MicroBatcher(looker, 8)
    with pytest.raises(InputError, match="below zero"):
        batcher.look(film(-1.0))
    assert batcher.look(film(0.25)).scores.tolist() == [[0.25]]


def test_less_than_one_film_is_refused(tmp_path):
    with pytest.raises(InputError, match="batch must be at least 1, got 0"):
        Settings(home=tmp_path, batch=0)
