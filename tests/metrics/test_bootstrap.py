"""Patient-level intervals against closed forms and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from radversary.core.errors import InputError
from radversary.metrics.bootstrap import exact_interval, interval, patient_draws, share


def test_draws_are_of_patients_and_reproducible() -> None:
    patients = ["b", "a", "b", "c"]
    drawn = patient_draws(patients, draws=500, seed=3)
    assert drawn.weights.shape == (500, 3)
    assert (drawn.weights.sum(axis=1) == 3).all()
    assert drawn.inverse.tolist() == [1, 0, 1, 2]
    assert np.array_equal(patient_draws(patients, draws=500, seed=3).weights, drawn.weights)
    assert not np.array_equal(patient_draws(patients, draws=500, seed=4).weights, drawn.weights)
    assert np.abs(drawn.weights.mean(axis=0) - 1.0).max() < 0.15


def test_order_of_images_changes_no_draw() -> None:
    values = np.random.default_rng(0).random(30)
    patients = [f"p{index // 3}" for index in range(30)]
    order = np.random.default_rng(1).permutation(30)
    one = patient_draws(patients, draws=200, seed=0).mean(values)
    two = patient_draws([patients[index] for index in order], draws=200, seed=0).mean(values[order])
    assert np.allclose(one, two, rtol=1e-12)


def test_means_and_totals_equal_resampling_by_hand() -> None:
    patients, values = ["a", "a", "b", "c"], np.array([1.0, 2.0, 4.0, 8.0])
    drawn = patient_draws(patients, draws=20, seed=0)
    for weights, total, mean in zip(drawn.weights, drawn.total(values), drawn.mean(values), strict=True):
        sample = np.repeat(values, weights[drawn.inverse].astype(int))
        assert total == pytest.approx(sample.sum())
        assert mean == pytest.approx(sample.mean())
    assert drawn.mean(np.stack([values, -values], axis=1)).shape == (20, 2)


def test_patients_with_many_images_widen_the_interval() -> None:
    flags = np.tile([1.0, 1.0, 0.0, 1.0], 25)
    alone = patient_draws([str(index) for index in range(100)], seed=0).mean(flags)
    clustered = patient_draws([str(index // 20) for index in range(100)], seed=0).mean(np.sort(flags))
    assert np.ptp(interval(clustered)) > 1.5 * np.ptp(interval(alone))


def test_the_interval_covers_a_binomial_share() -> None:
    flags = np.arange(200) < 140
    low, high = interval(patient_draws([str(index) for index in range(200)], seed=0).mean(flags))
    exact = binomtest(140, 200).proportion_ci(method="wilson")
    assert abs(low - exact.low) < 0.01
    assert abs(high - exact.high) < 0.01


def test_interval_leaves_out_draws_without_a_value() -> None:
    assert interval([float("nan"), 1.0, 1.0]) == (1.0, 1.0)
    assert np.isnan(interval([float("nan")])).all()


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_exact_interval_is_clopper_pearson(case: tuple[int, int]) -> None:
    hits, n = case
    expected = binomtest(hits, n).proportion_ci(method="exact")
    assert exact_interval(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(value=st.floats(0, 1), patients=st.integers(0, 50))
def test_no_interval_of_a_share_has_zero_width(value: float, patients: int) -> None:
    estimate = share(value, np.full(10, value), n=patients, patients=patients)
    assert 0.0 <= estimate.low <= value <= estimate.high <= 1.0
    assert estimate.high - estimate.low > 0.01


@pytest.mark.parametrize(("patients", "draws"), [([], 10), (["a"], 0)])
def test_nothing_to_resample_is_refused(patients: list[str], draws: int) -> None:
    with pytest.raises(InputError, match="images and draws"):
        patient_draws(patients, draws=draws)


def test_memory_is_asked_for_before_it_is_taken():
    with pytest.raises(InputError, match=r"a bootstrap of 1000000000000 draws of 2 patients would take .* GiB"):
        patient_draws(["a", "b"], draws=10**12)
