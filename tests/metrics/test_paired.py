"""Paired comparisons against SciPy and resampling by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from radversary.core.errors import InputError
from radversary.metrics.paired import paired_test


def readings(n: int = 200) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    return rng.random(n) < 0.9, rng.random(n) < 0.6, [str(index // 2) for index in range(n)]


@pytest.mark.slow
def test_mcnemar_and_the_paired_interval() -> None:
    before, after, patients = readings()
    found = paired_test(before, after, patients=patients)
    assert found.lost == np.sum(before & ~after)
    assert found.won == np.sum(~before & after)
    assert found.p_value == pytest.approx(binomtest(found.won, found.lost + found.won).pvalue)
    assert found.difference.value == pytest.approx(after.mean() - before.mean())
    change = (after.astype(float) - before).reshape(-1, 2).sum(1)
    rng = np.random.default_rng(9)
    expected = np.quantile([rng.choice(change, 100).sum() / 200 for _ in range(4000)], [0.025, 0.975])
    assert (found.difference.low, found.difference.high) == pytest.approx(expected, abs=0.015)


def test_pairing_is_tighter_than_two_separate_intervals() -> None:
    before, _, patients = readings()
    after = before.copy()
    after[:6] = False
    found = paired_test(before, after, patients=patients).difference
    assert found.high - found.low < 0.08


@pytest.mark.parametrize("flip", [False, True])
def test_equal_or_opposite_readings_still_have_a_width(flip: bool) -> None:
    before = np.ones(30, dtype=bool)
    found = paired_test(before, before ^ flip, patients=[str(index) for index in range(30)])
    assert found.difference.value == (-1.0 if flip else 0.0)
    assert -1.0 <= found.difference.low <= found.difference.value <= found.difference.high <= 1.0
    assert found.difference.high - found.difference.low > 0.05
    assert (found.p_value == 1.0) is not flip


def test_order_of_images_changes_nothing() -> None:
    before, after, patients = readings(40)
    order = np.random.default_rng(2).permutation(40)
    one = paired_test(before, after, patients=patients, draws=100)
    two = paired_test(before[order], after[order], patients=[patients[index] for index in order], draws=100)
    assert one.p_value == two.p_value
    assert (one.difference.low, one.difference.high) == pytest.approx((two.difference.low, two.difference.high))


def test_readings_that_do_not_pair_are_refused() -> None:
    with pytest.raises(InputError, match="same images"):
        paired_test([True], [True, False], patients=["a"])
    with pytest.raises(InputError, match="one an image"):
        paired_test([True], [True], patients=[])
