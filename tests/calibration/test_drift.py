"""The check on fresh clean images and the monitor that may run for ever."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kstest

from radversary.calibration.clean_check import check_clean, common_bound
from radversary.calibration.conformal import Calibration, calibrate
from radversary.calibration.drift import DriftMonitor
from radversary.calibration.martingale import STAKES, bet, evidence, online_p_values, opening, payoffs
from radversary.calibration.p_values import training_conditional_bound
from radversary.core.errors import InputError


def people(n: int, prefix: str = "p") -> list[str]:
    return [f"{prefix}{index}" for index in range(n)]


def normal_calibration(seed: int, n: int = 200) -> Calibration:
    return calibrate(np.random.default_rng(seed).normal(size=n), people(n))


def test_online_p_values_by_hand() -> None:
    bags = {"a": [1.0, 3.0], "b": []}
    found = online_p_values(bags, [3.0, 0.0, 9.0, 2.0], ["a", "a", "b", "a"], [0.5, 1.0, 0.25, 0.1])
    assert found.tolist() == pytest.approx([(0 + 0.5 * 2) / 3, (3 + 1.0) / 4, 0.25, (2 + 0.1) / 5])
    assert bags == {"a": [0.0, 1.0, 2.0, 3.0, 3.0], "b": [9.0]}


def test_online_p_values_of_an_exchangeable_stream_are_independent_and_uniform() -> None:
    cells = [tuple((online_p_values({"a": sorted(order[:2])}, order[2:], ["a"] * 3, [1.0] * 3)
                    * np.array([3, 4, 5])).round().astype(int)) for order in permutations([0.0, 1.0, 2.0, 3.0, 4.0])]
    assert {cell: cells.count(cell) for cell in cells} == {
        (one, two, three): 2 for one in range(1, 4) for two in range(1, 5) for three in range(1, 6)}


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(bag=st.lists(st.integers(0, 5)), scores=st.lists(st.integers(0, 5), min_size=1, max_size=9),
       tie=st.floats(0.001, 1))
def test_online_p_values_are_probabilities_that_fall_with_the_score(bag: list[int], scores: list[int],
                                                                    tie: float) -> None:
    first = [float(online_p_values({"a": sorted(map(float, bag))}, [score], ["a"], [tie])[0])
             for score in sorted(scores)]
    assert all(0 < p <= 1 for p in first)
    assert (np.diff(first) <= 0).all()
    together = online_p_values({"a": sorted(map(float, bag))}, scores, ["a"] * len(scores), [tie] * len(scores))
    assert ((together > 0) & (together <= 1)).all()


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_every_bet_is_fair(alpha: float) -> None:
    for index in range(STAKES):
        whole = quad(lambda p, index=index: payoffs(p, alpha)[index], 0, 1, points=[alpha, 0.5], limit=200)[0]
        assert whole == pytest.approx(1.0, abs=1e-6)
    assert payoffs(np.linspace(0, 1, 101), alpha).min() > 0


def test_the_martingale_is_one_on_average_after_every_step() -> None:
    capital, grid = opening(), (np.arange(20000) + 0.5) / 20000
    for step in range(1, 6):
        paths = bet(np.tile(capital, (len(grid), 1)), grid, step, 0.05)
        assert np.exp(evidence(paths, step)).mean() == pytest.approx(np.exp(evidence(capital, step - 1)), abs=1e-4)
        capital = paths[12345]
    assert np.exp(evidence(opening(), 0)) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("delta", [0.2, 0.05])
def test_the_martingale_stays_under_its_limit_in_null_streams_however_long(delta: float) -> None:
    rng, streams = np.random.default_rng(0), 1500
    capital, highest = np.tile(opening(), (streams, 1)), np.zeros(streams)
    for step in range(1, 301):
        capital = bet(capital, rng.random(streams), step, 0.05)
        highest = np.maximum(highest, evidence(capital, step))
    crossed = np.mean(highest >= np.log(1 / delta))
    assert 0 < crossed <= delta


@pytest.mark.slow
def test_the_monitor_alarms_falsely_in_few_null_streams() -> None:
    alarms = []
    for seed in range(60):
        monitor = DriftMonitor(normal_calibration(seed, 80), delta=0.2, seed=seed)
        alarms.append(monitor.update(np.random.default_rng(1000 + seed).normal(size=120), people(120, "q")))
    assert np.mean(alarms) <= 0.2


@pytest.mark.slow
def test_against_a_fixed_calibration_the_same_bets_would_alarm_by_themselves() -> None:
    rng, streams, n = np.random.default_rng(2), 200, 40
    known = np.sort(rng.normal(size=(streams, n)), axis=1)
    capital, highest = np.tile(opening(), (streams, 1)), np.zeros(streams)
    for step in range(1, 801):
        fixed = ((known > rng.normal(size=(streams, 1))).sum(axis=1) + rng.random(streams)) / (n + 1)
        capital = bet(capital, fixed, step, 0.05)
        highest = np.maximum(highest, evidence(capital, step))
    assert np.mean(highest >= np.log(1 / 0.05)) > 0.2


@pytest.mark.parametrize(("change", "within"), [
    (lambda x: x + 1.0, 150), (lambda x: x - 1.0, 150), (lambda x: 2.5 * x, 200),
    (lambda x: np.where(np.arange(len(x)) % 5 == 0, x + 4.0, x), 400)],
    ids=["up", "down", "spread", "every fifth"])
def test_the_monitor_crosses_soon_after_a_change(change, within: int) -> None:
    rng = np.random.default_rng(3)
    monitor = DriftMonitor(normal_calibration(3, 500))
    assert not monitor.update(rng.normal(size=500), people(500, "before"))
    assert monitor.update(change(rng.normal(size=within)), people(within, "after"))
    assert 500 < monitor.alarmed_at <= 500 + within
    assert monitor.peak >= 2.0


@pytest.mark.slow
def test_an_alarm_stays_and_nothing_overflows() -> None:
    monitor = DriftMonitor(calibrate(np.zeros(500), people(500)))
    assert monitor.update(np.arange(1.0, 3001.0), people(3000, "q"))
    at, peak = monitor.alarmed_at, monitor.peak
    assert np.isfinite(peak)
    monitor.update(np.random.default_rng(0).random(500) * 3000, people(500, "r"))
    assert (monitor.alarm, monitor.alarmed_at) == (True, at)
    assert monitor.evidence < monitor.peak
    json.dumps(monitor.state(), allow_nan=False)


def test_a_pause_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    with pytest.warns(UserWarning, match="'AP'"):
        calibration = calibrate(rng.normal(size=150), people(150), ["PA"] * 120 + ["AP"] * 30)
    scores, patients, groups = rng.normal(size=60), people(40, "q") + people(20, "q"), ["PA", "AP"] * 30
    whole, first = (DriftMonitor(calibration, seed=5) for _ in range(2))
    whole.update(scores, patients, groups)
    first.update(scores[:33], patients[:33], groups[:33])
    second = DriftMonitor.resume(json.loads(json.dumps(first.state())))
    second.update(scores[33:], patients[33:], groups[33:])
    assert second.state() == whole.state()
    assert first.steps == 33
    assert "q1" not in json.dumps(whole.state())


def test_a_patient_counts_once() -> None:
    monitor = DriftMonitor(normal_calibration(0))
    assert not monitor.update(np.full(500, 4.0), ["one patient"] * 500)
    assert monitor.steps == 1
    once = DriftMonitor(normal_calibration(0))
    once.update([4.0], ["one patient"])
    assert once.evidence == monitor.evidence


def test_what_the_monitor_refuses_changes_nothing() -> None:
    monitor = DriftMonitor(normal_calibration(0))
    before = monitor.state()
    with pytest.raises(InputError, match="group 'PA' was never calibrated; known: all"):
        monitor.update([0.0, 0.0], ["a", "b"], ["all", "PA"])
    with pytest.raises(InputError, match="finite"):
        monitor.update([0.0, float("nan")], ["a", "b"])
    with pytest.raises(InputError, match="one an image"):
        monitor.update([0.0, 1.0], ["a"])
    assert monitor.state() == before
    with pytest.raises(InputError, match="between 0 and 1"):
        DriftMonitor(normal_calibration(0), delta=0.0)


def test_a_check_counts_alarms_by_patient() -> None:
    calibration = Calibration(alpha=0.1, scores={"all": np.arange(99.0)}, minimum=9)
    patients = people(40) + ["p0"] * 60
    scores = np.where(np.arange(100) < 3, 95.0, np.where(np.arange(100) >= 40, 95.0, 10.0))
    check = check_clean(calibration, scores, patients, subgroups={"sex": ["F"] * 25 + ["M"] * 15 + ["F"] * 60})
    assert check.overall.rate.value == pytest.approx(3 / 40)
    assert check.overall.rate.n == 40
    assert check.overall.every_image.value == pytest.approx(63 / 100)
    assert check.overall.bound == training_conditional_bound(99, 0.1)
    assert check.overall.inside
    assert not check.overall.broken
    female, male = check.subgroups["sex"]
    assert (female.name, female.rate.value, female.rate.n) == ("F", 3 / 25, 25)
    assert (male.name, male.rate.value, male.rate.n) == ("M", 0.0, 15)
    assert (check.overall.assessable, female.assessable) == (True, False)
    assert check.groups[0].rate == check.overall.rate


@pytest.mark.slow
def test_a_broken_promise_is_told_from_a_kept_one() -> None:
    calibration = normal_calibration(5, 400)
    rng = np.random.default_rng(6)
    kept = check_clean(calibration, rng.normal(size=400), people(400, "q"))
    broken = check_clean(calibration, rng.normal(size=400) + 1.0, people(400, "q"))
    assert kept.overall.inside
    assert not kept.drifted()
    assert broken.overall.broken
    assert not broken.overall.inside
    assert broken.drifted(1e-6)


def test_the_distance_is_scipys_on_online_p_values(monkeypatch) -> None:
    seen = []
    monkeypatch.setattr("radversary.calibration.clean_check.kstest", lambda p, law: seen.append(p) or kstest(p, law))
    check = check_clean(normal_calibration(7), np.random.default_rng(8).normal(size=80), people(80, "q"))
    online = np.sort(seen[0])
    steps = np.arange(81) / 80
    assert check.statistic == pytest.approx(max((steps[1:] - online).max(), (online - steps[:-1]).max()))
    assert check.p_value == kstest(online, "uniform").pvalue
    assert len(np.unique(online)) == 80


@pytest.mark.slow
def test_the_test_of_drift_keeps_its_level_where_a_fixed_calibration_would_not() -> None:
    online, fixed = [], []
    for seed in range(150):
        rng, calibration = np.random.default_rng(9000 + seed), normal_calibration(seed, 40)
        fresh = rng.normal(size=160)
        online.append(check_clean(calibration, fresh, people(160, "q"), draws=1, seed=seed).drifted(0.1))
        smoothed = calibration.p_values(fresh) - rng.random(160) / 41  # no two scores are equal
        fixed.append(kstest(smoothed, "uniform").pvalue <= 0.1)
    assert np.mean(online) <= 0.17
    assert np.mean(fixed) > 0.6


def test_neither_file_order_nor_sorting_by_score_is_a_drift() -> None:
    scores = np.sort(np.random.default_rng(10).normal(size=300))
    patients = people(300, "q")
    check = check_clean(normal_calibration(11, 300), scores, patients, draws=20)
    order = np.random.default_rng(12).permutation(300)
    again = check_clean(normal_calibration(11, 300), scores[order], [patients[index] for index in order], draws=20)
    assert not check.drifted()
    assert again == check


@pytest.mark.slow
def test_groups_have_rates_and_bounds_of_their_own() -> None:
    rng = np.random.default_rng(13)
    groups = ["PA"] * 300 + ["AP"] * 200 + ["lateral"] * 10
    shift = {"PA": 0.0, "AP": 3.0, "lateral": 9.0}
    level = np.asarray([shift[group] for group in groups])
    with pytest.warns(UserWarning, match="lateral"):
        calibration = calibrate(rng.normal(size=510) + level, people(510), groups)
    check = check_clean(calibration, rng.normal(size=510) + level, people(510, "q"), groups)
    rates = {rate.name: rate for rate in check.groups}
    assert rates["PA"].inside
    assert rates["AP"].inside
    assert rates["lateral"].rate.value > 0.5
    assert not rates["lateral"].assessable
    assert rates["PA"].bound == pytest.approx(training_conditional_bound(300, 0.05))
    assert rates["lateral"].bound == pytest.approx(training_conditional_bound(510, 0.05))
    each = [training_conditional_bound(n, 0.05, 1 - 0.05 / 3) for n in (300, 200, 510)]
    assert check.overall.bound == pytest.approx(np.dot(each, [300, 200, 10]) / 510)
    assert common_bound(calibration, groups) == pytest.approx(check.overall.bound)
    assert not check.drifted()  # a small group's stream is compared with that group's own images


def test_the_common_bound_of_groups_holds() -> None:
    rng, kept = np.random.default_rng(14), []
    for _ in range(300):
        calibration = Calibration(alpha=0.1, scores={"a": rng.random(60), "b": rng.random(100)}, minimum=39)
        realised = np.mean([1.0 - threshold for threshold in calibration.thresholds().values()])
        kept.append(realised <= common_bound(calibration, ["a", "b"]))
    assert np.mean(kept) >= 0.95


def test_a_check_refuses_what_it_cannot_judge() -> None:
    calibration = normal_calibration(0)
    with pytest.raises(InputError, match="needs clean images, got none"):
        check_clean(calibration, [], [])
    with pytest.raises(InputError, match="one an image"):
        check_clean(calibration, [1.0], ["a"], subgroups={"sex": ["F", "M"]})
    with pytest.raises(InputError, match="never calibrated"):
        check_clean(calibration, [1.0], ["a"], ["PA"])


@pytest.mark.parametrize("change", [
    lambda state: state.pop("bags"), lambda state: state.update(steps=-1),
    lambda state: state.update(capital=[0]),
    lambda state: state.update(capital="x"), lambda state: state.update(seen=["p"]),
    lambda state: state.update(delta=0),
    lambda state: state.update(bags={"other": [1.0]}), lambda state: state.update(seed=2**63),
    lambda state: state.update(calibration=None), lambda state: state["bags"].update(all=[None])])
def test_what_was_no_state_is_refused_in_one_sentence(change):
    calibration = Calibration(alpha=0.05, scores={"all": np.random.default_rng(0).normal(size=200)}, minimum=79)
    state = json.loads(json.dumps(DriftMonitor(calibration).state()))
    assert DriftMonitor.resume(state).steps == 0
    change(state)
    with pytest.raises(InputError, match="state of a drift monitor"):
        DriftMonitor.resume(state)
