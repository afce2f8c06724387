from __future__ import annotations

import pytest
import torch

from radversary.core.errors import PlanError
from radversary.execution.devices import repeatable, select_device, training_precision

CPU = torch.device("cpu")


def test_auto_takes_what_there_is():
    assert select_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert select_device("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cpu:x", "xla", "meta"])
def test_an_absent_device_is_one_sentence(name):
    with pytest.raises(PlanError, match="is not available here; use 'auto' or 'cpu'"):
        select_device(name)


def test_auto_takes_cuda_where_there_is_one_and_no_other_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert select_device("auto") == CPU
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", lambda *_size, device: asked.append(device) or torch.zeros(0))
    select_device("auto")
    assert asked == ["cuda"]


def test_cuda_computes_alike_each_time_and_in_float32():
    flags = torch.backends.cudnn
    with flags.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True):
        repeatable()
        assert (flags.benchmark, flags.deterministic, flags.allow_tf32) == (False, True, False)
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(("amx", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_precision_follows_the_chip(monkeypatch, amx, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert training_precision("auto", CPU) == expected


def test_named_precisions():
    assert training_precision("bfloat16", CPU) == "bf16-mixed"
    with pytest.raises(PlanError, match="got 'half'"):
        training_precision("half", CPU)
