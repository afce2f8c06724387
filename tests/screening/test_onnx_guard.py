"""A victim in an ONNX file, guarded by detectors that look at pixels."""

from __future__ import annotations

import pytest
import torch

from radversary.classifiers.registry import load
from radversary.core.errors import AccessError, ModelError
from radversary.screening.bundle import MODEL, check_model, load_guard, save_guard
from radversary.screening.fitting import fit_guard
from tiny_onnx import export, tiny_network


@pytest.fixture
def path(tmp_path):
    return export(tiny_network(), tmp_path / "victim.onnx")


@pytest.mark.slow
def test_fit_calibrate_save_load_screen(path, clean, tmp_path):
    victim = load(path)
    guard = fit_guard(victim, clean[:40], names=("integrity",)).calibrate(
        clean[40:100], [f"p{number}" for number in range(60)], alpha=0.1)
    folder = save_guard(guard, tmp_path / "bundle")
    assert not (folder / MODEL).exists()  # it is kept by its reference
    loaded = load_guard(folder)
    assert loaded.classifier.reference == str(path)
    board = torch.zeros(1, 1, 32, 32)
    board[..., ::2, ::2] = 1.0
    images = torch.cat([clean[100:101], board])
    passed, strange = loaded.screen(images, names=["clean", "board"])
    assert (passed.verdict, strange.verdict) == ("pass", "review")
    assert (passed, strange) == tuple(guard.screen(images, names=["clean", "board"]))
    assert passed.prediction == "abc"[int(victim.predict(clean[100:101]))]
    check_model(loaded, load(path))
    export(tiny_network(seed=1), path)
    with pytest.raises(ModelError, match="were set for another model"):
        load_guard(folder)


def test_detectors_that_look_at_features_are_refused_by_name(path, clean):
    with pytest.raises(AccessError, match="needs gradients but model 'tiny' gives only scores"):
        fit_guard(load(path), clean[:10], names=("integrity", "shallow"))
