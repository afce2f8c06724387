"""Fixtures that every folder's tests share."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of processes that tests start as well: two teams on two cores spin

import pytest
import torch
from hypothesis import settings

with suppress(ImportError):  # Keras': where a library configures logging anew, it closes the stream that it began with
    from absl import logging as absl_logging

    absl_logging.get_absl_handler().python_handler.setStream(sys.__stderr__)

SHARED = Path(os.environ.get("RADVERSARY_SHARED", Path(__file__).parents[2] / "shared"))

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")  # no test is timed: a first call may import a library on a busy machine

LONGEST = "test_examples.py"
"""The file that takes longest; it begins first, so that no worker is left with it alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest file first."""
    items.sort(key=lambda item: item.path.name != LONGEST)


def _shared(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        warnings.warn(f"SKIPPED FOR LACK OF DATA: {path} is absent, this test did not run", stacklevel=2)
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture
def cxr() -> Path:
    """The folder of real radiographs with labels.csv."""
    return _shared("data", "cxr")


@pytest.fixture
def shared_data() -> Path:
    """The folder of real test data."""
    return _shared("data")


@pytest.fixture
def weights() -> Path:
    """The folder of real pretrained weights."""
    return _shared("weights")


@pytest.fixture(autouse=True)
def _same_in_any_order() -> None:
    """One thread a process, and random weights that do not depend on which tests ran before."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
