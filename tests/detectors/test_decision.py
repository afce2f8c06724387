"""Thresholds, the thesis' rule and harmless handling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from radversary.calibration.thresholds import calibrated_threshold, images_needed
from radversary.core.errors import InputError
from radversary.detectors.evidence import draw_evidence
from radversary.detectors.rule import ThesisRule
from radversary.imaging.edges import edge_difference
from radversary.imaging.intensity import quantise
from radversary.imaging.reencoding import reencodings
from radversary.imaging.similarity import ssim


def films(n: int) -> torch.Tensor:
    blurred = ndimage.gaussian_filter(np.random.default_rng(0).random((n, 1, 32, 32)), (0, 0, 2, 2))
    return quantise(torch.from_numpy((blurred - blurred.min()) / (blurred.max() - blurred.min())).float(), 8)


@pytest.mark.parametrize(("n", "rate", "expected"), [(19, 0.05, 19), (39, 0.05, 38), (99, 0.01, 99), (9, 0.1, 9),
                                                     (100, 0.05, 96), (1, 0.5, 1), (199, 0.1, 180)])
def test_the_threshold_is_the_conformal_rank(n: int, rate: float, expected: int) -> None:
    assert calibrated_threshold(np.random.default_rng(0).permutation(n) + 1, false_alarms=rate) == expected


@settings(deadline=None, max_examples=30)
@given(rate=st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.25, 0.5]))
def test_too_few_scores_are_refused_with_the_number_needed(rate: float) -> None:
    needed = images_needed(rate)
    assert calibrated_threshold(range(needed), false_alarms=rate) == needed - 1
    with pytest.raises(InputError, match=f"needs {needed} clean scores at least, got {needed - 1}"):
        calibrated_threshold(range(needed - 1), false_alarms=rate)


def test_the_promised_rate_is_kept_on_average() -> None:
    rng = np.random.default_rng(0)
    alarms = [np.mean(rng.normal(size=200) > calibrated_threshold(rng.normal(size=40), false_alarms=0.1))
              for _ in range(400)]
    assert 0.08 < np.mean(alarms) <= 0.103


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        calibrated_threshold(range(100), false_alarms=rate)


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        calibrated_threshold([float("nan")] * 40)


def test_the_rule_is_edge_or_ssim() -> None:
    images = films(12)
    forged = (images + 0.3 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    edges, similarity = edge_difference(images, forged), ssim(images, forged)
    cut, level = float(edges.median()), float(similarity.median())
    expected = (edges > cut) | (similarity < level)
    assert ThesisRule(edge_threshold=cut, ssim_threshold=level).alarms(forged, images).equal(expected)
    assert not ThesisRule(edge_threshold=0.0, ssim_threshold=1.0).alarms(images, images).any()
    assert ThesisRule(edge_threshold=255.0).ssim_threshold == 0.95


@pytest.mark.slow
def test_calibration_keeps_the_rate_on_the_images_it_saw() -> None:
    images = films(60)
    handled = reencodings(images)["jpeg-90"]
    rule = ThesisRule.calibrate(handled, images, false_alarms=0.1)
    assert rule.alarms(handled, images).float().mean() <= 0.1
    assert ThesisRule.calibrate(images, images, false_alarms=0.1) == ThesisRule(edge_threshold=0.0, ssim_threshold=1.0)
    with pytest.raises(InputError, match="needs 39 clean scores"):
        ThesisRule.calibrate(handled[:38], images[:38], false_alarms=0.05)


@pytest.mark.parametrize("thresholds", [{"edge_threshold": -1.0}, {"edge_threshold": 256.0},
                                        {"edge_threshold": 1.0, "ssim_threshold": 1.1}])
def test_unreachable_thresholds_are_refused(thresholds: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must lie in"):
        ThesisRule(**thresholds)


@pytest.mark.parametrize("channels", [1, 3])
def test_reencodings_are_small_changes_of_the_same_images(channels: int) -> None:
    images = films(3).expand(-1, channels, -1, -1)
    handled = reencodings(images)
    assert handled["8-bit"].equal(images)
    for name, version in handled.items():
        assert version.shape == images.shape
        assert quantise(version, 8).equal(version)
        assert name == "8-bit" or 0 < float((version - images).abs().mean()) < 0.03


@pytest.mark.slow
def test_evidence_is_one_whole_picture(tmp_path) -> None:
    images = films(2)
    path = draw_evidence(images[0], images[1].expand(3, -1, -1), tmp_path / "deep" / "evidence.png")
    picture = Image.open(path)
    assert picture.size == (1500, 670)
    assert len(np.unique(np.asarray(picture.convert("L")))) > 100
    again = draw_evidence(images[0:1], images[1].expand(3, -1, -1), tmp_path / "again.png")
    assert again.read_bytes() == path.read_bytes()
    assert draw_evidence(images[0], images[0], tmp_path / "same.png").exists()
    with pytest.raises(InputError, match="one image"):
        draw_evidence(images, images, tmp_path / "two.png")
    with pytest.raises(InputError, match="one number and size"):
        draw_evidence(images[0], images[1][..., :-1], tmp_path / "sizes.png")
    assert not (tmp_path / "two.png").exists()
