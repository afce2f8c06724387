"""Predictions across views, against SciPy, and the views themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy

from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import InputError, PlanError
from radversary.detectors.consistency import ConsistencyDetector, SqueezingDetector, coarsened, divergence, smoothed
from radversary.detectors.registry import REFERENCE_FREE
from radversary.imaging.intensity import quantise
from random_parts import smooth_images, tiny_classifier

FILMS = smooth_images(5)
BOTH = [ConsistencyDetector(bits=3), SqueezingDetector(bits=3)]


@pytest.fixture(scope="module")
def victim() -> TorchClassifier:
    return tiny_classifier()


def predictions(victim: TorchClassifier, bits: int = 5, window: int = 3) -> np.ndarray:
    """(views, N, K): as it is, smoothed by SciPy, coarsened by hand."""
    films = FILMS.numpy()
    median = np.stack([median_filter(film, size=(1, window, window), mode="nearest") for film in films])
    top = 2 ** bits - 1
    views = [films, median, np.round(films * top) / top]
    logits = [victim.logits(torch.from_numpy(view.astype(np.float32))).double().numpy() for view in views]
    return softmax(np.stack(logits), axis=2)


@pytest.mark.parametrize(("bits", "window"), [(5, 3), (2, 5)])
def test_consistency_is_the_jensen_shannon_divergence(victim, bits, window):
    scores = ConsistencyDetector(bits=bits, window=window).bind(victim).fit(FILMS).score(FILMS)
    beliefs = predictions(victim, bits, window)
    expected = entropy(beliefs.mean(axis=0), axis=1) - entropy(beliefs, axis=2).mean(axis=0)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("bits", "window"), [(5, 3), (2, 5)])
def test_squeezing_is_the_largest_l1_distance(victim, bits, window):
    scores = SqueezingDetector(bits=bits, window=window).bind(victim).fit(FILMS).score(FILMS)
    itself, *squeezed = predictions(victim, bits, window)
    expected = np.max([np.abs(itself - other).sum(axis=1) for other in squeezed], axis=0)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-6)


def test_two_predictions_diverge_as_scipy_says():
    beliefs = torch.randn(6, 2, 4, generator=torch.Generator().manual_seed(0)).double().log_softmax(dim=2)
    one, other = beliefs.exp().numpy().transpose(1, 0, 2)
    np.testing.assert_allclose(divergence(beliefs), jensenshannon(one, other, axis=1) ** 2, rtol=1e-6)
    assert divergence(beliefs[:, :1].expand(-1, 3, -1)).abs().max() < 1e-12


def test_certain_predictions_keep_their_order(victim):
    margins = torch.tensor([[[20.0, 0.0], [20.0, 0.0], [21.0, 0.0]], [[20.0, 0.0], [20.0, 0.0], [25.0, 0.0]],
                            [[20.0, 0.0], [20.0, 0.0], [15.0, 0.0]]]).flatten(1)
    for detector in (ConsistencyDetector(), SqueezingDetector()):
        scores = detector.judge(margins)
        assert (scores.diff() > 0).all()
        assert scores[0] > 1e-12


def test_further_views_count_and_stay_out_of_files(victim):
    plain = ConsistencyDetector().bind(victim)
    more = ConsistencyDetector(views={"negative": lambda images: 1 - images}).bind(victim)
    same = ConsistencyDetector(views={"copy": torch.clone}).bind(victim)
    assert plain.measure(FILMS, victim.features(FILMS)).shape == (5, 9)
    assert more.measure(FILMS, victim.features(FILMS)).shape == (5, 12)
    assert (more.score(FILMS) > plain.score(FILMS)).all()
    assert (same.score(FILMS) < plain.score(FILMS) + 1e-9).all()
    assert more.options() == plain.options() == {"bits": 5, "window": 3}
    assert REFERENCE_FREE.create("consistency", bits=5, views={"copy": torch.clone}).looks()["copy"] is torch.clone


def test_a_view_sees_the_image_and_not_its_batch(victim):
    seen = []
    detector = ConsistencyDetector(views={"spy": lambda images: seen.append(images) or images}).bind(victim)
    detector.score(FILMS)
    assert torch.equal(torch.cat(seen), FILMS)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("window", [3, 5])
def test_smoothing_is_scipys_median(channels, window):
    films = torch.rand(2, channels, 9, 12, generator=torch.Generator().manual_seed(0))
    expected = [median_filter(plane, size=window, mode="nearest") for plane in films.flatten(0, 1).numpy()]
    for given in (films, films.clone().requires_grad_()):
        np.testing.assert_array_equal(smoothed(given, window).detach().flatten(0, 1), np.stack(expected))


def test_coarsening_rounds_forwards_and_not_backwards():
    films = FILMS.clone().requires_grad_()
    coarse = coarsened(films, 3)
    torch.testing.assert_close(coarse.detach(), quantise(FILMS, 3), atol=0, rtol=0)
    weights = torch.rand(FILMS.shape, generator=torch.Generator().manual_seed(0))
    (coarse * weights).sum().backward()
    assert torch.equal(films.grad, weights)


@pytest.mark.parametrize("detector", BOTH)
def test_scores_stand_alone_come_back_and_lead_to_the_image(detector, victim):
    detector.bind(victim).fit(FILMS)
    scores = detector.score(FILMS)
    for index in range(len(FILMS)):
        alone = detector.score(FILMS[index:index + 1])
        torch.testing.assert_close(alone, scores[index:index + 1], atol=1e-6, rtol=1e-3)
    again = type(detector)(**detector.options()).bind(victim).restore(detector.learned)
    assert torch.equal(again.score(FILMS), scores)
    films = FILMS.clone().requires_grad_()
    detector.judge(detector.measure(films, victim.features(films))).sum().backward()
    assert films.grad.isfinite().all()
    assert films.grad.flatten(1).abs().amax(dim=1).gt(0).all()


def test_a_step_along_the_gradient_raises_the_score(victim):
    detector = ConsistencyDetector(bits=8).bind(victim)
    films = FILMS.clone().requires_grad_()
    detector.judge(detector.measure(films, victim.features(films))).sum().backward()
    direction = films.grad / films.grad.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    higher = detector.score((FILMS + 0.05 * direction).clamp(0, 1))
    assert (higher > detector.score(FILMS)).all()


@pytest.mark.parametrize("kind", [ConsistencyDetector, SqueezingDetector])
def test_what_makes_no_sense_is_refused(kind, victim):
    for bits in (0, 17):
        with pytest.raises(PlanError, match=f"bits must be 1 to 16, got {bits}"):
            kind(bits=bits)
    for window in (1, 4):
        with pytest.raises(PlanError, match=f"window must be odd and at least 3, got {window}"):
            kind(window=window)
    with pytest.raises(InputError, match=kind.__name__):
        kind().measure(FILMS, victim.features(FILMS))


def test_a_further_view_takes_no_name_that_is_there():
    with pytest.raises(PlanError, match="a name of its own, got median"):
        ConsistencyDetector(views={"median": torch.clone})
