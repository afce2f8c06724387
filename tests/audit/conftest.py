from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_audit import make_inputs, make_plan

from radversary.auditing.result import AuditResult
from radversary.auditing.run import run_audit
from radversary.auditing.setup import AuditInputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> AuditInputs:
    torch.set_num_threads(1)
    return make_inputs(tmp_path_factory.mktemp("phantoms"))


@pytest.fixture(scope="session")
def finished(inputs: AuditInputs, tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditResult, Path]:
    """An audit that nobody stopped: its result and its folder; do not write there."""
    folder = tmp_path_factory.mktemp("run")
    return run_audit(make_plan(), inputs, folder), folder
