"""Figures of detection against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, roc_auc_score

from radversary.core.errors import InputError
from radversary.metrics.bootstrap import patient_draws
from radversary.metrics.detection import auroc, auroc_estimate, detection_rate, histogram, rate_above, roc
from radversary.metrics.ranking import area_draws, weighted_area

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(clean=SCORES, suspect=SCORES)
def test_area_equals_scikit_learn(clean: list[int], suspect: list[int]) -> None:
    truth = [0] * len(clean) + [1] * len(suspect)
    assert auroc(clean, suspect) == pytest.approx(roc_auc_score(truth, clean + suspect))


@pytest.mark.slow
def test_weighted_area_equals_scikit_learns_sample_weights() -> None:
    rng = np.random.default_rng(0)
    scores, truth, weights = rng.integers(0, 9, 40), rng.random(40) < 0.4, rng.integers(0, 4, (25, 40)).astype(float)
    expected = [roc_auc_score(truth, scores, sample_weight=row) for row in weights]
    assert weighted_area(scores, truth, weights) == pytest.approx(expected)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    drawn = patient_draws([str(index) for index in range(30)], draws=50, seed=0)
    scores, truth = rng.random(30), rng.random(30) < 0.5
    whole = area_draws(scores, truth, drawn)
    monkeypatch.setattr("radversary.metrics.ranking.CELLS", 100)
    assert np.array_equal(area_draws(scores, truth, drawn), whole)


def test_a_draw_without_a_side_has_no_area() -> None:
    assert np.isnan(weighted_area([1, 2], [False, True], np.array([[2.0, 0.0]]))).all()


def test_identity_scores_one_half_and_patients_are_paired() -> None:
    scores = np.random.default_rng(0).random(60)
    patients = [str(index // 2) for index in range(60)]
    same = auroc_estimate(scores, scores, patients_clean=patients, patients_suspect=patients, draws=300)
    assert same.value == 0.5
    assert same.low < 0.5 < same.high
    shifted = auroc_estimate(scores, scores + 0.05, patients_clean=patients, patients_suspect=patients, draws=300)
    others = [f"other {name}" for name in patients]
    apart = auroc_estimate(scores, scores + 0.05, patients_clean=patients, patients_suspect=others, draws=300)
    assert shifted.high - shifted.low < 0.5 * (apart.high - apart.low)


def test_a_perfect_detector_keeps_a_width() -> None:
    found = auroc_estimate([0, 0.1, 0.2], [1, 2, 3], patients_clean=list("abc"), patients_suspect=list("abc"))
    assert (found.value, found.high, found.n) == (1.0, 1.0, 3)
    assert found.low < 0.5


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(clean=SCORES, suspect=SCORES, points=st.integers(2, 40))
def test_the_curve_rises_from_corner_to_corner(clean: list[int], suspect: list[int], points: int) -> None:
    false_alarms, detections = roc(clean, suspect, points=points)
    assert len(false_alarms) == len(detections) <= points
    assert (false_alarms[0], detections[0], false_alarms[-1], detections[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert (np.diff(false_alarms) >= 0).all()
    assert (np.diff(detections) >= 0).all()


def test_the_curve_holds_the_area() -> None:
    rng = np.random.default_rng(0)
    clean, suspect = rng.normal(0, 1, 2000), rng.normal(1, 1, 2000)
    assert auc(*roc(clean, suspect)) == pytest.approx(auroc(clean, suspect), abs=0.002)


def test_rates() -> None:
    assert rate_above([1, 2, 3, 4], 3, list("abcd")).value == 0.25
    clean, suspect = np.arange(100.0), np.arange(100.0) + 50
    assert detection_rate(clean, suspect, false_alarms=0.1) == 0.6
    assert detection_rate(clean, suspect, false_alarms=0.0) == 0.5
    assert detection_rate(np.zeros(10), np.zeros(10), false_alarms=0.5) == 0.0


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(clean=SCORES, suspect=SCORES, bins=st.integers(1, 50))
def test_every_score_is_in_the_histogram(clean: list[int], suspect: list[int], bins: int) -> None:
    edges, first, second = histogram(clean, suspect, bins=bins)
    assert (len(edges), len(first), len(second)) == (bins + 1, bins, bins)
    assert (sum(first), sum(second)) == (len(clean), len(suspect))
    assert all(isinstance(count, int) for count in first)


@pytest.mark.parametrize(("clean", "suspect"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.inf])])
@pytest.mark.parametrize("figure", [auroc, roc, histogram])
def test_unusable_scores_are_refused(figure, clean, suspect) -> None:
    with pytest.raises(InputError, match="scores"):
        figure(clean, suspect)


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="two points"):
        roc([0], [1], points=1)
    with pytest.raises(InputError, match="bin"):
        histogram([0], [1], bins=0)
    with pytest.raises(InputError, match="false-alarm"):
        detection_rate([0], [1], false_alarms=1.0)
    with pytest.raises(InputError, match="one an image"):
        auroc_estimate([0], [1], patients_clean=[], patients_suspect=["a"])
