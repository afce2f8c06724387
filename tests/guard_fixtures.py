from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import NETWORKS, build_network
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.screening.fitting import fit_guard
from radversary.screening.guard import Guard
from random_parts import smooth_images

NAMES = ("neighbours", "energy")


@pytest.fixture(scope="session", autouse=True)
def _tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS._own, "tiny", "random_parts:TinyNetwork")
        yield


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory) -> TorchClassifier:
    network = build_network("tiny", classes=2, seed=1)
    return save_classifier(wrap(network, classes=("a", "b"), size=32, name="victim", architecture="tiny"),
                           tmp_path_factory.mktemp("victim"))


@pytest.fixture(scope="session")
def clean() -> torch.Tensor:
    return smooth_images(120, size=32)


@pytest.fixture(scope="session")
def guard(victim: TorchClassifier, clean: torch.Tensor) -> Guard:
    """Fitted on the first 40 images and calibrated on 60 others, one a patient."""
    fitted = fit_guard(victim, clean[:40], names=NAMES, record={"fitted_images": 40})
    return fitted.calibrate(clean[40:100], [f"p{number}" for number in range(60)], alpha=0.1, seed=3)
