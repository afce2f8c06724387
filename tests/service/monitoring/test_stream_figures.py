"""Figures of streams beside independent implementations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from radversary.service.monitoring import figures


def stream(p_values, **columns):
    frame = pd.DataFrame({"p_value": p_values, "time": np.arange(len(p_values), dtype=float)})
    return frame.assign(**{"group": "all", **columns})


def test_the_rate_of_alarms_has_clopper_and_pearson_s_interval():
    found = figures.alarm_rate(stream([0.01, 0.05, 0.2, 0.9, np.nan]), 0.05)
    expected = stats.binomtest(2, 4).proportion_ci(method="exact")
    assert (found.value, found.n) == (0.5, 4)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_stream_without_films_has_no_figures():
    empty = stream([])
    assert figures.alarm_rate(empty, 0.1) == figures.Figure()
    assert figures.by_group(empty, 0.1, {}) == ()
    assert figures.spans(empty, 0.1) == ()
    assert figures.latency([]).p50.value is None
    assert figures.mix([], []).distance is None
    assert figures.confidence([], []).p_value is None


def test_groups_are_apart_and_bring_their_bounds():
    found = figures.by_group(stream([0.01, 0.9, 0.9], group=["PA", "AP", "PA"]), 0.05, {"PA": 0.08})
    assert [(item.group, item.alarms.value, item.alarms.n, item.bound) for item in found] == [
        ("AP", 0.0, 1, None), ("PA", 0.5, 2, 0.08)]


def test_the_difference_of_two_proportions_is_newcombe_s():
    """Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10: 56/70 and 48/80."""
    found = figures.difference(figures.rate(48, 80), figures.rate(56, 70))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=6e-5)


@pytest.mark.slow
def test_mixes_that_did_not_change_are_called_a_surprise_as_rarely_as_said():
    rng = np.random.default_rng(0)
    found = [figures.mix(*(rng.choice(["a", "b", "c"], 60).tolist() for _ in range(2)), seed=seed).p_value
             for seed in range(100)]
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_a_mix_that_changed_is_a_surprise():
    changed = figures.mix(["a"] * 70 + ["b"] * 30, ["b"] * 60 + ["c"] * 40)
    assert changed.p_value < 0.001
    assert [item.prediction for item in changed.classes] == ["a", "b", "c"]
    assert changed.distance == pytest.approx(0.7)


def test_a_permutation_p_value_of_a_mix_is_fisher_s():
    found = figures.mix(["a"] * 9 + ["b"] * 3, ["a"] * 3 + ["b"] * 9)
    assert found.p_value == pytest.approx(stats.fisher_exact([[9, 3], [3, 9]]).pvalue, abs=0.02)


def test_confidences_are_compared_as_welch_does():
    before, now = np.linspace(0.5, 0.9, 30), np.linspace(0.4, 0.95, 50)
    found = figures.confidence([*before, np.nan], now)
    expected = stats.ttest_ind(now, before, equal_var=False).confidence_interval()
    assert (found.change.low, found.change.high) == pytest.approx((expected.low, expected.high))
    assert (found.before.n, found.now.n, found.change.n) == (30, 50, 80)
    assert figures.confidence([0.5, 0.5], [0.5, 0.5]).change.value == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_intervals_of_quantiles_hold_as_often_as_they_say(share):
    rng = np.random.default_rng(3)
    truth = stats.lognorm(1.0).ppf(share)
    held = 0
    for _ in range(300):
        found = figures.quantile(np.sort(rng.lognormal(size=200)), share)
        held += found.low <= truth <= found.high
    assert held / 300 >= 0.92


def test_too_few_values_leave_an_end_open():
    found = figures.quantile(np.arange(10.0), 0.99)
    assert (found.high, found.n) == (None, 10)


def test_spans_hold_every_film_once():
    found = figures.spans(stream(np.linspace(0.01, 1, 97)), 0.1, count=7)
    assert sum(item.alarms.n for item in found) == 97
    assert len(found) == 7
