from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from radversary.core.errors import PlanError
from radversary.stylization.fourier import low_band, transfer
from radversary.stylization.generators import Fourier
from random_parts import smooth_images


def gentle(count, size, seed):
    """Images around 0.5 that no swap of amplitudes drives out of range."""
    return 0.5 + 0.1 * (smooth_images(count, size, channels=3, seed=seed) - 0.5)


def spectra(images):
    return np.fft.fft2(images.numpy().astype(np.float64))


@pytest.mark.parametrize("size", [32, 33])
def test_ratio_one_swaps_the_low_amplitudes_and_keeps_the_rest(size):
    content, style = gentle(2, size, 1), gentle(2, size, 2)
    made, old, lent = spectra(transfer(content, style, band=0.4)), spectra(content), spectra(style)
    frequency = np.abs(np.fft.fftfreq(size))
    low = np.maximum(frequency[:, None], frequency[None]) <= 0.2
    np.testing.assert_allclose(np.abs(made)[..., low], np.abs(lent)[..., low], atol=2e-3)
    np.testing.assert_allclose(np.abs(made)[..., ~low], np.abs(old)[..., ~low], atol=2e-3)


def test_the_phase_is_kept():
    content, style = gentle(1, 32, 1), gentle(1, 32, 2)
    made, old = spectra(transfer(content, style, band=1.0)), spectra(content)
    clear = (np.abs(made) > 0.05) & (np.abs(old) > 0.05)
    np.testing.assert_allclose(np.exp(1j * np.angle(made))[clear], np.exp(1j * np.angle(old))[clear], atol=0.02)


def test_half_a_ratio_is_halfway_between_the_amplitudes():
    content, style = gentle(1, 32, 1), gentle(1, 32, 2)
    made = np.abs(spectra(transfer(content, style, band=1.0, ratio=0.5)))
    np.testing.assert_allclose(made, (np.abs(spectra(content)) + np.abs(spectra(style))) / 2, atol=2e-3)


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(height=st.integers(2, 40), width=st.integers(2, 40), band=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_ratio_zero_and_one_s_own_style_are_the_identity(height, width, band, seed):
    images = torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(seed))
    other = torch.rand(2, 1, 9, 7)
    torch.testing.assert_close(transfer(images, other, band=band, ratio=0.0), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(transfer(images, images, band=band), images, atol=1e-4, rtol=0)


def test_the_band_is_symmetric_and_grows():
    assert low_band(8, 8, band=1.0).all()
    assert low_band(8, 8, band=0.01).sum() == 1
    mask = low_band(9, 9, band=0.5)
    assert torch.equal(mask[1:], mask[1:].flip(0))


@pytest.mark.parametrize("options", [{"band": 0.0}, {"band": 1.1}, {"ratio": -0.1}, {"ratio": 1.1}])
def test_nonsense_is_refused(options):
    with pytest.raises(PlanError, match="0 < band ≤ 1 and 0 ≤ ratio ≤ 1"):
        Fourier(**options)
