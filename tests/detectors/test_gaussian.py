"""Shrunk Gaussians, against SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf, ledoit_wolf
from torch import nn

from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import InputError
from radversary.data.stored import StoredTensors
from radversary.detectors import gaussian
from radversary.detectors.gaussian import (
    ORDINARY,
    MahalanobisDetector,
    distance,
    fit_clouds,
    fit_gaussian,
    handled,
    nearest_cloud,
    shrunk_covariance,
)
from radversary.imaging.reencoding import HANDLINGS
from random_parts import smooth_images

CLEAN, FRESH = smooth_images(30, 16, seed=1), smooth_images(5, 16, seed=2)


def rows(count: int, width: int, seed: int = 0) -> torch.Tensor:
    stream = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=stream)
    return torch.randn(count, width, generator=stream) @ mixing * torch.logspace(-2, 2, width) + 5


@pytest.fixture(scope="module")
def victim() -> TorchClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(),
                                nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, 3))
    return wrap(network, classes=("a", "b", "c"), size=16)


@pytest.mark.parametrize("count", [12, 400])
def test_the_distance_is_that_of_scipy_with_the_covariance_of_scikit_learn(count):
    clean, query = rows(count, 6), rows(4, 6, seed=1)
    data = clean.double().numpy()
    mean, deviation = data.mean(axis=0), data.std(axis=0, ddof=1)
    shrunk = LedoitWolf().fit((data - mean) / deviation).covariance_ * count / (count - 1)
    inverse = np.linalg.inv(shrunk * np.outer(deviation, deviation))
    expected = [mahalanobis(row, mean, inverse) ** 2 / 6 for row in query.double().numpy()]
    np.testing.assert_allclose(distance(query, fit_gaussian(clean)), expected, rtol=1e-9)


@pytest.mark.parametrize(("count", "width"), [(7, 1), (30, 40), (500, 20)])
def test_the_covariance_of_blocks_is_that_of_scikit_learn_over_all_rows(count, width):
    centred = rows(count, width).double()
    centred = centred - centred.mean(dim=0)
    expected, _ = ledoit_wolf(centred.numpy(), assume_centered=True)
    np.testing.assert_allclose(shrunk_covariance(torch.split(centred, 6)), expected, rtol=1e-9, atol=1e-12)


def test_a_cloud_does_not_depend_on_how_many_rows_are_held(monkeypatch):
    clean = torch.cat([rows(50, 6), torch.full((50, 1), 0.1)], dim=1)
    stored = StoredTensors()
    stored.add(clean)
    whole, asked, tensor = fit_gaussian(clean), [], StoredTensors.tensor
    monkeypatch.setattr(gaussian, "ROWS", 8)
    monkeypatch.setattr(StoredTensors, "tensor", lambda self, places: asked.append(len(places)) or tensor(self, places))
    for found in (fit_gaussian(clean), fit_gaussian(stored)):
        for name, part in whole.items():
            torch.testing.assert_close(found[name], part, rtol=1e-9, atol=0)
    assert max(asked) == 8


def test_units_do_not_matter_and_a_gaussian_has_distance_one():
    clean, query = rows(1000, 5), rows(1000, 5)
    scale = torch.tensor([1e3, 1.0, 1e-3, 7.0, 0.1])
    found = distance(query, fit_gaussian(clean))
    torch.testing.assert_close(distance(query * scale, fit_gaussian(clean * scale)), found, rtol=1e-4, atol=1e-6)
    assert found.mean().item() == pytest.approx(1.0, abs=0.05)


def test_what_never_varies_keeps_its_own_unit():
    clean = torch.cat([torch.linspace(-1, 1, 9)[:, None], torch.full((9, 1), 0.1)], dim=1)
    query = torch.tensor([[0.0, 0.1], [0.0, 4.1]])
    near, far = distance(query, fit_gaussian(clean))
    assert near.item() == pytest.approx(0.0, abs=1e-9)
    assert 2.0 < far.item() <= 16.5


def test_fewer_images_than_measurements_still_make_a_cloud():
    cloud = fit_gaussian(rows(5, 40))
    assert cloud["root"].shape == (40, 40)
    assert distance(rows(7, 40, seed=3), cloud).isfinite().all()


@pytest.mark.parametrize("clean", [rows(2, 40), rows(2, 40).repeat(6, 1)], ids=["two films", "copies of two films"])
def test_films_that_hardly_differ_are_refused_in_a_sentence(clean):
    with pytest.raises(InputError, match=f"^{len(clean)} images that differ in too few ways"):
        fit_gaussian(clean)


def test_clouds_are_one_a_handling_and_one_for_all():
    features = torch.stack([rows(50, 3), rows(50, 3) + 40])
    clouds = fit_clouds(features)
    query = rows(6, 3, seed=2)
    for index, alone in enumerate((features[0], features[1], features.flatten(0, 1))):
        torch.testing.assert_close(distance(query, clouds)[:, index], distance(query, fit_gaussian(alone)))
    nearest = nearest_cloud(query, clouds, who="it")
    assert torch.equal(nearest, distance(query, clouds).min(dim=1).values)


@pytest.mark.slow
def test_every_harmless_handling_is_ordinary():
    assert set(HANDLINGS) < set(ORDINARY)
    seen = handled(lambda images: images.flatten(1), CLEAN, who="it")
    assert seen.shape == (len(ORDINARY), 30, 256)
    for index, handle in enumerate(ORDINARY.values()):
        torch.testing.assert_close(seen[index], handle(CLEAN).flatten(1))
    assert len(seen.flatten(1).unique(dim=0)) == len(ORDINARY)


def test_the_detector_measures_last_features(victim):
    detector = MahalanobisDetector().bind(victim).fit(CLEAN)
    clean, query = victim.features(CLEAN).embedding, victim.features(FRESH).embedding
    torch.testing.assert_close(detector.score(FRESH), distance(query, fit_gaussian(clean)).float())


def test_what_it_learned_is_restored_exactly_and_scores_stand_alone(victim):
    detector = MahalanobisDetector().bind(victim).fit(CLEAN)
    again = MahalanobisDetector().bind(victim).restore(detector.learned)
    scores = detector.score(FRESH)
    assert torch.equal(again.score(FRESH), scores)
    for index in range(len(FRESH)):
        alone = detector.score(FRESH[index:index + 1])
        torch.testing.assert_close(alone, scores[index:index + 1], atol=1e-5, rtol=1e-4)


def test_features_far_off_score_higher_and_the_gradient_leads_back(victim):
    detector = MahalanobisDetector().bind(victim).fit(CLEAN)
    clean = victim.features(CLEAN).embedding
    far = clean + 9 * clean.std(dim=0) * torch.tensor([1.0, -1.0]).repeat(5)
    assert detector.judge(far).min() > detector.judge(clean).max()
    films = FRESH.clone().requires_grad_()
    detector.judge(detector.measure(films, victim.features(films))).sum().backward()
    assert films.grad.isfinite().all()
    assert films.grad.flatten(1).abs().amax(dim=1).gt(0).all()


def test_what_does_not_fit_is_refused(victim):
    with pytest.raises(InputError, match=r"MahalanobisDetector\(\) has not learned 'mean' yet"):
        MahalanobisDetector().bind(victim).score(FRESH)
    with pytest.raises(InputError, match="needs two clean images at least to learn from, got 1"):
        handled(lambda images: images.flatten(1), CLEAN[:1], who="it")
