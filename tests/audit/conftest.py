from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_audit import make_plan, make_subject

from radversary.audit.result import AuditResult
from radversary.audit.run import run_audit
from radversary.audit.setup import Subject


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    torch.set_num_threads(1)
    return make_subject(tmp_path_factory.mktemp("phantoms"))


@pytest.fixture(scope="session")
def finished(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditResult, Path]:
    """An audit that nobody stopped: its result and its folder; do not write there."""
    folder = tmp_path_factory.mktemp("run")
    return run_audit(make_plan(), subject, folder), folder
