from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread(_two_threads: None) -> None:
    # Networks and images are so small here that a second thread costs more than it brings.
    torch.set_num_threads(1)
