"""The permutation test equals exact enumeration and SciPy's, and keeps its level where images of a patient agree."""

from __future__ import annotations

from itertools import permutations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, permutation_test

from radversary.core.errors import InputError
from radversary.core.types import Estimate
from radversary.metrics.group_difference import blocks_of, chi_square, difference, permutation_p


def exact(patients, groups, right):
    """Enumerate every arrangement of the patients' values; chi-square by SciPy."""
    people = sorted(set(patients))
    values = [groups[patients.index(one)] for one in people]

    def statistic(arranged):
        table = np.zeros((2, max(values) + 1))
        for patient, mark in zip(patients, right, strict=True):
            table[1 - mark, arranged[people.index(patient)]] += 1
        return chi2_contingency(table, correction=False).statistic

    seen = statistic(values)
    return np.mean([statistic(order) >= seen - 1e-9 for order in set(permutations(values))])


CLUSTERS = [0, 0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 6]
VALUES = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
RIGHT = [1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("values", [VALUES, [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2]])
def test_it_equals_exact_enumeration_over_patients(values):
    found = permutation_p(blocks_of(CLUSTERS, values, [[mark] for mark in RIGHT], [1] * 12), permutations=20_000)[0]
    truth = exact(CLUSTERS, values, RIGHT)
    assert 0.01 < truth < 0.5
    assert found == pytest.approx(truth, abs=4 * np.sqrt(truth * (1 - truth) / 20_000) + 1e-4)


@pytest.mark.slow
def test_it_equals_scipy_where_each_image_is_a_patient():
    one, other = [1] * 7 + [0] * 2, [1] * 2 + [0] * 5
    truth = permutation_test((one, other), lambda x, y: abs(np.mean(x) - np.mean(y)), n_resamples=np.inf,
                             alternative="greater").pvalue
    blocks = blocks_of(range(16), [0] * 9 + [1] * 7, [[mark] for mark in one + other], [1] * 16)
    assert permutation_p(blocks, permutations=20_000, seed=3)[0] == pytest.approx(truth, abs=0.006)


def test_the_statistic_is_pearsons():
    rng = np.random.default_rng(1)
    groups, right = rng.integers(0, 3, 60), rng.integers(0, 2, (60, 1))
    blocks = blocks_of(range(60), groups, right, np.ones(60))
    table = [[(right[groups == g] == mark).sum() for g in range(3)] for mark in (0, 1)]
    assert chi_square(blocks.group[None], blocks, 3)[0, 0] == pytest.approx(
        chi2_contingency(table, correction=False).statistic)


def test_systems_share_permutations_and_order_changes_nothing():
    marks = np.random.default_rng(2).integers(0, 2, (40, 2))
    patients, groups = np.repeat(np.arange(20), 2), np.repeat(np.arange(20) % 2, 2)
    both = permutation_p(blocks_of(patients, groups, marks, np.ones(40)), permutations=500)
    alone = permutation_p(blocks_of(patients, groups, marks[:, 1:], np.ones(40)), permutations=500)
    order = np.random.default_rng(3).permutation(40)
    mixed = permutation_p(blocks_of(patients[order], groups[order], marks[order], np.ones(40)), permutations=500)
    assert both[1] == alone[0]
    assert both == mixed


@pytest.mark.slow
def test_it_keeps_its_level_where_images_of_a_patient_agree():
    rng, found, naive = np.random.default_rng(5), [], []
    for _ in range(300):
        skill = rng.random(30) < 0.6
        right = np.repeat(skill, 6) ^ (rng.random(180) < 0.05)
        groups = np.repeat(np.arange(30) % 2, 6)
        blocks = blocks_of(np.repeat(np.arange(30), 6), groups, right[:, None], np.ones(180))
        found.append(permutation_p(blocks, permutations=199, seed=int(rng.integers(1 << 30)))[0])
        naive.append(chi2_contingency([[(right[groups == g] == m).sum() for g in (0, 1)] for m in (0, 1)]).pvalue)
    assert np.mean(np.array(found) <= 0.05) < 0.09
    assert np.mean(np.array(naive) <= 0.05) > 0.2


@pytest.mark.parametrize("mark", [0, 1])
def test_readings_that_are_all_alike_do_not_differ(mark):
    assert permutation_p(blocks_of(range(6), [0, 0, 0, 1, 1, 1], [[mark]] * 6, [1] * 6), permutations=50) == (1.0,)


def test_no_image_odd_shapes_and_no_permutation_are_refused():
    with pytest.raises(InputError, match="an image are needed"):
        blocks_of([], [], np.zeros((0, 1)), [])
    with pytest.raises(InputError, match="an image are needed"):
        blocks_of([1, 2], [0], [[1], [0]], [1, 1])
    with pytest.raises(InputError, match="needs permutations, got 0"):
        permutation_p(blocks_of([1, 2], [0, 1], [[1], [0]], [1, 1]), permutations=0)


def wilson(hits, n):
    z = NormalDist().inv_cdf(0.975)
    p = hits / n
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return Estimate(p, (p + z**2 / (2 * n) - half) / (1 + z**2 / n), (p + z**2 / (2 * n) + half) / (1 + z**2 / n), n)


def test_newcombes_worked_example():
    # Newcombe 1998, Table II, method 10: 56/70 - 48/80 is 0.2000 with the interval 0.0524 to 0.3339.
    found = difference(wilson(56, 70), wilson(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@pytest.mark.slow
@given(st.integers(0, 30), st.integers(0, 30))
def test_a_difference_lies_within_its_interval(one, other):
    found = difference(wilson(one, 30), wilson(other, 30))
    assert -1 <= found.low <= found.value <= found.high <= 1
