"""The logits' move under light smoothing: against its own definition, and that it notices what is computed on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import PlanError
from radversary.detectors import shift
from radversary.detectors.shift import ShiftDetector, recompressed
from radversary.imaging.intensity import quantise
from radversary.imaging.jpeg import jpeg
from radversary.imaging.reencoding import ORDINARY
from radversary.metrics.detection import auroc
from random_parts import smooth_images, tiny_classifier

CLEAN, FRESH = quantise(smooth_images(60, seed=1), 8), quantise(smooth_images(30, seed=2), 8)


@pytest.fixture(scope="module")
def victim() -> TorchClassifier:
    return tiny_classifier()


def moves(victim: TorchClassifier, images: torch.Tensor) -> np.ndarray:
    """The measure by another way: SciPy's blur, and the bilateral view taken out by asking the detector for it."""
    blurred = np.stack([gaussian_filter(image, (0, 0.7, 0.7), radius=(0, 2, 2), mode="nearest")
                        for image in images.numpy()])
    bilateral = ShiftDetector().views()[1](images)
    seen = [victim.logits(view) for view in (torch.from_numpy(blurred), bilateral, jpeg(images, quality=40))]
    return (victim.logits(images) - torch.stack(seen).mean(0)).numpy()


def test_it_measures_the_mean_move_of_the_logits(victim):
    found = ShiftDetector().bind(victim).measure(FRESH, victim.features(FRESH))
    np.testing.assert_allclose(found, moves(victim, FRESH), atol=1e-4)


@pytest.mark.slow
def test_its_score_is_the_mahalanobis_distance_a_class(victim, monkeypatch):
    monkeypatch.setattr(shift, "ORDINARY", {"untouched": lambda images: images})
    detector = ShiftDetector().bind(victim).fit(CLEAN)
    known = moves(victim, CLEAN).astype(np.float64)
    centre, deviation = known.mean(0), known.std(0, ddof=1)
    fitted = LedoitWolf(assume_centered=True).fit((known - centre) / deviation)
    inverse = np.linalg.inv(fitted.covariance_ * len(known) / (len(known) - 1))
    expected = [mahalanobis((row - centre) / deviation, np.zeros(3), inverse) ** 2 / 3 for row in
                moves(victim, FRESH).astype(np.float64)]
    np.testing.assert_allclose(detector.score(FRESH), expected, rtol=5e-3)


@pytest.mark.slow
def test_a_step_along_the_gradient_is_noticed_and_one_of_the_same_size_at_random_less(victim):
    detector = ShiftDetector().bind(victim).fit(CLEAN)
    images = FRESH.clone().requires_grad_()
    logits = victim.logits(images)
    loss = torch.nn.functional.cross_entropy(logits, logits.argmax(1))
    gradient, = torch.autograd.grad(loss, images)
    aimed = quantise((FRESH + 8 / 255 * gradient.sign()).clamp(0, 1), 8)
    flips = torch.randint(2, FRESH.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    random = quantise((FRESH + 8 / 255 * flips).clamp(0, 1), 8)
    clean = detector.score(FRESH)
    assert auroc(clean, detector.score(aimed)) > max(0.75, auroc(clean, detector.score(random)))


def test_every_ordinary_handling_is_learned_from_and_no_more_images_than_needed(victim, monkeypatch):
    seen: list[str] = []
    monkeypatch.setattr(shift, "ORDINARY", {name: lambda images, name=name: seen.append(name) or images
                                            for name in ORDINARY})
    monkeypatch.setattr(shift, "ENOUGH", 2 * len(ORDINARY))
    ShiftDetector().bind(victim).fit(CLEAN)
    assert sorted(seen) == sorted([*ORDINARY, *ORDINARY])


def test_recompression_passes_the_gradient_as_it_comes():
    images = FRESH.clone().requires_grad_()
    seen = recompressed(images, 40)
    assert torch.allclose(seen, jpeg(FRESH, quality=40), atol=1e-6)
    gradient, = torch.autograd.grad((seen * 3.0).sum(), images)
    assert torch.equal(gradient, torch.full_like(gradient, 3.0))


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"sigma": float("nan")}, {"quality": 0}, {"quality": 101}])
def test_senseless_numbers_are_refused(wrong):
    with pytest.raises(PlanError, match=next(iter(wrong))):
        ShiftDetector(**wrong)
