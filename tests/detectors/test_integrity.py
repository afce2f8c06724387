"""Traces in the pixels: closed forms, and what real handling and a painted texture do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from scipy.stats import kurtosis
from torch.nn import functional as F

from radversary.core.errors import InputError, UnknownNameError
from radversary.core.seeds import generator
from radversary.detectors.integrity import IntegrityDetector, disagreement
from radversary.detectors.traces import GREY, blockiness, local_contrast, noise_residual, resampling_peaks, spectrum
from radversary.imaging.intensity import quantise
from radversary.imaging.jpeg import jpeg
from radversary.imaging.reencoding import reencodings
from random_parts import smooth_images


def films(count: int, seed: int, size: int = 32) -> torch.Tensor:
    """Smooth anatomy under faint noise, at 8 bits."""
    smooth = F.avg_pool2d(smooth_images(count, size + 8, seed=seed), 9, 1)
    grain = torch.randn(smooth.shape, generator=generator(seed, "grain"))
    return quantise((smooth + 0.006 * grain).clamp(0, 1), 8)


def textured(images: torch.Tensor, opacity: float) -> torch.Tensor:
    """A painted weave over the image."""
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in images.shape[-2:])
    weave = 0.5 + 0.25 * (torch.sin(1.3 * rows)[:, None] + torch.sin(1.1 * columns))
    return quantise(images + opacity * (weave - images), 8)


def power_law(exponent: float, size: int = 64, seed: int = 0) -> torch.Tensor:
    """Noise whose amplitude falls as frequency to the minus ``exponent``; its scale is no image's."""
    radius = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])
    radius[0, 0] = 1.0
    noise = torch.fft.rfft2(torch.randn(8, 1, size, size, generator=torch.Generator().manual_seed(seed)))
    return 100.0 * torch.fft.irfft2(noise * radius**-exponent, s=(size, size))


def spectrum_of_blocks(images: torch.Tensor) -> torch.Tensor:
    """Energies of the blocks' cosines by SciPy, (N, 63, blocks)."""
    blocks = F.unfold(images.double(), 8, stride=8).transpose(1, 2).reshape(len(images), -1, 8, 8)
    return torch.from_numpy(dctn(blocks.numpy(), axes=(2, 3), norm="ortho") ** 2).flatten(2)[..., 1:].transpose(1, 2)


@pytest.fixture(scope="module")
def fitted() -> IntegrityDetector:
    return IntegrityDetector().fit(films(60, seed=1))


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
def test_the_slope_is_that_of_the_noise(exponent):
    slope = spectrum(power_law(exponent))[:, 0].mean().item()
    assert slope == pytest.approx(-2 * exponent, abs=0.2)


def test_the_high_frequency_share_rises_with_whiter_noise():
    steep, flat = spectrum(power_law(2.0))[:, 1], spectrum(power_law(0.0))[:, 1]
    assert steep.max() < -1
    assert flat.abs().max() < 0.5


def test_local_contrast_is_the_mean_log_energy_of_cosines():
    image = films(1, seed=3)
    expected = (spectrum_of_blocks(image) + GREY**2).log().mean(dim=2)
    np.testing.assert_allclose(local_contrast(image)[:, :63], expected, atol=1e-3)


def test_a_sharp_edge_moves_local_contrast_less_than_the_average_energy():
    plain = films(4, seed=4, size=64)
    edge = plain.clone()
    edge[..., 28:32] = 1.0  # the right half of one column of blocks
    energies = [spectrum_of_blocks(images).mean(dim=2) + GREY**2 for images in (plain, edge)]
    contrasts = [local_contrast(images)[:, :63] for images in (plain, edge)]
    across = slice(0, 7)  # the coefficients that an upright edge has
    energy, contrast = ((after - before)[:, across].mean() for before, after in (
        [part.log() for part in energies], contrasts))
    assert 0 < contrast < 0.5 * energy


def test_blockiness_rises_under_strong_jpeg():
    plain = films(6, seed=5, size=64)
    assert blockiness(plain).abs().max() < 0.2
    assert (blockiness(jpeg(plain, quality=10)) > blockiness(plain) + 0.2).all()


def test_blockiness_of_flat_blocks_is_the_logarithm_of_their_steps():
    levels = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    tiles = levels.repeat_interleave(8, 2).repeat_interleave(8, 3)
    across, along = (levels[0, 0].diff(dim=dim).abs().mean() for dim in (1, 0))
    expected = [((step + GREY) / GREY).log().item() for step in (across, along)]
    assert blockiness(tiles)[0].tolist() == pytest.approx(expected, abs=1e-4)


