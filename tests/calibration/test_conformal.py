"""Conformal p-values by hand, by Monte Carlo and by their laws."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from radversary.calibration.conformal import Calibration, calibrate
from radversary.calibration.p_values import (
    one_image_a_patient,
    p_values,
    patients_for_group,
    training_conditional_bound,
)
from radversary.calibration.thresholds import calibrated_threshold, images_needed
from radversary.core.errors import InputError

SCORES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 1)), min_size=1, max_size=40)


def people(n: int) -> list[str]:
    return [f"p{index}" for index in range(n)]


def test_p_values_by_hand() -> None:
    assert p_values([1, 2, 3, 4], [0, 1, 2.5, 4, 5]).tolist() == [1.0, 1.0, 0.6, 0.4, 0.2]
    assert p_values([2, 2, 2], [2, 3]).tolist() == [1.0, 0.25]
    assert p_values([], [7.0]).tolist() == [1.0]
    assert p_values([1, 3, 3], [2, 3, 4], weights=[1, 0.5, 0.5]).tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 3])


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(calibration=SCORES, scores=SCORES)
def test_p_values_are_probabilities_that_fall_with_the_score(calibration: list[float], scores: list[float]) -> None:
    found = p_values(calibration, sorted(scores))
    assert ((found > 0) & (found <= 1)).all()
    assert (np.diff(found) <= 0).all()
    assert found.tolist() == [(1 + sum(known >= score for known in calibration)) / (len(calibration) + 1)
                              for score in sorted(scores)]
    assert np.allclose(found, p_values(calibration, sorted(scores), weights=np.ones(len(calibration))))


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(calibration=SCORES, scores=SCORES, alpha=st.sampled_from([0.05, 0.1, 0.2, 0.3, 0.5]))
def test_alarms_are_scores_above_the_threshold(calibration: list[float], scores: list[float], alpha: float) -> None:
    if len(calibration) < images_needed(alpha):
        return
    judge = Calibration(alpha=alpha, scores={"all": calibration}, minimum=images_needed(alpha))
    threshold = calibrated_threshold(calibration, false_alarms=alpha)
    assert judge.thresholds() == {"all": threshold}
    assert judge.alarms(scores).tolist() == [score > threshold for score in scores]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (40, 0.05), (99, 0.01), (150, 0.1)])
def test_the_false_alarm_rate_is_kept_over_many_calibrations(n: int, alpha: float) -> None:
    rng = np.random.default_rng(0)
    rates = [np.mean(p_values(rng.normal(size=n), rng.normal(size=60)) <= alpha + 1e-12) for _ in range(1500)]
    expected = np.floor((n + 1) * alpha + 1e-9) / (n + 1)
    assert expected <= alpha + 1e-12
    assert abs(np.mean(rates) - expected) < 5 * np.std(rates) / np.sqrt(len(rates))


def test_the_realised_rate_follows_its_law_and_keeps_its_bound() -> None:
    rng, n, alpha = np.random.default_rng(1), 120, 0.05
    rates = np.asarray([1.0 - calibrated_threshold(rng.random(n), false_alarms=alpha) for _ in range(4000)])
    rank = int(np.ceil((n + 1) * (1 - alpha)))
    assert kstest(rates, beta(n + 1 - rank, rank).cdf).pvalue > 0.01
    assert training_conditional_bound(n, alpha) == pytest.approx(beta.ppf(0.95, n + 1 - rank, rank))
    for confidence in (0.5, 0.95, 0.99):
        share = np.mean(rates <= training_conditional_bound(n, alpha, confidence))
        assert abs(share - confidence) < 4 * np.sqrt(confidence * (1 - confidence) / len(rates))


def test_ties_only_lower_the_realised_rate() -> None:
    rng, n, alpha = np.random.default_rng(2), 120, 0.05
    thresholds = [calibrated_threshold(rng.integers(0, 12, n), false_alarms=alpha) for _ in range(1000)]
    rates = [(11 - threshold) / 12 for threshold in thresholds]
    assert np.mean(np.asarray(rates) <= training_conditional_bound(n, alpha)) >= 0.95


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3, 0.5, 0.9])
def test_a_group_of_the_advised_size_stays_under_twice_the_rate(alpha: float) -> None:
    n = patients_for_group(alpha)
    assert n >= images_needed(alpha)
    assert max(training_conditional_bound(size, alpha) for size in range(n, 3 * n + 50)) <= 2 * alpha


def families(rng: np.random.Generator, n: int) -> tuple[np.ndarray, list[str]]:
    """Half the patients come once and score high, half come thirty times and score low, alike each time."""
    often = np.arange(n) % 2 == 0
    level = rng.normal(size=n) - 3.0 * often
    counts = np.where(often, 30, 1)
    return np.repeat(level, counts) + 0.1 * rng.normal(size=counts.sum()), np.repeat(people(n), counts).tolist()


@pytest.mark.slow
def test_patients_with_many_images_do_not_break_the_promise_as_they_break_it_image_by_image() -> None:
    rng, alpha = np.random.default_rng(3), 0.1
    rates: dict[str, list[float]] = {"patient": [], "weighted": [], "image": []}
    for draw in range(250):
        scores, patients = families(rng, 40)
        fresh, others = families(rng, 40)
        one = fresh[one_image_a_patient(fresh, others, seed=draw)]
        shares = 1.0 / np.asarray([30.0 if int(patient[1:]) % 2 == 0 else 1.0 for patient in patients])
        rates["patient"].append(np.mean(calibrate(scores, patients, alpha=alpha, seed=draw).alarms(one)))
        rates["weighted"].append(np.mean(p_values(scores, one, weights=shares) <= alpha))
        rates["image"].append(np.mean(p_values(scores, one) <= alpha))
    assert np.mean(rates["patient"]) <= alpha + 0.01
    assert np.mean(rates["weighted"]) <= alpha + 0.01
    assert np.mean(rates["image"]) > 3 * alpha


def test_one_image_a_patient_is_chosen_evenly_and_in_no_file_order() -> None:
    scores, patients = np.array([3.0, 1.0, 2.0, 5.0, 4.0]), ["b", "a", "b", "b", "c"]
    picks = [tuple(scores[one_image_a_patient(scores, patients, seed=seed)]) for seed in range(600)]
    assert {pick[0] for pick in picks} == {1.0}
    assert {pick[2] for pick in picks} == {4.0}
    for value in (3.0, 2.0, 5.0):
        assert abs(np.mean([pick[1] == value for pick in picks]) - 1 / 3) < 0.08
    order = np.random.default_rng(0).permutation(5)
    again = scores[order][one_image_a_patient(scores[order], [patients[index] for index in order], seed=7)]
    assert tuple(again) == picks[7]


def test_each_group_keeps_its_own_rate() -> None:
    rng = np.random.default_rng(4)
    groups = ["PA"] * 600 + ["AP"] * 400
    scores = rng.normal(size=1000) + 2.0 * (np.asarray(groups) == "AP")
    calibration = calibrate(scores, people(1000), groups, alpha=0.05)
    fresh = {"PA": rng.normal(size=20000), "AP": rng.normal(size=20000) + 2.0}
    for group, values in fresh.items():
        assert calibration.alarms(values, [group] * 20000).mean() <= calibration.bounds()[group] < 0.08
        assert calibration.p_values(values, [group] * 20000).tolist() == p_values(calibration.scores[group],
                                                                                 values).tolist()
    pooled = calibrate(scores, people(1000), alpha=0.05)
    assert pooled.alarms(fresh["AP"]).mean() > 0.1 > 0.01 > pooled.alarms(fresh["PA"]).mean()
    mixed = calibration.p_values([0.0, 0.0], ["PA", "AP"])
    assert mixed[0] < mixed[1]


def test_a_small_group_is_pooled_with_a_warning_that_names_it() -> None:
    with pytest.warns(UserWarning, match="group 'lateral' has 20 calibration patients, fewer than 79") as caught:
        calibration = calibrate(np.arange(120.0), people(120), ["PA"] * 100 + ["lateral"] * 20)
    assert len(caught) == 1
    assert calibration.pooled == ("lateral",)
    assert calibration.reference("lateral").tolist() == list(range(120))
    assert calibration.thresholds() == {"PA": 95.0, "lateral": 114.0}
    assert calibration.bounds() == {"PA": training_conditional_bound(100, 0.05),
                                    "lateral": training_conditional_bound(120, 0.05)}


def test_a_group_never_calibrated_is_refused_in_one_sentence() -> None:
    calibration = calibrate(np.arange(200.0), people(200), ["PA", "AP"] * 100)
    with pytest.raises(InputError, match="group 'LL' was never calibrated; known: AP, PA"):
        calibration.p_values([1.0, 2.0], ["PA", "LL"])
    with pytest.raises(InputError, match="each image needs its group, calibration knows AP, PA"):
        calibration.p_values([1.0])
    with pytest.raises(InputError, match=r"groups must be one an image \(2\), got 1"):
        calibration.p_values([1.0, 2.0], ["PA"])
    with pytest.raises(InputError, match="never calibrated; known: all"):
        calibrate(np.arange(20.0), people(20)).p_values([1.0], ["PA"])


def test_too_few_patients_are_refused_with_the_number_needed() -> None:
    with pytest.raises(InputError, match="needs 19 clean calibration patients at least, got 18"):
        calibrate(np.arange(180.0), people(18) * 10, alpha=0.05)
    with pytest.raises(InputError, match=r"0\.01 needs 99 clean calibration patients at least, got 98"):
        training_conditional_bound(98, 0.01)
    with pytest.raises(InputError, match=r"needs 19 patients at least for a false-alarm rate of 0\.05, the minimum"):
        calibrate(np.arange(100.0), people(100), minimum=10)
    assert calibrate(np.arange(19.0), people(19)).thresholds() == {"all": 18.0}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="finite"):
        calibrate([*range(30), bad], people(31))
    with pytest.raises(InputError, match="finite"):
        calibrate(range(30), people(30)).p_values([bad])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="one an image"):
        calibrate(range(30), people(29))
    with pytest.raises(InputError, match="weights must be one a calibration score"):
        p_values([1, 2], [1], weights=[1])
    with pytest.raises(InputError, match="confidence"):
        training_conditional_bound(100, 0.05, 1.0)
    with pytest.raises(InputError, match="false-alarm rate must lie"):
        calibrate(range(30), people(30), alpha=0.0)


def test_a_calibration_is_its_fields_also_through_json() -> None:
    rng = np.random.default_rng(5)
    with pytest.warns(UserWarning, match="'AP'"):
        calibration = calibrate(rng.normal(size=150), people(150), ["PA"] * 100 + ["AP"] * 50, seed=3)
    again = Calibration(**json.loads(json.dumps(asdict(calibration))))
    assert again == calibration
    assert again.p_values([0.5], ["AP"]) == calibration.p_values([0.5], ["AP"])
