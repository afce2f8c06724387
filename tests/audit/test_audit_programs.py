"""An audit of a model that brings its own network is that of the module it was made of."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch
from tiny_audit import SIZE, make_inputs, make_plan, with_models
from torch import nn

from programs_on_disk import exported, scripted
from radversary.auditing.run import run_audit
from radversary.classifiers.registry import load
from radversary.core.errors import AccessError
from radversary.study.placing import SavedInputs

pytestmark = pytest.mark.slow

PLAN = make_plan(attacks=[{"label": "pgd", "name": "pgd", "strengths": [0.02], "options": {"steps": 3}}], defences=[],
                 gallery=0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("inputs"))


def saved(inputs, folder, save, last=None):
    """The victim of the audit as a program."""
    victim = inputs.classifiers["victim"]
    network = victim.module if last is None else nn.Sequential(last, victim.module)
    path = folder / ("model.pt2" if save is exported else "model.pt")
    options = {"images": torch.rand(4, 3, SIZE, SIZE)} if save is exported else {}
    return save(network, path, classes=list(victim.card.classes), size=SIZE, name="tiny", **options)


@pytest.fixture(scope="module")
def of_the_module(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    run_audit(PLAN, inputs, folder)
    return pd.read_parquet(folder / "predictions.parquet")


@pytest.mark.parametrize("save", [scripted, exported])
def test_a_program_is_attacked_as_the_module_is(save, inputs, of_the_module, tmp_path):
    run_audit(PLAN, with_models(inputs, victim=load(saved(inputs, tmp_path, save))), tmp_path / "out")
    found = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    # The exported program takes four images at once and is asked about five: sums are then rounded in another order.
    exact = save is scripted
    pd.testing.assert_frame_equal(found, of_the_module, check_exact=exact, **({} if exact else {"rtol": 1e-4}))


class Rounded(nn.Module):
    def forward(self, images):
        return (images * 255).round().int().float() / 255


def test_a_program_that_lets_no_gradient_through_is_refused_by_what_follows_one(inputs, tmp_path):
    program = load(saved(inputs, tmp_path, exported, Rounded()))
    with pytest.raises(AccessError, match="gives only scores: no gradient reaches its input"):
        run_audit(PLAN, with_models(inputs, victim=program), tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("save", [scripted, exported])
def test_two_workers_load_it_again_and_give_the_bytes_of_one(save, inputs, tmp_path):
    path = saved(inputs, tmp_path, save)
    rebuild = SavedInputs({"victim": path}, {}, inputs.images.folder, inputs.report, "cpu")
    given = replace(inputs, classifiers={"victim": load(path)}, rebuild=rebuild)
    for workers in (1, 2):
        run_audit(PLAN, given, tmp_path / str(workers), workers=workers)
    assert len({(tmp_path / str(workers) / "predictions.parquet").read_bytes() for workers in (1, 2)}) == 1
