"""What a calibration promises at a level, beside independent ways to the same figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from radversary.calibration.conformal import Calibration
from radversary.calibration.p_values import training_conditional_bound
from radversary.service.monitoring.levels import LEVELS, promised_rate, shown_levels, spread, streamed_rate
from radversary.service.monitoring.overview import overview_of
from service.conftest import actor
from service.monitoring.conftest import add_screenings


@pytest.mark.slow
@given(st.integers(min_value=20, max_value=3000), st.sampled_from([0.05, 0.1, 0.2]))
def test_a_promise_is_the_law_of_the_threshold(n, level):
    """At most k of n uniform scores lie above a point: the beta law by way of the binomial one."""
    found, above = promised_rate(n, level), int(np.floor((n + 1) * level + 1e-9))
    assert found.value == pytest.approx(above / (n + 1))
    assert found.value <= level + 1e-12
    assert binom.sf(above - 1, n, found.low) == pytest.approx(0.025, rel=1e-6)
    assert binom.sf(above - 1, n, found.high) == pytest.approx(0.975, rel=1e-6)
    assert found.high == pytest.approx(training_conditional_bound(n, level, 0.975))


def test_levels_that_too_few_patients_stand_for_are_left_out():
    few = Calibration(alpha=0.05, scores={"all": range(41)}, minimum=19)
    assert shown_levels(few, "all") == [0.05, 0.1, 0.2]
    many = Calibration(alpha=0.03, scores={"all": range(500)}, minimum=99)
    assert shown_levels(many, "all") == sorted([*LEVELS, 0.03])


@pytest.mark.slow
def test_the_stream_at_the_guards_own_level_is_what_monitoring_shows(platform, guard):
    add_screenings(platform, guard, [1.0, 9.0, None, 2.0, 7.0])
    shown = overview_of(platform, actor(), guard)
    with platform.database.reading() as session:
        found = streamed_rate(session, guard, "all", 0.1)
        assert spread(session, guard, [0.1, 1.0]) == (shown.alarms, found.model_copy(
            update={"value": 1.0, "low": spread(session, guard, [1.0])[0].low, "high": 1.0}))
    assert found == shown.alarms
    assert (found.value, found.n) == (0.5, 4)
