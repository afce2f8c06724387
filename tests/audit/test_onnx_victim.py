"""A black-box audit of a victim in an ONNX file, against one of the PyTorch network that it was exported from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_audit import SIZE, STYLE, make_inputs, make_plan, with_models

from radversary.auditing.run import run_audit
from radversary.classifiers.registry import load
from radversary.core.errors import AccessError
from tiny_onnx import with_card

pytestmark = pytest.mark.slow

WORST = {**STYLE, "label": "worst", "name": "worst-style", "strengths": [0.5],
         "options": {**STYLE["options"], "k": 2}}
PGD = {"label": "pgd", "name": "pgd", "strengths": [0.02]}
PLAN = {"attacks": [STYLE, WORST], "defences": []}


@pytest.fixture
def inputs(tmp_path):
    return make_inputs(tmp_path / "data")


@pytest.fixture
def victim(inputs, tmp_path):
    network, path = inputs.classifiers["victim"].module, tmp_path / "victim.onnx"
    torch.onnx.export(network, (torch.rand(2, 3, SIZE, SIZE),), str(path), dynamo=False, input_names=["x"],
                      dynamic_axes={"x": {0: "images"}})
    return load(with_card(path, name="tiny", classes=list(inputs.images.classes), size=SIZE))


def test_its_predictions_are_those_of_the_network(inputs, victim, tmp_path):
    tables = []
    for name, model in {"torch": inputs.classifiers["victim"], "onnx": victim}.items():
        run_audit(make_plan(**PLAN), with_models(inputs, victim=model), tmp_path / name)
        (path,) = (tmp_path / name).glob("predictions.parquet")
        tables.append(pd.read_parquet(path))
    numbers = [table.select_dtypes("number").fillna(-1) for table in tables]
    assert len(tables[0]) > 30
    assert list(tables[0].columns) == list(tables[1].columns)
    np.testing.assert_allclose(numbers[0], numbers[1], atol=1e-4)
    assert tables[0].select_dtypes(exclude="number").equals(tables[1].select_dtypes(exclude="number"))


def test_an_attack_that_follows_gradients_is_refused_in_a_sentence(inputs, victim, tmp_path):
    with pytest.raises(AccessError, match="needs gradients but model 'tiny' gives only scores") as caught:
        run_audit(make_plan(**{**PLAN, "attacks": [STYLE, PGD]}), with_models(inputs, victim=victim), tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
