"""Server, worker and the process of the job are killed while audits run; ``killing.py`` does it at 20 moments."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from service.conftest import MAINLY_SQLITE
from service.killing import PASSING, killed


@MAINLY_SQLITE
@pytest.mark.slow
def test_audits_that_are_killed_at_chance_moments_are_done_once_with_the_same_bytes(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    shelf = tmp_path / "shelf"
    differ, met, _ = killed(replace(settings, roots=(shelf,)), shelf, kills=2, seed=3, jobs=1, longest=2.0)
    assert len(met) == 2
    assert differ == [], f"not the same bytes, and not in {PASSING}"
