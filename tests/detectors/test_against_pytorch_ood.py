"""The field's baselines as pytorch-ood publishes them (Kirchheim, Filax and Ortmeier, CVPR Workshops 2022).

It asks for torchvision, which cannot be imported beside the CPU build, but only for parts that are not looked at here;
so it is installed without what it asks for, and its modules are imported past the package's own front door.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch
from scipy.stats import spearmanr

from radversary.classifiers.base import Features
from radversary.core.seeds import generator
from radversary.detectors.registry import REFERENCE_FREE

SPEC = find_spec("pytorch_ood")
pytestmark = pytest.mark.skipif(SPEC is None, reason="the baselines are not compared: pytorch-ood is not installed "
                                                     "(make setup does)")
IMAGES = torch.zeros(0)


@pytest.fixture
def published(monkeypatch):
    """Return a function that imports one of its detectors' modules."""
    assert SPEC is not None
    assert SPEC.origin is not None
    root = Path(SPEC.origin).parent
    for name, folder in (("pytorch_ood", root), ("pytorch_ood.detector", root / "detector")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        monkeypatch.setitem(sys.modules, name, package)
    yield lambda name: import_module(f"pytorch_ood.detector.{name}")
    for name in [name for name in sys.modules if name.startswith("pytorch_ood")]:
        monkeypatch.delitem(sys.modules, name)


def features(count: int, seed: int, shift: float = 0.0) -> Features:
    stream = generator(seed, "readings")
    embedding = torch.randn(count, 6, generator=stream) * torch.arange(1.0, 7.0) + shift
    return Features(logits=3 * torch.randn(count, 3, generator=stream), maps=(), embedding=embedding)


CLEAN, FRESH = features(3000, seed=1), features(200, seed=2, shift=0.7)


def own(name: str, **options: object) -> torch.Tensor:
    detector = REFERENCE_FREE.create(name, **options)
    detector.restore(detector.learn(detector.measure(IMAGES, CLEAN)))
    return detector.judge(detector.measure(IMAGES, FRESH))


def test_energy_is_theirs(published):
    theirs = published("energy").EnergyBased(None).predict_logits(FRESH.logits)
    torch.testing.assert_close(own("energy"), theirs)


def test_the_maximum_softmax_probability_is_theirs(published):
    theirs = published("softmax").MaxSoftmax(None).predict_logits(FRESH.logits)
    torch.testing.assert_close(own("msp"), 1 + theirs)


@pytest.mark.slow
def test_the_nearest_neighbours_are_theirs_up_to_a_scale(published):
    detector = published("knn").KNN(None, k=7)
    detector.fit_features(CLEAN.embedding, torch.zeros(len(CLEAN.embedding), dtype=torch.int64))
    theirs, found = detector.predict_features(FRESH.embedding).float(), own("neighbours", k=7, weight=0.0)
    slope = (found.max() - found.min()) / (theirs.max() - theirs.min())
    torch.testing.assert_close(found - found.mean(), slope * (theirs - theirs.mean()), atol=1e-3, rtol=1e-3)


def test_the_mahalanobis_distance_ranks_as_theirs_without_classes(published):
    detector = published("mahalanobis").Mahalanobis(None)
    detector.fit_features(CLEAN.embedding, torch.zeros(len(CLEAN.embedding), dtype=torch.int64))
    theirs = detector.predict_features(FRESH.embedding)
    assert spearmanr(own("mahalanobis"), theirs).statistic > 0.999