def test_enlarging_leaves_peaks_along_the_axis_enlarged():
    noise = torch.rand(6, 1, 64, 40, generator=torch.Generator().manual_seed(0))
    wider = F.interpolate(noise, size=(64, 64), mode="bilinear", align_corners=False)
    plain = torch.rand(6, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    assert (resampling_peaks(wider)[:, 0] > resampling_peaks(plain)[:, 0].max()).all()
    assert resampling_peaks(wider)[:, 1].max() < resampling_peaks(wider)[:, 0].min()


def test_the_residual_is_blind_to_slopes_and_measures_noise():
    ramp = (torch.linspace(0, 1, 64)[:, None] + torch.linspace(0, 1, 64))[None, None] / 2
    noise = 2 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    log_variance, log_kurtosis = noise_residual(ramp + noise)[0].tolist()
    assert np.exp(log_variance) == pytest.approx(36 * 4, rel=0.1)  # the filter's squares add to 36
    kernel = np.outer([1, -2, 1], [1, -2, 1])
    patches = F.unfold((ramp + noise).double(), 3)[0].numpy()
    assert np.exp(log_kurtosis) == pytest.approx(kurtosis(kernel.reshape(-1) @ patches, fisher=False), rel=0.05)
    assert noise_residual(ramp)[0].tolist() == pytest.approx([np.log(GREY**2), np.log(3)], abs=1e-3)


def test_colour_disagreement_is_in_tenths_of_a_level():
    image = torch.full((1, 3, 4, 4), 0.5)
    assert disagreement(image).item() == 0
    image[:, 2] += 3 * GREY
    assert disagreement(image).item() == pytest.approx(10, rel=1e-4)  # one level on the average of three channels


@pytest.mark.slow
def test_a_texture_is_told_from_clean_films_and_handling_is_not(fitted):
    fresh = films(40, seed=2)
    clean, threshold = fitted.score(fresh), fitted.score(fresh).quantile(0.9)
    for name, again in reencodings(fresh).items():
        assert (fitted.score(again) > threshold).float().mean() < 0.4, name
    faint, strong = (fitted.score(textured(fresh, opacity)) for opacity in (0.1, 0.3))
    assert (faint > clean.median()).all()
    assert (strong > clean.max()).all()
    assert (strong > faint).all()


@pytest.mark.slow
def test_colour_alone_is_seen_with_chroma_only(fitted):
    fresh = films(6, seed=2)
    tinted = fresh.repeat(1, 3, 1, 1)
    tinted[:, 0] += 5 * GREY  # luma, 0.299 R + 0.587 G + 0.114 B, moves as little as can be
    tinted[:, 1] -= 5 * GREY * 0.299 / 0.587
    tinted = tinted.clamp(0, 1)
    torch.testing.assert_close(fitted.score(tinted), fitted.score(fresh), rtol=0.3, atol=0.3)
    coloured = IntegrityDetector(chroma="with").fit(films(60, seed=1))
    torch.testing.assert_close(coloured.score(fresh.repeat(1, 3, 1, 1)), coloured.score(fresh), rtol=1e-3, atol=1e-4)
    assert (coloured.score(tinted) > 2 * coloured.score(fresh).max()).all()


@pytest.mark.slow
def test_scores_stand_alone_and_come_back(fitted):
    fresh = films(5, seed=2)
    scores = fitted.score(fresh)
    assert torch.equal(IntegrityDetector().restore(fitted.learned).score(fresh), scores)
    for index in range(5):
        torch.testing.assert_close(fitted.score(fresh[index:index + 1]), scores[index:index + 1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [16, 17, 33])
def test_any_size_from_two_blocks_on_gives_finite_figures_and_gradients(size):
    images = torch.cat([films(2, seed=1, size=size), torch.zeros(1, 1, size, size)]).requires_grad_()
    features = IntegrityDetector().measure(images, None)
    assert features.shape == (3, 85)
    assert features.isfinite().all()
    features.sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad[:2].flatten(1).abs().amax(dim=1).gt(0).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(UnknownNameError, match="unknown chroma 'yes'"):
        IntegrityDetector(chroma="yes")
    with pytest.raises(InputError, match="needs sides of 16 at least, got 15 x 40"):
        IntegrityDetector().fit(torch.rand(3, 1, 15, 40))
    with pytest.raises(InputError, match="has not learned 'mean' yet"):
        IntegrityDetector().score(films(1, seed=1))
