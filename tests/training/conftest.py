from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from tiny_training import arrays, make_plan, make_tiny_card

from radversary.classifiers.networks import NETWORKS, build_network
from radversary.classifiers.torch_module import TorchClassifier
from radversary.training.classifier.plan import TrainingPlan
from radversary.training.classifier.train import train
from radversary.training.data.datasets import TrainingSet


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS._own, "tiny", "tiny_training:Tiny")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., TorchClassifier]:
    """Train the tiny network on 26 images; keyword arguments replace ``train``'s."""
    def start(plan: TrainingPlan | None = None, out: str = "out", **changes: object) -> TorchClassifier:
        plan = plan or make_plan()
        arguments = {"training": TrainingSet(*arrays(26, 1)), "validation": TrainingSet(*arrays(12, 2)),
                     "card": make_tiny_card(), "device": "cpu", **changes}
        return train(build_network("tiny", classes=2), plan=plan, out=tmp_path / out, **arguments)

    return start


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """Refuse to write files longer than so many bytes, as a full disk would, by the system itself."""
    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
