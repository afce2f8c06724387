"""What is laid over clean films, and that a network taught by it notices grain of other makes."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate

from radversary.core.errors import InputError
from radversary.core.seeds import generator
from radversary.detectors.grain import FAINTEST, STRONGEST, GrainDetector, grained
from radversary.imaging.intensity import quantise
from radversary.imaging.reencoding import ORDINARY
from radversary.metrics.detection import auroc

TINY = {"width": 8, "epochs": 15, "batch_size": 32}


def films(count: int, seed: int) -> torch.Tensor:
    """Draw slow hills with a little noise of their own, at 8 bits."""
    stream = generator(seed, "films")
    hills = interpolate(torch.rand(count, 1, 5, 5, generator=stream), (32, 32), mode="bicubic", align_corners=True)
    return quantise((hills + 0.002 * torch.randn(count, 1, 32, 32, generator=stream)).clamp(0, 1), 8)


CLEAN, FRESH = films(48, 1), films(24, 2)


@pytest.fixture(scope="module")
def fitted() -> GrainDetector:
    return GrainDetector(**TINY).fit(CLEAN)


@pytest.mark.slow
def test_it_notices_grain_that_it_was_never_shown(fitted):
    noise = torch.rand(FRESH.shape, generator=generator(5, "grain"))  # uniform, not of one amplitude
    suspect = quantise((FRESH + (noise - 0.5) * 16 / 255).clamp(0, 1), 8)
    assert auroc(fitted.score(FRESH), fitted.score(suspect)) > 0.9
    assert abs(auroc(fitted.score(CLEAN), fitted.score(FRESH)) - 0.5) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ORDINARY))
def test_handling_alone_is_no_grain(fitted, name):
    assert fitted.score(ORDINARY[name](FRESH)).median() < fitted.score(grained(FRESH, generator(6, "g"))).median()


def test_grain_is_of_one_amplitude_an_image_and_of_many_strengths():
    grey = torch.full((64, 1, 16, 16), 128 / 255)
    change = (grained(grey, generator(0, "grain")) - quantise(grey, 8)).abs().flatten(1)
    peaks = change.amax(dim=1)
    assert change.quantile(0.9, dim=1).equal(peaks)
    assert peaks.unique().numel() >= 6
    assert FAINTEST / 2 <= float(peaks.min()) <= 2 * FAINTEST
    assert STRONGEST / 2 < float(peaks.max()) <= STRONGEST + 2 / 255


def test_grain_is_both_fine_and_coarse():
    grey = torch.full((64, 1, 32, 32), 0.5)
    sign = (grained(grey, generator(0, "grain")) - 0.5).sign()
    along = (sign[..., 1:] * sign[..., :-1]).mean(dim=(1, 2, 3))
    assert along.min() < -0.2
    assert along.max() > 0.4
    assert along.abs().min() < 0.1


def test_only_copies_of_clean_images_get_grain():
    detector, targets = GrainDetector(**TINY), torch.tensor([[0.0], [1.0]]).repeat(8, 1)
    flat = torch.full((16, 1, 24, 24), 128 / 255)
    shown = detector._shown(flat, targets, generator(0, "shown"))
    spread = shown.flatten(1).std(dim=1)
    assert (spread[0::2] < 1e-3).all()
    assert (spread[1::2] > 1e-3).all()


@pytest.mark.slow
def test_attacked_images_are_no_business_of_its(fitted):
    with pytest.raises(InputError, match="clean images alone"):
        GrainDetector(**TINY).fit_on(CLEAN, FRESH)


def test_one_image_is_too_few():
    with pytest.raises(InputError, match="two clean images"):
        GrainDetector(**TINY).fit(CLEAN[:1])
