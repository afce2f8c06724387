"""Fixtures that every folder's tests share."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import torch

SHARED = Path(os.environ.get("RADVERSARY_SHARED", Path(__file__).parents[2] / "shared"))

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
