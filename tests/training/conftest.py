from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_training import arrays, make_plan, make_tiny_card

from radversary.classifiers.networks import NETWORKS, build_network
from radversary.classifiers.torch_module import TorchClassifier
from radversary.training.datasets import TrainingSet
from radversary.training.plan import TrainingPlan
from radversary.training.train import train


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
