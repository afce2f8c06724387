"""SSIM, edges and spectrum against scikit-image, kornia and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kornia.filters import canny as kornia_canny
from scipy import ndimage
from skimage.metrics import structural_similarity

from radversary.core.errors import InputError
from radversary.imaging.edges import canny, edge_difference, edge_retention
from radversary.imaging.similarity import ssim, ssim_map
from radversary.imaging.spectrum import log_magnitude, spectrum_difference


def smooth(*shape: int, seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).random(shape)
    blurred = ndimage.gaussian_filter(noise, (0, 0, 2, 2))
    return torch.from_numpy((blurred - blurred.min()) / (blurred.max() - blurred.min())).float()


def reference_ssim(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(structural_similarity(a.numpy(), b.numpy(), channel_axis=0, gaussian_weights=True, sigma=1.5,
                                       use_sample_covariance=False, data_range=1.0))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [0.0, 0.95])
def test_ssim_equals_scikit_image(channels: int, level: float) -> None:
    a = level + (1 - level) * smooth(3, channels, 40, 57)
    b = (a + 0.05 * torch.randn(a.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    expected = [reference_ssim(*pair) for pair in zip(a, b, strict=True)]
    assert np.allclose(ssim(a, b).numpy(), expected, atol=1e-5)


def test_ssim_map_lies_over_the_image_and_averages_to_ssim_inside() -> None:
    a, b = smooth(2, 3, 30, 40), smooth(2, 3, 30, 40, seed=1)
    similarity = ssim_map(a, b)
    assert similarity.shape == (2, 1, 30, 40)
    assert torch.allclose(similarity[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)), ssim(a, b), atol=1e-6)


def test_ssim_of_equal_images_is_exactly_one() -> None:
    images = smooth(4, 1, 64, 64)
    assert ssim(images, images.clone()).eq(1.0).all()
    assert ssim_map(images, images.clone()).eq(1.0).all()


def test_ssim_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(InputError, match="one shape"):
        ssim(torch.zeros(1, 1, 16, 16), torch.zeros(1, 3, 16, 16))
    with pytest.raises(InputError, match="11 pixels"):
        ssim(torch.zeros(1, 1, 10, 16), torch.zeros(1, 1, 10, 16))


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.2), (0.05, 0.4), (0.01, 0.3)])
def test_edges_equal_kornias_own_hysteresis(low: float, high: float) -> None:
    images = torch.cat([smooth(2, 1, 48, 40), torch.rand(2, 1, 48, 40, generator=torch.Generator().manual_seed(2))])
    assert canny(images, low=low, high=high).equal(kornia_canny(images, low, high)[1])


def test_edges_do_not_depend_on_batch_mates_and_project_colour() -> None:
    images = smooth(3, 1, 32, 32)
    together = canny(images)
    assert all(canny(images[index:index + 1])[0].equal(together[index]) for index in range(3))
    assert canny(images.expand(-1, 3, -1, -1)).equal(together)
    assert canny(torch.zeros(0, 1, 16, 16)).shape == (0, 1, 16, 16)


def test_edge_difference_counts_changed_edge_pixels() -> None:
    empty, step = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    step[..., 16:] = 1.0
    edges = int(canny(step).sum())
    assert edges == 32
    assert edge_difference(empty, step).item() == pytest.approx(255 * edges / 32**2)
    assert edge_difference(step, step).item() == 0.0


def test_edge_retention_forgives_one_pixel() -> None:
    step = torch.zeros(1, 1, 32, 32)
    step[..., 16:] = 1.0
    assert edge_retention(step, torch.roll(step, 1, dims=-1)).item() == pytest.approx(1.0)
    assert edge_retention(step, torch.zeros_like(step)).item() == 0.0
    assert edge_retention(torch.zeros_like(step), step).item() == 1.0
    half = step.clone()
    half[..., :16, :] = 0.0
    assert 0.4 < edge_retention(step, half).item() < 0.6


def test_edges_refuse_bad_thresholds_and_sizes() -> None:
    for low in (0.0, 0.3):
        with pytest.raises(InputError, match="low <= high"):
            canny(torch.zeros(1, 1, 16, 16), low=low, high=0.2)
    for measure in (edge_difference, edge_retention, spectrum_difference):
        with pytest.raises(InputError, match="one size"):
            measure(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 17))


@pytest.mark.parametrize("shape", [(32, 32), (31, 18)])
def test_spectrum_is_the_thesis_formula_in_numpy(shape: tuple[int, int]) -> None:
    images = smooth(2, 1, *shape)
    frequencies = np.fft.fftshift(np.fft.fft2(255.0 * images[:, 0].double().numpy()), axes=(-2, -1))
    expected = 20 * np.log(np.abs(frequencies) + 1)
    found = log_magnitude(images)[:, 0].numpy()
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-4)
    assert np.unravel_index(found[0].argmax(), shape) == (shape[0] // 2, shape[1] // 2)


def test_spectrum_difference_is_a_mean_over_pixels() -> None:
    a, b = smooth(2, 1, 16, 16), smooth(2, 3, 16, 16, seed=3)
    expected = (log_magnitude(a) - log_magnitude(b)).abs().flatten(1).mean(1)
    assert torch.allclose(spectrum_difference(a, b), expected)
    assert spectrum_difference(a, a.clone()).eq(0.0).all()
