"""ONNX victims against the PyTorch networks that they were exported from; onnx itself writes the odd ones."""

from __future__ import annotations

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.gradient.pgd import PGD
from radversary.classifiers.base import require_features
from radversary.classifiers.onnx_model import OnnxClassifier
from radversary.classifiers.probe import check_answers
from radversary.classifiers.registry import CLASSIFIERS, load
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import AccessError, MissingPartError, ModelError
from radversary.core.types import Access
from random_parts import smooth_images
from tiny_onnx import card_of, export, tiny_network, with_card, write_graph

pytestmark = pytest.mark.slow

IMAGES = smooth_images(7)
CLOSE = {"atol": 1e-5, "rtol": 1e-5}
"""Float32 sums in another order, of logits up to about 5."""
FLOAT, HALF, DOUBLE, BYTE, WHOLE = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8,
                                    TensorProto.INT64)


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory):
    return export(tiny_network(), tmp_path_factory.mktemp("onnx") / "dynamic.onnx", dynamo=True)


def same(path, network, images=IMAGES, **card):
    """Whether an ONNX file says what the network says that it was exported from."""
    found = load(path)
    assert isinstance(found, OnnxClassifier)
    torch.testing.assert_close(found.logits(images), TorchClassifier(network, card_of(**card)).logits(images), **CLOSE)
    return found


def test_any_number_of_images(dynamic):
    network = tiny_network()
    found = same(dynamic, network)
    same(dynamic, network, smooth_images(70))
    assert found.access == Access.SCORES
    assert found.logits(IMAGES[:0]).shape == (0, 3)
    assert found.logits(IMAGES).dtype == torch.float32
    assert not found.logits(IMAGES.clone().requires_grad_()).requires_grad
    assert check_answers(found).largest > 0.1
    assert found.fingerprint() == sha256(dynamic.read_bytes()).hexdigest()


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_a_fixed_number_of_images(tmp_path_factory, batch, count):
    path = tmp_path_factory.getbasetemp() / f"fixed{batch}.onnx"
    if not path.exists():
        export(tiny_network(), path, batch=batch, dynamo=True)
    assert onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0].dim_value == batch
    same(path, tiny_network(), IMAGES[:count])


def test_what_the_card_says_of_the_input_is_obeyed(tmp_path):
    card = {"input_range": [-1024, 1024], "mean": [100.0], "std": [500.0], "size": [40, 36], "crop": 32}
    network = tiny_network(channels=1)
    same(export(network, tmp_path / "x.onnx", channels=1, **card), network, torch.rand(3, 1, 40, 36), **card)


def test_two_outputs_of_a_binary_model(tmp_path):
    card = {"task": "binary", "classes": ["no", "yes"]}
    same(export(tiny_network(2), tmp_path / "x.onnx", **card), tiny_network(2), **card)


@pytest.mark.parametrize("squashed", [False, True])
def test_one_output_of_a_binary_model(tmp_path, squashed):
    network = tiny_network(1)
    card = {"task": "binary", "classes": ["no", "yes"], "output": "probabilities" if squashed else "logits"}
    path = export(nn.Sequential(network, nn.Sigmoid()).eval() if squashed else network, tmp_path / "x.onnx", **card)
    found = load(path)
    expected = network(_inputs())
    logits = found.logits(IMAGES)
    assert logits.shape == (7, 2)
    assert not logits[:, 0].any()
    torch.testing.assert_close(logits[:, 1:], expected, atol=1e-4, rtol=1e-4)


def _inputs():
    """What ImageNet networks are given of the grey images, written out."""
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    return (IMAGES.repeat(1, 3, 1, 1) - mean[:, None, None]) / std[:, None, None]


def test_eighteen_outputs_of_which_some_were_never_trained(tmp_path):
    outputs = [f"finding {number}" if number % 3 else "" for number in range(18)]
    card = {"task": "multilabel", "outputs": outputs, "classes": [name for name in outputs if name]}
    found = same(export(tiny_network(18), tmp_path / "x.onnx", **card), tiny_network(18), **card)
    assert found.logits(IMAGES).shape == (7, 12)
    assert set(found.decide(IMAGES).unique().tolist()) <= {0, 1}


def test_a_softmax_gives_logarithms(tmp_path):
    path = export(nn.Sequential(tiny_network(), nn.Softmax(1)), tmp_path / "x.onnx", output="probabilities")
    expected = tiny_network()(_inputs()).log_softmax(1)
    torch.testing.assert_close(load(path).logits(IMAGES), expected, atol=1e-4, rtol=1e-4)


def weights(kind=np.float32):
    """The weights of a dense layer over 8 x 8 x 3 numbers."""
    return np.random.default_rng(1).normal(size=(192, 3)).astype(kind) / 8


