from __future__ import annotations

import pytest
import torch
from linear_toy import Linear, right_and_passed


@pytest.fixture
def linear() -> Linear:
    return Linear()


@pytest.fixture
def images(linear) -> torch.Tensor:
    return right_and_passed(linear)
