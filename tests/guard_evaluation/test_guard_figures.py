"""Figures of hand-made scores, against what can be counted by hand or by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from radversary.auditing.cells import Condition
from radversary.core.types import Estimate
from radversary.guard_evaluation.figures import CURVE, Judge, alerts, tpr_draws
from radversary.metrics.detection import detection_rate

ATTACK = Condition(attack="a", strength=0.5, measure="opacity")
CLEAN = np.arange(1.0, 101.0)
SUSPECT = np.concatenate([np.full(50, 99.5), np.full(30, 97.5), np.full(20, 50.5)])
ALARM_ABOVE = 95.0
COLUMNS = {"score_rough": "anomaly_score"}


@dataclass(frozen=True)
class AuditContext:
    """The parts of a context that a judge uses."""

    plan: object = field(default_factory=lambda: SimpleNamespace(bootstrap=200, seed=1, prevalence=0.02, studies=500))
    guard: object = field(default_factory=lambda: SimpleNamespace(detectors={"rough": None}))


def table(attack: str, kind: str, scores: np.ndarray, predicted: list[str], strength: float = 0.0) -> pd.DataFrame:
    number = np.arange(len(scores))
    return pd.DataFrame({
        "row": number, "image_id": [f"i{n}" for n in number], "patient_id": [f"p{n}" for n in number], "label": "sick",
        "kind": kind, "attack": attack, "strength": strength, "knowledge": "oblivious", "predicted": predicted,
        "known": True, "right": [said == "sick" for said in predicted],
        "predicted_direct": predicted, "anomaly_score": scores, "score_rough": -scores, "p_value": 1.0 / (1.0 + scores),
        "alarm": scores > ALARM_ABOVE, "alarm_direct": False, "brightness": 0.5, "file_bytes": 900, "channels": 1})


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    # Of the attacked: 50 at 99.5, 30 at 97.5, 20 at 50.5; every second one is read as well, and of the clean ones none.
    attacked = table("a", "attack", SUSPECT, ["well", "sick"] * 50, 0.5)
    sick = ["sick"] * 100
    return pd.concat([table("clean", "clean", CLEAN, sick), table("as stored", "harmless", CLEAN, sick), attacked,
                      table("identity", "identity", CLEAN, sick)], ignore_index=True)


@pytest.fixture(scope="module")
def judge(frame) -> Judge:
    return Judge.of(AuditContext(), frame)


def test_areas_and_rates_are_those_counted_by_hand(judge, frame):
    row = judge.row(ATTACK, frame)
    truth, scores = np.r_[np.zeros(100), np.ones(100)], np.r_[CLEAN, SUSPECT]
    assert row.auroc.value == pytest.approx(roc_auc_score(truth, scores)) == pytest.approx(0.5 * 0.99 + 0.3 * 0.97
                                                                                          + 0.2 * 0.5)
    assert row.detectors["rough"].value == pytest.approx(1 - row.auroc.value)
    assert (row.tpr_at_fpr_1.value, row.tpr_at_fpr_5.value, row.alarms.value) == pytest.approx((0.5, 0.8, 0.8))
    assert all(e.low <= e.value <= e.high and e.n == 100
               for e in (row.auroc, row.tpr_at_fpr_1, row.tpr_at_fpr_5, row.alarms))
    assert {area.value for area in row.floors.values()} == {0.5}


@pytest.mark.slow
def test_how_images_end_is_counted_and_sums_to_one(judge, frame):
    row = judge.row(ATTACK, frame)
    ends = [row.outcome.correct_accepted.value, row.outcome.flagged.value, row.outcome.wrong_accepted.value]
    assert ends == pytest.approx([0.1, 0.8, 0.1])
    assert sum(ends) == pytest.approx(1.0)
    clean = judge.harmless("clean", frame).outcome
    assert [clean.correct_accepted.value, clean.flagged.value, clean.wrong_accepted.value] == [0.95, 0.05, 0.0]


@pytest.mark.slow
def test_only_flipped_predictions_count_among_the_flipped(judge, frame):
    row = judge.row(ATTACK, frame)
    assert row.flipped.value == 0.5
    assert (row.alarms_flipped.value, row.alarms_flipped.n) == (0.8, 50)
    assert (row.tpr_at_fpr_1_flipped.value, row.tpr_at_fpr_5_flipped.value) == pytest.approx((0.5, 0.8))
    assert (row.undetected_success_rate.value, row.undetected_success_rate_direct.value) == pytest.approx((0.1, 0.5))


def test_what_changes_nothing_has_an_area_of_one_half_and_flips_nothing(judge, frame):
    row = judge.row(Condition(attack="identity", strength=0.0), frame)
    assert row.auroc.value == 0.5
    assert row.auroc.low <= 0.5 <= row.auroc.high
    assert row.flipped.value == 0.0
    assert row.tpr_at_fpr_1_flipped is row.tpr_at_fpr_5_flipped is row.alarms_flipped is None


def test_the_curve_is_the_detection_rate_at_each_false_alarm_rate_within_its_band(judge, frame):
    curve = judge.row(ATTACK, frame).curve
    assert curve.false_alarms == (*CURVE, 1.0)
    expected = [detection_rate(CLEAN, SUSPECT, false_alarms=rate) for rate in CURVE]
    assert curve.detections == pytest.approx((*expected, 1.0))
    assert all(low <= value <= high for low, value, high in zip(curve.low, curve.detections, curve.high, strict=True))
    assert list(curve.detections) == sorted(curve.detections)


def test_a_weighted_draw_is_the_same_as_repeating_the_images():
    rng = np.random.default_rng(0)
    clean, suspect = rng.normal(size=40), rng.normal(size=30) + 1
    often = rng.integers(0, 4, size=(5, 70)).astype(float)
    rates = [0.0, 0.01, 0.05, 0.3, 0.9]
    found = tpr_draws(clean, suspect, often[:, :40], often[:, 40:], rates)
    for draw, weights in enumerate(often.astype(int)):
        repeated = np.repeat(clean, weights[:40]), np.repeat(suspect, weights[40:])
        assert found[draw] == pytest.approx([detection_rate(*repeated, false_alarms=rate) for rate in rates])


def test_a_draw_without_clean_or_attacked_images_says_nothing():
    one, none = np.ones((1, 3)), np.zeros((1, 3))
    scores = np.arange(3.0)
    assert np.isnan(tpr_draws(scores, scores, none, one, [0.1])).all()
    assert np.isnan(tpr_draws(scores, scores, one, none, [0.1])).all()


def test_the_threshold_s_own_chance_is_in_the_interval(judge, frame):
    fixed = judge.share(SUSPECT > 99.0, frame[frame["kind"] == "attack"])
    moving = judge.row(ATTACK, frame).tpr_at_fpr_1
    assert fixed.value == moving.value
    assert moving.high - moving.low > fixed.high - fixed.low


def test_a_day_s_alerts_follow_from_prevalence_and_both_rates(judge, frame):
    day = judge.row(ATTACK, frame).alerts
    assert (day.true, day.false, day.unnoticed) == pytest.approx((8.0, 24.5, 2.0))
    assert day.ppv.value == pytest.approx(8.0 / 32.5)
    assert day.ppv.low < day.ppv.value < day.ppv.high
    nothing = Estimate(0.0, 0.0, 0.1, 9)
    assert alerts(nothing, nothing, prevalence=0.1, studies=10).ppv is None
