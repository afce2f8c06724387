from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_study import make_study

from radversary.auditing.result import AuditResult
from radversary.classifiers.networks import NETWORKS
from radversary.execution.work import Relay
from radversary.study.run import run_study


@pytest.fixture(scope="session", autouse=True)
def _tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS._own, "tiny", "random_parts:TinyNetwork")
        yield


@pytest.fixture(scope="session")
def finished_study(_tiny: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditResult, Path, list[str]]:
    """A study that nobody stopped: its result, its folder (do not write there), and what it told."""
    torch.set_num_threads(1)
    folder, told = tmp_path_factory.mktemp("study") / "run", []
    progress = Relay(lambda _work: None, announced=told.append)
    return run_study(make_study(), folder, progress=progress, device="cpu"), folder, told
