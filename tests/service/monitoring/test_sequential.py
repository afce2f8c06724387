"""The tests that may run for ever: false alarms by simulation, detection, and states that are gone on with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from radversary.core.errors import InputError
from radversary.service.monitoring import sequential
from radversary.service.monitoring.sequential import DELTA, Item, State, ever_above, limits, reference_of


def items(scores, threshold=1.3):
    return [Item(score=float(score), group="all", alarm=bool(score > threshold)) for score in scores]


def streams(count, length, *, patients=60, shift=0.0, digits=1):
    """Each a reference and the state after a stream; scores are rounded, so that many are equal."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        known = reference_of({"all": np.round(rng.normal(size=patients), digits)}, alpha=0.1, bound=0.2, seed=seed)
        yield State().counted(known, items(np.round(rng.normal(size=length) + shift, digits)))


@pytest.mark.slow
def test_no_more_than_the_promised_share_of_clean_streams_ever_alarms():
    fired = [state.drifted_at > 0 for state in streams(200, 300)]
    assert np.mean(fired) <= DELTA + 3 * np.sqrt(DELTA * (1 - DELTA) / len(fired))


@pytest.mark.slow
def test_few_clean_streams_alarm_quickly():
    assert sum(state.drifted_at > 0 for state in streams(25, 60)) <= 2


def test_shifted_streams_alarm_soon():
    assert all(0 < state.drifted_at <= 60 for state in streams(10, 60, shift=1.5))


@pytest.mark.slow
@pytest.mark.parametrize("digits", [0, 6])
def test_online_p_values_are_uniform_and_uncorrelated_with_and_without_equal_scores(digits):
    """Against the first 20 scores alone: p-values of a fixed calibration would share its accidents."""
    found = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        known = reference_of({"all": np.round(rng.normal(size=20), digits)}, alpha=0.1, bound=0.2, seed=seed)
        seen = {}
        found.append([sequential._online(known, item, seen, step + 1)
                      for step, item in enumerate(items(np.round(rng.normal(size=20), digits)))])
    made = np.array(found)
    assert kstest(made.ravel(), "uniform").pvalue > 0.001
    assert abs(np.corrcoef(made[:, 0], made[:, 1:].mean(axis=1))[0, 1]) < 3 / np.sqrt(len(made))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), max_size=30), st.integers(0, 30))
def test_a_stream_in_two_parts_is_the_stream(scores, cut):
    known = reference_of({"all": [-1.0, 0.0, 0.0, 1.0, 2.0]}, alpha=0.1, bound=0.2)
    whole = State().counted(known, items(scores))
    first = State.model_validate_json(State().counted(known, items(scores[:cut])).model_dump_json())
    assert first.counted(known, items(scores[cut:])) == whole


def test_a_group_that_the_reference_does_not_know_is_refused():
    known = reference_of({"PA": [0.0]}, alpha=0.1, bound=0.2)
    with pytest.raises(InputError, match="group 'all' is not in the reference; it knows PA"):
        State().counted(known, items([0.0]))


def test_a_rank_counts_what_is_more_unusual():
    known = reference_of({"all": [3.0, 1.0, 2.0]}, alpha=0.1, bound=0.2)
    assert [known.rank(score, "all", 1) for score in (9.0, 2.5, 0.0)] == [0, 1, 3]
    assert {known.rank(2.0, "all", step) for step in range(50)} == {1, 2}


@pytest.mark.slow
def test_rates_at_their_bound_are_hardly_ever_found_above_it():
    rng = np.random.default_rng(0)
    fired = 0
    for _ in range(300):
        hits = np.cumsum(rng.random(800) < 0.1)
        fired += any(ever_above(int(count), step, 0.1) for step, count in enumerate(hits, start=1))
    assert fired / 300 <= DELTA


def test_a_rate_above_its_bound_is_found():
    rng = np.random.default_rng(1)
    hits = np.cumsum(rng.random(400) < 0.3)
    assert any(ever_above(int(count), step, 0.1) for step, count in enumerate(hits, start=1))
    state = State().counted(reference_of({"all": range(50)}, alpha=0.05, bound=0.1), items([100.0] * 10))
    assert 0 < state.exceeded_at <= 10


@pytest.mark.slow
@given(st.integers(0, 200), st.integers(1, 400))
def test_limits_hold_the_rate_and_agree_with_the_test(hits, more):
    n = hits + more
    low, high = limits(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    if low > 1e-6:
        assert ever_above(hits, n, low * 0.999)
        assert not ever_above(hits, n, min(low * 1.001, hits / n))
