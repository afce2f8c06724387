"""Local intrinsic dimensionality, against its closed form and against scikit-learn's neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import nn

from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import InputError, PlanError
from radversary.detectors.dimension import DimensionDetector, dimensionality
from random_parts import smooth_images

CLEAN, FRESH = smooth_images(30, 16, seed=1), smooth_images(5, 16, seed=2)


@pytest.fixture(scope="module")
def victim() -> TorchClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(),
                                nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, 3))
    return wrap(network, classes=("a", "b", "c"), size=16)


def published(distances: np.ndarray) -> np.ndarray:
    """The estimate as Ma et al. write it down (their equation 4), one row at a time."""
    return np.array([-1.0 / np.mean([np.log(radius / row[-1]) for radius in row]) for row in distances])


@pytest.mark.parametrize("k", [2, 10, 29])
def test_the_score_is_the_published_estimate(victim, k):
    detector = DimensionDetector(k=k).bind(victim).fit(CLEAN)
    bank, query = (victim.features(films).embedding.double().numpy() for films in (CLEAN, FRESH))
    distances, _ = NearestNeighbors(n_neighbors=k).fit(bank).kneighbors(query)
    np.testing.assert_allclose(detector.score(FRESH), published(distances), rtol=1e-3)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_it_finds_the_dimension_of_a_ball(dimension):
    # In a ball about the query, a share (r / R)^d lies within r: the radii at even shares are known exactly.
    shares = torch.linspace(0, 1, 2001)[1:]
    radii = shares ** (1 / dimension)
    assert dimensionality(radii[None]).item() == pytest.approx(dimension, rel=0.01)


def test_a_thin_sheet_has_fewer_directions_than_the_space_around_it():
    stream = torch.Generator().manual_seed(0)
    sheet = torch.cat([torch.rand(500, 2, generator=stream), torch.zeros(500, 6)], dim=1)
    detector = DimensionDetector(k=20)
    detector.restore(detector.learn(sheet))
    on, off = torch.full((1, 8), 0.0), torch.full((1, 8), 0.0)
    on[:, :2], off[:, :2], off[:, 2:] = 0.5, 0.5, 1.0
    assert detector.judge(on).item() < 4 < 40 < detector.judge(off).item()


@pytest.mark.parametrize("distances", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1e-30]])
def test_copies_and_ties_stay_finite(distances):
    row = torch.tensor([distances], requires_grad=True)
    estimate = dimensionality(row)
    assert estimate.isfinite().all()
    assert estimate.item() > 0
    estimate.sum().backward()
    assert row.grad.isfinite().all()


def test_scores_stand_alone_come_back_and_lead_to_the_image(victim):
    detector = DimensionDetector(k=5).bind(victim).fit(CLEAN)
    scores = detector.score(FRESH)
    for index in range(len(FRESH)):
        torch.testing.assert_close(detector.score(FRESH[index:index + 1]), scores[index:index + 1], atol=0, rtol=1e-4)
    again = DimensionDetector(k=5).bind(victim).restore(detector.learned)
    assert torch.equal(again.score(FRESH), scores)
    films = FRESH.clone().requires_grad_()
    detector.judge(detector.measure(films, victim.features(films))).sum().backward()
    assert films.grad.isfinite().all()
    assert films.grad.flatten(1).abs().amax(dim=1).gt(0).all()


def test_what_does_not_fit_is_refused(victim):
    with pytest.raises(PlanError, match="k must be at least 2, got 1"):
        DimensionDetector(k=1)
    with pytest.raises(InputError, match=r"DimensionDetector\(k=30\) looks at 30 neighbours and needs 31"):
        DimensionDetector(k=30).bind(victim).fit(CLEAN)
    with pytest.raises(InputError, match="has not learned 'bank' yet"):
        DimensionDetector().bind(victim).score(FRESH)
