"""Transitions equal a count by hand, and their intervals resample patients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radversary.core.errors import InputError
from radversary.metrics.bootstrap import patient_draws
from radversary.metrics.flips import flip_figures
from radversary.metrics.transitions import transition_figures

READINGS = st.lists(st.tuples(*[st.integers(0, 2)] * 2, st.integers(-1, 2), st.integers(0, 4)), min_size=1, max_size=25)


@pytest.mark.slow
@given(READINGS)
def test_counts_are_those_of_a_loop(rows):
    truth, clean, attacked, patients = zip(*rows, strict=True)
    draws = patient_draws(list(map(str, patients)), draws=50)
    found = transition_figures(truth, clean, attacked, classes=3, resampled=draws)
    for i in range(3):
        own = [after for there, before, after, _ in rows if there == before == i and after >= 0]
        assert found.counts[i] == tuple(own.count(j) for j in range(3))
        for j in set(own) - {i}:
            share = found.shares[i, j]
            assert (share.value, share.n) == (own.count(j) / len(own), len(own))
            assert share.low <= share.value <= share.high
    assert set(found.shares) == {(i, j) for i in range(3) for j in range(3) if i != j and found.counts[i][j]}


def test_of_two_classes_they_are_the_flips():
    rng = np.random.default_rng(1)
    truth, clean, attacked = rng.integers(0, 2, (3, 60))
    patients = [str(number // 2) for number in range(60)]
    found = transition_figures(truth, clean, attacked, classes=2, resampled=patient_draws(patients, draws=200, seed=4))
    flips = flip_figures(truth[:, None], clean[:, None], attacked[:, None], names=["x"], patients=patients, draws=200,
                         seed=4).findings[0]
    assert (found.shares[1, 0], found.shares[0, 1]) == (flips.hidden, flips.invented)


def test_readings_of_other_lengths_are_refused():
    with pytest.raises(InputError, match="three readings of the same images"):
        transition_figures([0, 1], [0], [0, 1], classes=2, resampled=patient_draws(["a", "b"]))
