"""Figures in words: the conclusion follows the intervals."""

from __future__ import annotations

import math

import pytest
from audit_factory import audit_result, changed
from hypothesis import given
from hypothesis import strategies as st

from radversary.core.types import Estimate
from radversary.metrics.performance import PairedTest
from radversary.report import formats
from radversary.report.headline import conclusion
from radversary.report.result_view import ResultView


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return audit_result(tmp_path_factory.mktemp("run"), images=0)


def words(result) -> str:
    return " ".join(conclusion(ResultView(result)).striptags().split())


def paired_otherwise(result, **update):
    cells = tuple(c.model_copy(update=update) if c.condition.attack.startswith("style") and c.condition.strength == 1
                  else c for c in result.cells)
    return result.model_copy(update={"cells": cells})


def test_one_sentence_with_all_three_findings(result):
    text = words(result)
    assert text.startswith("On 300 test images of 120 patients the classifier falls from 94.3")
    assert "behind adversarial training it keeps" in text
    assert "with the original at hand, edges or ssim detects the attack in 98.0" in text
    assert text.endswith("of the clean images.")


def test_the_oracle_is_never_praised_as_a_defence(result):
    view = ResultView(result)
    assert view.best_defence == "adversarial training"
    worst = [cell for cell in result.cells if cell.condition.key == view.worst.key]
    assert max(worst, key=lambda cell: cell.performance.accuracy.value).defence == "oracle"


def test_an_uncertain_change_is_not_called_a_fall(result):
    unsure = PairedTest(Estimate(-0.01, -0.03, 0.01, 300), 5, 2, 0.45)
    assert "goes from" in words(paired_otherwise(result, against_clean=unsure))
    assert "cannot tell from none" in words(paired_otherwise(result, against_clean=unsure))


def test_an_uncertain_gain_is_not_called_one(result):
    unsure = PairedTest(Estimate(0.01, -0.01, 0.03, 300), 2, 5, 0.45)
    assert "no gain beyond the uncertainty" in words(paired_otherwise(result, against_none=unsure))


def test_other_counts_are_named(result):
    detections = tuple(d.model_copy(update={"alarms": Estimate(0.5, 0.4, 0.6, 77)}) for d in result.detections)
    text = words(changed(result, detections=detections))
    assert "[40.0, 60.0], n = 77 and" in text


def test_conditions_come_in_order(result):
    shuffled = changed(result, cells=result.cells[:2] + result.cells[:1:-1])
    keys = [c.key for c in ResultView(shuffled).conditions]
    assert keys[:2] == ["clean@0", "identity@0"]
    assert keys[2:6] == [f"fourier@{s}" for s in ("0.25", "0.5", "0.75", "1")]
    assert ResultView(shuffled).defences[0] == "none"


@pytest.mark.slow
@given(st.floats(-1, 1))
def test_signed_points_round_trip(value):
    text = formats.signed(value)
    assert float(text.replace(formats.MINUS, "-")) == pytest.approx(100 * value, abs=0.051)
    assert text != "-0.0"


@given(st.floats(0, 1e7))
def test_durations_keep_their_size(seconds):
    text = formats.duration(seconds).replace(formats.SPACE, " ")
    units = {"s": 1, "min": 60, "h": 3600}
    parts = text.split()
    total = sum(float(number) * units[unit] for number, unit in zip(parts[::2], parts[1::2], strict=True))
    assert total == pytest.approx(seconds, abs=60 if "h" in units and "h" in parts else 0.6)


@pytest.mark.slow
@given(st.text())
def test_slugs_are_safe_file_names(text):
    assert set(formats.slug(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_not_a_number_is_said():
    assert formats.percent(math.nan) == formats.signed(math.nan) == formats.p_value(math.nan) == "n/a"
