"""The plan names the detectors of an audit; what it does not name is neither computed nor reported."""

from __future__ import annotations

import pandas as pd
import pytest
from tiny_audit import NOISE, make_plan

from radversary.auditing.run import run_audit


@pytest.mark.slow
@pytest.mark.parametrize(("detectors", "found", "rules"), [
    (["ssim"], {"ssim"}, False), (["edges", "ssim"], {"edges", "ssim"}, True), ([], set(), False)])
def test_only_named_detectors_are_computed_and_reported(inputs, tmp_path, detectors, found, rules):
    result = run_audit(make_plan(attacks=[NOISE], defences=[], detectors=detectors), inputs, tmp_path)
    columns = set(pd.read_parquet(tmp_path / "detections.parquet").columns)
    assert columns & {"edges", "ssim", "spectrum"} == found
    assert {"similarity", "edge_retention"} <= columns
    reported = {entry.detector for entry in result.detections}
    assert {name for name in reported if " " not in name} == found
    assert any(" " in name for name in reported) == rules


@pytest.mark.slow
def test_another_detector_asks_for_other_measurements(inputs, tmp_path):
    first = run_audit(make_plan(attacks=[NOISE], defences=[], detectors=["ssim"]), inputs, tmp_path)
    second = run_audit(make_plan(attacks=[NOISE], defences=[], detectors=["ssim", "spectrum"]), inputs, tmp_path)
    assert {entry.detector for entry in second.detections} == {"ssim", "spectrum"}
    assert [entry for entry in second.detections if entry.detector == "ssim"] == list(first.detections)
