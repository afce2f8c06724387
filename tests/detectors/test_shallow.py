"""The texture of early maps: closed forms, and a painted texture against clean films."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import InputError, PlanError
from radversary.detectors.gaussian import distance
from radversary.detectors.shallow import FAINT, ShallowDetector, mixtures, texture
from random_parts import smooth_images


def films(count: int, seed: int) -> torch.Tensor:
    return F.avg_pool2d(smooth_images(count, 36, seed=seed), 5, 1)


def painted(images: torch.Tensor, opacity: float) -> torch.Tensor:
    """A chequer over the lower half of the image."""
    side = torch.arange(32)
    chequer = ((side[:, None] + side) % 2).float()
    out = images.clone()
    out[..., 16:, :] += opacity * (chequer[16:] - images[..., 16:, :])
    return out


@pytest.fixture(scope="module")
def victim() -> TorchClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1),
                                nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    return wrap(network, classes=("a", "b", "c"), size=32)


@pytest.fixture(scope="module")
def fitted(victim) -> ShallowDetector:
    return ShallowDetector(rank=3).bind(victim).fit(films(50, seed=1))


def test_texture_is_what_numpy_makes_of_the_maps():
    maps = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0)).abs()
    one, mixing, gram = maps[1].double().numpy(), mixtures(5, 3).double().numpy().T, 0
    contrast = []
    for axis in (2, 1):
        step = np.diff(one, axis=axis).reshape(5, -1)
        contrast.append(np.log(step**2 + FAINT).mean(axis=1))
        gram = gram + mixing @ step @ step.T @ mixing.T / step.shape[1]
    energy = np.diag(gram) + FAINT
    correlation = (gram / np.sqrt(np.outer(energy, energy)))[np.triu_indices(3, 1)]
    np.testing.assert_allclose(texture(maps, 3)[1], np.concatenate([*contrast, np.log(energy), correlation]), atol=1e-4)
    np.testing.assert_allclose(texture(maps, 0)[1], np.concatenate(contrast), atol=1e-4)


def test_texture_knows_no_level_and_little_of_an_edge():
    stream = torch.Generator().manual_seed(0)
    maps, weave = torch.rand(1, 4, 16, 16, generator=stream), torch.rand(1, 4, 16, 16, generator=stream)
    torch.testing.assert_close(texture(maps + 3, 2), texture(maps, 2), atol=1e-4, rtol=1e-4)
    edge = maps.clone()
    edge[..., 8:] += 5
    moved = [(texture(other, 2) - texture(maps, 2))[:, :8].abs().mean() for other in (edge, maps + weave)]
    assert moved[0] < moved[1]


def test_mixtures_are_orthonormal_and_fixed():
    torch.testing.assert_close(mixtures(9, 4).T @ mixtures(9, 4), torch.eye(4), atol=1e-6, rtol=0)
    first = mixtures(9, 4).clone()
    mixtures.cache_clear()
    assert torch.equal(mixtures(9, 4), first)
    assert texture(torch.rand(1, 2, 3, 3), rank=8).shape == (1, 7)  # no more mixtures than channels


def test_the_score_adds_the_stages(fitted, victim):
    fresh = films(4, seed=2)
    features, total = victim.features(fresh), 0
    for stage, maps in enumerate(features.maps):
        cloud = {name: fitted.learned[f"stage{stage}.{name}"] for name in ("mean", "root")}
        total = total + distance(texture(maps, 3), cloud)
    torch.testing.assert_close(fitted.score(fresh), total.float())


def test_a_texture_is_told_from_clean_films(fitted):
    fresh = films(30, seed=2)
    clean, faint, strong = (fitted.score(painted(fresh, opacity)) for opacity in (0.0, 0.1, 0.3))
    assert faint.median() > clean.quantile(0.9)
    assert (strong > clean.max()).all()


def test_the_heat_map_shows_where(fitted, victim):
    fresh = painted(films(4, seed=2), 0.5)
    heat = fitted.heat_map(fresh, victim.features(fresh))
    assert heat.shape == (4, 15, 15)  # 16 places a side have 15 differences
    assert (heat[:, 9:].mean(dim=(1, 2)) > 3 * heat[:, :7].mean(dim=(1, 2))).all()
    assert (heat[:, 9:].mean(dim=(1, 2)) > 1).all()
    plain = films(30, seed=3)
    calm = fitted.heat_map(plain, victim.features(plain))
    assert (calm > 1).float().mean() < 0.05
    assert calm[:, [0, -1]].mean().item() == pytest.approx(calm.mean().item(), rel=0.5)  # padding is not suspicious


def test_scores_stand_alone_and_come_back(fitted, victim):
    fresh = films(5, seed=2)
    scores = fitted.score(fresh)
    again = ShallowDetector(rank=3).bind(victim).restore(fitted.learned)
    assert torch.equal(again.score(fresh), scores)
    for index in range(5):
        torch.testing.assert_close(fitted.score(fresh[index:index + 1]), scores[index:index + 1], atol=1e-4, rtol=1e-4)


def test_the_gradient_leads_back_to_the_image(fitted, victim):
    fresh = films(3, seed=2).requires_grad_()
    fitted.judge(fitted.measure(fresh, victim.features(fresh))).sum().backward()
    assert fresh.grad.isfinite().all()
    assert fresh.grad.flatten(1).abs().amax(dim=1).gt(0).all()


def test_what_does_not_fit_is_refused(fitted, victim):
    fresh = films(3, seed=2)
    with pytest.raises(PlanError, match="rank must be at least 0, got -1"):
        ShallowDetector(rank=-1)
    with pytest.raises(InputError, match=r"has not learned 'stage0\.mean' yet"):
        ShallowDetector().bind(victim).score(fresh)
    with pytest.raises(InputError, match="the features of the same images, got 3 for 2"):
        fitted.heat_map(fresh[:2], victim.features(fresh))
    with pytest.raises(InputError, match="needs two clean images at least to learn from, got 1"):
        ShallowDetector().bind(victim).fit(fresh[:1])
    flat = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 1024, 2)), classes=("a", "b"), size=32)
    with pytest.raises(InputError, match="looks at a classifier's maps, and this one shows none"):
        ShallowDetector().bind(flat).fit(fresh)
