"""Holm's adjustment equals published values and the closed test that it shortens."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radversary.core.errors import InputError
from radversary.metrics.multiple import holm


def closed(values):
    """Reject where every set that holds the hypothesis is rejected by Bonferroni (Marcus, Peritz and Gabriel 1976)."""
    places = range(len(values))
    sets = [chosen for size in range(1, len(values) + 1) for chosen in combinations(places, size)]
    return [max(min(1.0, len(chosen) * min(values[i] for i in chosen)) for chosen in sets if place in chosen)
            for place in places]


def test_values_of_r():
    # p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") and the example of four that textbooks give.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx((0.05, 0.08, 0.09, 0.09, 0.09))
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.9, 0.6]) == (1.0, 1.0)
    assert holm([]) == ()


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_it_is_the_closed_test_of_bonferroni(values):
    assert np.allclose(holm(values), closed(values))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(value):
    with pytest.raises(InputError, match=r"lies in \[0, 1\]"):
        holm([0.5, value])