def dense(path, kind=FLOAT, shape=("n", 3, 8, 8), made=None, **card):
    """A dense layer over all numbers of an image in the order in which they come."""
    number = {FLOAT: np.float32, HALF: np.float16, DOUBLE: np.float64, BYTE: np.float32}[kind]
    made = made or (FLOAT if kind == BYTE else kind)
    nodes = [helper.make_node("Flatten", ["given"], ["flat"])]
    nodes += [helper.make_node("Cast", ["flat"], ["numbers"], to=FLOAT)] if kind == BYTE else [
        helper.make_node("Identity", ["flat"], ["numbers"])]
    nodes += [helper.make_node("MatMul", ["numbers", "w"], ["scores"])]
    return write_graph(path, nodes, [("given", kind, shape)], [("scores", made, ("n", 3))],
                       [numpy_helper.from_array(weights(number), "w")],
                       **{"size": 8, "mean": [0.0] * 3, "std": [1.0] * 3, **card})


@pytest.mark.parametrize(("kind", "close"), [(FLOAT, 1e-5), (DOUBLE, 1e-5), (HALF, 1e-2)])
@pytest.mark.parametrize(("shape", "last"), [(("n", 3, 8, 8), False), (("n", 8, 8, 3), True), ((5, 8, 8, 3), True),
                                             (("n", None, None, 3), True), (("n", None, None, None), False)])
def test_channels_last_and_other_precisions(tmp_path, kind, close, shape, last):
    images = torch.rand(4, 3, 8, 8)
    found = load(dense(tmp_path / "x.onnx", kind, shape, channels=3))
    numbers = images.permute(0, 2, 3, 1) if last else images
    expected = numbers.reshape(4, -1) @ torch.from_numpy(weights())
    torch.testing.assert_close(found.logits(images), expected, atol=close, rtol=close)


def test_whole_grey_levels(tmp_path):
    images = torch.rand(4, 3, 8, 8)
    path = dense(tmp_path / "x.onnx", BYTE, channels=3, input_range=[0, 255])
    expected = (images * 255).round().reshape(4, -1) @ torch.from_numpy(weights())
    torch.testing.assert_close(load(path).logits(images), expected, atol=1e-3, rtol=1e-4)
    with pytest.raises(ModelError, match=r"whole grey levels from 0 to 255: state input_range: \[0, 255\]"):
        load(dense(tmp_path / "y.onnx", BYTE))


@pytest.mark.parametrize(("card", "says"), [
    ({"size": 16}, "takes images of 8 x 8 pixels, and its card says 16 x 16: state size: 8, 8 in it"),
    ({"mean": [0.5], "std": [0.5]}, r"images of 3 channels, the mean and std of its card have 1 figures: state 3 in"),
    ({"classes": ["a", "b"]}, r"gave \(1, 3\) for 1 images and 2 classes"),
    ({"sha256": "ab" * 32}, "is damaged or was changed"),
])
def test_a_card_that_differs_is_one_sentence(tmp_path, card, says):
    for shape in (("n", 3, 8, 8), ("n", 8, 8, 3)):
        with pytest.raises(ModelError, match=says):
            load(dense(tmp_path / "x.onnx", shape=shape, **card))


@pytest.mark.parametrize(("inputs", "says"), [
    ([("a", FLOAT, ("n", 3, 8, 8)), ("age", FLOAT, ("n", 1))],
     r"takes 2 inputs \(a \(any, 3, 8, 8\), age \(any, 1\)\)"),
    ([("a", FLOAT, ("n", 3, 4, 8, 8))], r"takes \(any, 3, 4, 8, 8\), expected images"),
    ([("a", WHOLE, ("n", 3, 8, 8))], r"takes a tensor\(int64\), expected images of one of tensor\(float\)"),
    ([("a", FLOAT, ("n", 4, 8, 8))], "images of 4 channels, .* expected 1 or 3"),
])
def test_other_inputs_are_refused_by_name(tmp_path, inputs, says):
    nodes = [helper.make_node("Shape", [inputs[-1][0]], ["shape"]),
             helper.make_node("Cast", ["shape"], ["b"], to=FLOAT)]
    path = write_graph(tmp_path / "x.onnx", nodes, inputs, [("b", FLOAT, ("k",))], size=8)
    with pytest.raises(ModelError, match=says):
        load(path)


def several(path, outputs, **card):
    """A network whose outputs are given by name and width; each is the mean of the image, so many times its place."""
    nodes = [helper.make_node("ReduceMean", ["given", "axes"], ["mean"], keepdims=0)]
    fixed = [numpy_helper.from_array(np.array([1, 2, 3]), "axes")]
    for place, (name, width) in enumerate(outputs):
        fixed.append(numpy_helper.from_array(np.arange(1, width + 1, dtype=np.float32)[None] * 10**place, f"w{place}"))
        nodes += [helper.make_node("Unsqueeze", ["mean", "one"], [f"m{place}"]),
                  helper.make_node("MatMul", [f"m{place}", f"w{place}"], [name])]
    fixed.append(numpy_helper.from_array(np.array([1]), "one"))
    return write_graph(path, nodes, [("given", FLOAT, ("n", 3, 8, 8))],
                       [(name, FLOAT, ("n", width)) for name, width in outputs], fixed,
                       **{"size": 8, "mean": [0.0] * 3, "std": [1.0] * 3, **card})


