"""Distance to clean images, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from torch import nn

from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import InputError, PlanError
from radversary.detectors.neighbours import ROWS, NeighbourDetector, check_neighbours, nearest
from radversary.detectors.registry import REFERENCE_FREE
from random_parts import smooth_images

CLEAN, FRESH = smooth_images(30, 16, seed=1), smooth_images(5, 16, seed=2)


@pytest.fixture(scope="module")
def victim() -> TorchClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(),
                                nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, 3))
    return wrap(network, classes=("a", "b", "c"), size=16)


def seen(victim: TorchClassifier, films: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    features = victim.features(films)
    return normalize(features.embedding.double().numpy()), -logsumexp(features.logits.double().numpy(), axis=1)


@pytest.mark.parametrize(("k", "weight"), [(1, 1.0), (4, 0.25), (29, 0.0)])
def test_the_score_is_standardised_distance_plus_energy(victim, k, weight):
    detector = NeighbourDetector(k=k, weight=weight).bind(victim).fit(CLEAN)
    (bank, clean_energy), (query, energy) = seen(victim, CLEAN), seen(victim, FRESH)
    oracle = NearestNeighbors(n_neighbors=k).fit(bank)
    own = oracle.kneighbors()[0][:, -1]  # without a query, scikit-learn leaves each point itself out
    distance = oracle.kneighbors(query)[0][:, -1]
    expected = ((distance - own.mean()) / own.std(ddof=1)
                + weight * (energy - clean_energy.mean()) / clean_energy.std(ddof=1))
    np.testing.assert_allclose(detector.score(FRESH), expected, rtol=1e-3, atol=1e-3)


def test_distances_are_those_of_scikit_learn_and_of_pytorch_ood():
    stream = torch.Generator().manual_seed(0)
    query, bank = torch.randn(ROWS + 3, 7, generator=stream), torch.randn(40, 7, generator=stream)
    found = nearest(query, bank, 5)
    expected, _ = NearestNeighbors(n_neighbors=5).fit(bank.numpy()).kneighbors(query.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # pytorch-ood (Apache-2.0): the distance to the k-th neighbour itself, larger for an outlier.
    published = torch.cdist(query, bank).sort(dim=1).values[:, 4]
    torch.testing.assert_close(found[:, 4], published, atol=1e-4, rtol=1e-4)
    assert nearest(query[:0], bank, 5).shape == (0, 5)


def test_a_point_of_the_bank_lies_at_no_distance():
    bank = 100 + torch.rand(60, 9, generator=torch.Generator().manual_seed(0))
    assert nearest(bank, bank, 1).eq(0).all()


@pytest.mark.parametrize(("count", "k"), [(2, 1), (99, 1), (100, 1), (101, 2), (250, 3)])
def test_by_default_one_of_a_hundred_lies_nearer(count, k):
    features = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    assert int(NeighbourDetector().learn(features)["k"]) == k


def test_scores_have_clean_mean_near_zero_and_rise_away_from_the_bank():
    stream = torch.Generator().manual_seed(0)
    bank = nn.functional.normalize(torch.tensor([[1.0, 0.0, 0.0]]) + 0.1 * torch.randn(200, 3, generator=stream))
    clean = torch.cat([bank, torch.randn(200, 1, generator=stream)], dim=1)
    detector = NeighbourDetector(weight=1.0)
    detector.restore(detector.learn(clean))
    far = torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 8.0]])  # apart, and unsupported
    assert (detector.judge(far) > detector.judge(clean).quantile(0.99)).all()


def test_equal_clean_images_leave_finite_scores(victim):
    detector = NeighbourDetector(k=1).bind(victim).fit(CLEAN[:1].repeat(4, 1, 1, 1))
    assert detector.score(FRESH).isfinite().all()


def test_scores_stand_alone_and_come_back(victim):
    detector = NeighbourDetector(k=3).bind(victim).fit(CLEAN)
    scores = detector.score(FRESH)
    for index in range(len(FRESH)):
        torch.testing.assert_close(detector.score(FRESH[index:index + 1]), scores[index:index + 1], atol=1e-4, rtol=0)
    again = NeighbourDetector(k=3).bind(victim).restore(detector.learned)
    assert torch.equal(again.score(FRESH), scores)


def test_both_halves_lead_back_to_the_image(victim):
    detector = NeighbourDetector(k=3, weight=1.0).bind(victim).fit(CLEAN)
    for column in (slice(0, -1), slice(-1, None)):
        films = FRESH.clone().requires_grad_()
        features = detector.measure(films, victim.features(films))
        held = features.detach().clone()
        held[:, column] = features[:, column]
        detector.judge(held).sum().backward()
        assert films.grad.isfinite().all()
        assert films.grad.flatten(1).abs().amax(dim=1).gt(0).all()


def test_what_does_not_fit_is_refused(victim):
    with pytest.raises(PlanError, match="k must be at least 1, got 0"):
        NeighbourDetector(k=0)
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(PlanError, match="weight must be a finite number of at least 0"):
            NeighbourDetector(weight=weight)
    with pytest.raises(PlanError, match="k"):
        REFERENCE_FREE.create("neighbours", k="many")
    with pytest.raises(InputError, match=r"NeighbourDetector\(k=30, weight=0.0\) looks at 30 neighbours and needs 31"):
        NeighbourDetector(k=30).bind(victim).fit(CLEAN)
    with pytest.raises(InputError, match="has not learned 'bank' yet: fit it on clean images first"):
        NeighbourDetector().bind(victim).score(FRESH)
    assert check_neighbours(3, given=4, who="it") == 3
