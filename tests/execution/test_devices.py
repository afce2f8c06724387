from __future__ import annotations

import pytest
import torch

from radversary.core.errors import PlanError
from radversary.execution.devices import select_device, training_precision

CPU = torch.device("cpu")


def test_auto_takes_what_there_is():
    assert select_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert select_device("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cpu:x", "xla"])
def test_an_absent_device_is_one_sentence(name):
    with pytest.raises(PlanError, match="is not available here; use 'auto' or 'cpu'"):
        select_device(name)


@pytest.mark.parametrize(("amx", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_precision_follows_the_chip(monkeypatch, amx, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert training_precision("auto", CPU) == expected


def test_named_precisions():
    assert training_precision("bfloat16", CPU) == "bf16-mixed"
    with pytest.raises(PlanError, match="got 'half'"):
        training_precision("half", CPU)