@pytest.mark.parametrize("outputs", [
    [("embedding", 16), ("scores", 3)], [("other", 3), ("logits", 3)], [("probabilities", 3), ("logits", 3)]])
def test_of_several_outputs_the_one_that_fits(tmp_path, outputs):
    found = load(several(tmp_path / "x.onnx", outputs)).logits(torch.full((1, 1, 8, 8), 0.5))
    torch.testing.assert_close(found, torch.tensor([[5.0, 10.0, 15.0]]))


@pytest.mark.parametrize("outputs", [[("x", 3), ("y", 3)], [("x", 4), ("y", 5)]])
def test_outputs_that_cannot_be_told_apart_are_named(tmp_path, outputs):
    with pytest.raises(ModelError, match=r"has 2 outputs \(x: \(any, \d\), y: \(any, \d\)\), of which [02] may be"):
        load(several(tmp_path / "x.onnx", outputs))


def test_labels_alone_are_no_scores(tmp_path):
    nodes = [helper.make_node("Flatten", ["given"], ["flat"]),
             helper.make_node("ArgMax", ["flat"], ["label"], axis=1)]
    path = write_graph(tmp_path / "x.onnx", nodes, [("given", FLOAT, ("n", 3, 8, 8))], [("label", WHOLE, ("n", 1))],
                       size=8)
    with pytest.raises(ModelError, match=r"has 1 outputs \(label: no real numbers\)"):
        load(path)


def test_numbers_that_are_not_finite(tmp_path):
    nodes = [helper.make_node("Flatten", ["given"], ["flat"]), helper.make_node("Log", ["flat"], ["scores"])]
    path = write_graph(tmp_path / "x.onnx", nodes, [("given", FLOAT, ("n", 3, 1, 1))], [("scores", FLOAT, ("n", 3))],
                       size=1, input_range=[-1, 1], mean=[0.0] * 3, std=[1.0] * 3)
    with pytest.raises(ModelError, match="not finite numbers"):
        load(path).logits(torch.zeros(1, 1, 1, 1))


def test_custom_operators_are_not_loaded(tmp_path):
    nodes = [helper.make_node("Decode", ["given"], ["scores"], domain="com.stranger")]
    path = write_graph(tmp_path / "x.onnx", nodes, [("given", FLOAT, ("n", 3, 8, 8))], [("scores", FLOAT, ("n", 3))],
                       domains=(("", 20), ("com.stranger", 1)))
    with pytest.raises(ModelError, match=r"com\.stranger.*custom operators, which are code, are not loaded"):
        load(path)


def test_many_threads_one_classifier(dynamic):
    found, images = load(dynamic), smooth_images(40)
    expected = [found.logits(image) for image in torch.split(images, 5)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert all(map(torch.equal, pool.map(found.logits, torch.split(images, 5)), expected))


def test_it_travels_as_its_reference(dynamic, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(dynamic.read_bytes())
    found = load(with_card(path))
    content = pickle.dumps(found)
    assert len(content) < 2_000
    for again in (pickle.loads(content), copy.deepcopy(found)):
        assert again.reference == found.reference == str(path)
        assert torch.equal(again.logits(IMAGES), found.logits(IMAGES))
    export(tiny_network(seed=5), path)
    with pytest.raises(ModelError, match="was changed"):
        pickle.loads(content)


def test_without_onnx_runtime_only_loading_says_so(dynamic, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert CLASSIFIERS.create("onnx").recognises(str(dynamic))
    with pytest.raises(MissingPartError, match=r"pip install 'radversary\[onnx\]'"):
        load(dynamic)


def test_what_needs_gradients_is_refused(dynamic):
    found = load(dynamic)
    with pytest.raises(AccessError, match="needs gradients but model 'tiny' gives only scores"):
        list(run_attack(PGD(), found, Batch(IMAGES, torch.zeros(7, dtype=torch.int64), tuple("abcdefg")), seed=0,
                        step="x", strengths=[0.1]))
    with pytest.raises(AccessError, match="gives only scores"):
        require_features(found, "a detector")


def test_a_model_without_a_card_and_no_model(dynamic, tmp_path):
    (tmp_path / "m.onnx").write_bytes(dynamic.read_bytes())
    with pytest.raises(ModelError, match=r"m\.onnx has no card \(m\.card\.json\) beside it"):
        load(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"there is no model at .*absent\.onnx"):
        load(tmp_path / "absent.onnx")
