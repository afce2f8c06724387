"""torchxrayvision's operating points, against its rule written out."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torchvision_layout import densenet, densenet_weights, resnet, resnet_weights

from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.inputs import network_input
from radversary.classifiers.operating_points import calibrated
from radversary.core.errors import ModelError
from random_parts import smooth_images

pytestmark = pytest.mark.slow

IMAGES = smooth_images(2, size=64)
NAN = float("nan")
POINTS = [0.07, 0.6, NAN, 0.02]
CARD = {"name": "xrv", "task": "multilabel", "classes": ["Effusion", "Mass", "Hernia"],
        "outputs": ["Mass", "Effusion", "", "Hernia"], "output": "probabilities", "size": 64,
        "input_range": [-1024, 1024]}


def op_norm(probability: float, point: float) -> float:
    """The rule of torchxrayvision's models.py, one number at a time, in double precision."""
    if point != point:
        return 0.5
    return probability / (2 * point) if probability < point else 1 - (1 - probability) / (2 * (1 - point))


@given(st.floats(-12, 12), st.floats(0.001, 0.999))
def test_calibrated_logits_are_those_of_torchxrayvisions_probabilities(logit, point):
    given_logit = torch.tensor([[logit]], dtype=torch.float64, requires_grad=True)
    found = calibrated(given_logit, torch.tensor([point], dtype=torch.float64))
    expected = op_norm(float(torch.tensor(logit, dtype=torch.float64).sigmoid()), point)
    assert float(found.detach().sigmoid()) == pytest.approx(expected, abs=1e-9)
    (slope,) = torch.autograd.grad(found.sum(), given_logit)
    assert float(slope) > 0


def test_no_digits_are_lost_where_probabilities_are_saturated():
    logits = torch.tensor([[-60.0, 60.0]], requires_grad=True)
    found = calibrated(logits, torch.tensor([0.1, 0.1]))
    assert found.tolist() == [[pytest.approx(-60 - torch.tensor(0.2).log().item()),
                               pytest.approx(60 + torch.tensor(1.8).log().item())]]
    (slope,) = torch.autograd.grad(found.sum(), logits)
    assert slope.tolist() == [[pytest.approx(1), pytest.approx(1)]]


def place(folder, state, architecture, **changes):
    save_file(state, folder / "xrv.safetensors")
    (folder / "xrv.card.json").write_text(json.dumps({**CARD, "architecture": architecture, **changes}))
    return folder / "xrv.safetensors"


@pytest.mark.parametrize("kind", ["densenet121", pytest.param("resnet50", marks=pytest.mark.slow)])
@pytest.mark.parametrize("output", ["probabilities", "logits"])
def test_a_model_of_torchxrayvision_answers_as_its_rule(tmp_path, kind, output):
    if kind == "densenet121":
        network, state = densenet, densenet_weights([6, 12, 24, 16], outputs=4, channels=1)
        stored = state
    else:  # its ResNets hold torchvision's in an attribute, and the points beside it
        network, state = resnet, resnet_weights([3, 4, 6, 3], deep=True, outputs=4, channels=1)
        stored = {f"model.{key}": value for key, value in state.items()}
    path = place(tmp_path, {**stored, "op_threshs": torch.tensor(POINTS)}, f"torchxrayvision-{kind}", output=output)
    model = load_classifier(path)
    inputs = network_input(IMAGES, model.card)
    assert float(inputs.min()) < 0 < float(inputs.max()) <= 1024
    raw = network(inputs, state).double().sigmoid()
    expected = [[op_norm(float(row[place]), POINTS[place]) for place in (1, 0, 3)] for row in raw]
    torch.testing.assert_close(model.probabilities(IMAGES), torch.tensor(expected), atol=1e-4, rtol=0)
    save_classifier(model, tmp_path / "saved")
    again = load_classifier(tmp_path / "saved")
    torch.testing.assert_close(again.logits(IMAGES), model.logits(IMAGES))


@pytest.mark.parametrize(("points", "text"), [
    ([0.5, 0.5, 0.5], r"layer 'op_threshs' has shape \(3,\) instead of \(4,\)"),
    ([0.5, 1.5, NAN, 0.5], "are not all between 0 and 1"),
    ([NAN, 0.5, 0.5, 0.5], "finding 'Mass' has no operating point .* name it in outputs"),
])
def test_points_that_mean_nothing_are_one_sentence(tmp_path, points, text):
    state = resnet_weights([2, 2, 2, 2], deep=False, outputs=4, channels=1)
    with pytest.raises(ModelError, match=text):
        load_classifier(place(tmp_path, {**state, "op_threshs": torch.tensor(points)}, "torchvision-resnet18"))


def test_not_a_number_elsewhere_is_refused(tmp_path):
    state = resnet_weights([2, 2, 2, 2], deep=False, outputs=4, channels=1)
    with pytest.raises(ModelError, match=r"not a number, in 'fc\.bias'"):
        load_classifier(place(tmp_path, {**state, "fc.bias": torch.full((4,), NAN)}, "torchvision-resnet18"))
