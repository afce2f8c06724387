"""Keras 3 victims against Keras' own answers."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import pytest
import torch

from late import Late
from radversary.attacks.base import Batch, run_attack
from radversary.attacks.gradient.pgd import PGD
from radversary.classifiers.keras_model import KerasClassifier, keras_on_torch
from radversary.classifiers.probe import check_answers, check_gradients
from radversary.classifiers.registry import CLASSIFIERS, load
from radversary.core.errors import AccessError, MissingPartError, ModelError
from radversary.core.types import Access
from radversary.detectors.registry import REFERENCE_FREE
from random_parts import smooth_images

keras = Late(lambda: keras_on_torch("the tests"))
layers = Late(lambda: keras.layers)
IMAGES = (smooth_images(6) * 255).round() / 255
CARD = {"name": "thesis", "architecture": "keras", "classes": ["covid", "normal", "pneumonia"], "size": 32,
        "input_range": [0, 255], "mean": [0, 0, 0], "std": [1, 1, 1], "output": "probabilities"}


def saved(model, path, **card):
    model.save(path)
    path.with_name(f"{path.stem}.card.json").write_text(json.dumps({**CARD, **card}))
    return path


def body(inputs):
    """A residual block on scaled pixels, as of a small ResNet, with random statistics."""
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(8, 3, strides=2)(x)
    norm = layers.BatchNormalization(moving_mean_initializer=keras.initializers.RandomUniform(-0.5, 0.5, seed=3),
                                     moving_variance_initializer=keras.initializers.RandomUniform(0.5, 2, seed=4))
    x = layers.ReLU()(norm(x))
    inner = keras.Sequential([layers.Conv2D(8, 3, padding="same"), layers.ReLU(), layers.Dropout(0.5)], name="inner")
    x = layers.Add()([x, inner(x)])
    x = layers.MaxPooling2D(2)(x)
    return layers.GlobalAveragePooling2D()(x)


def resnet(outputs=3, activation="softmax", shape=(32, 32, 3)):
    keras.utils.set_random_seed(1)
    inputs = keras.Input(shape)
    wide = keras.initializers.RandomNormal(0, 3, seed=5)
    head = layers.Dense(outputs, activation=activation, kernel_initializer=wide)
    model = keras.Model(inputs, head(body(inputs)))
    model.compile("adam", "categorical_crossentropy")
    return model


def said(model, images=IMAGES):
    """What Keras itself says of the same images."""
    pixels = (images * 255).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return torch.from_numpy(np.asarray(model.predict(pixels.numpy(), verbose=0)))


@pytest.fixture(scope="module")
def model():
    return resnet()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return saved(model, tmp_path_factory.mktemp("keras") / "thesis.keras")


@pytest.mark.slow
def test_the_thesis_model(model, path):
    found = load(path)
    assert isinstance(found, KerasClassifier)
    assert found.access == Access.GRADIENTS
    assert found.reference == str(path)
    assert found.fingerprint() == sha256(path.read_bytes()).hexdigest()
    torch.testing.assert_close(found.probabilities(IMAGES), said(model), atol=1e-6, rtol=1e-5)
    logits = found.logits(IMAGES)
    torch.testing.assert_close(logits.log_softmax(1), said(model).log(), atol=1e-4, rtol=1e-4)
    linear = keras.Model(model.inputs, model.layers[-2].output)
    features, (kernel, bias) = said(linear), model.layers[-1].get_weights()
    torch.testing.assert_close(logits, features @ torch.from_numpy(kernel) + torch.from_numpy(bias), atol=1e-4,
                               rtol=1e-5)
    check_answers(found)
    check_gradients(found, "an attack")


@pytest.mark.slow
def test_its_logits_are_exact_where_its_probabilities_are_not(tmp_path):
    """A softmax of logits hundreds apart gives 0 and 1, whose gradients vanish."""
    steep = resnet()
    kernel, bias = steep.layers[-1].get_weights()
    steep.layers[-1].set_weights([kernel * 1000, bias])
    found = load(saved(steep, tmp_path / "steep.keras"))
    images = IMAGES.clone().requires_grad_()
    logits = found.logits(images)
    assert (logits.amax(1) - logits.amin(1)).min() > 110  # beyond the logarithm of the least probability
    logits[:, 0].sum().backward()
    assert images.grad.abs().amax((1, 2, 3)).min() > 0


@pytest.mark.slow
def test_pgd_attacks_it(path):
    found = load(path)
    labels = found.predict(IMAGES)
    batch = Batch(IMAGES, labels, tuple("abcdef"))
    ((_, attacked),) = [(outcome.strength, outcome.images) for outcome in run_attack(
        PGD(steps=5), found, batch, seed=0, step="x", strengths=[8 / 255])]
    own, other = found.logits(IMAGES), found.logits(attacked)
    loss = torch.nn.functional.cross_entropy
    assert (loss(other, labels, reduction="none") > loss(own, labels, reduction="none")).all()
    assert (attacked - IMAGES).abs().max() <= 8 / 255 + 1e-6


@pytest.mark.slow
def test_its_features_are_those_of_its_layers(model, path):
    found = load(path)
    features = found.features(IMAGES)
    assert [tuple(maps.shape) for maps in features.maps] == [(6, 3, 32, 32), (6, 8, 15, 15), (6, 8, 7, 7)]
    for name, maps in zip(("rescaling", "add", "max_pooling2d"), features.maps, strict=True):
        layer = next(layer for layer in model.layers if layer.name.startswith(name))
        own = said(keras.Model(model.inputs, layer.output)).permute(0, 3, 1, 2)
        torch.testing.assert_close(maps, own, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features.embedding, said(keras.Model(model.inputs, model.layers[-2].output)))
    assert torch.equal(features.logits, found.logits(IMAGES))
    again = copy.deepcopy(found)
    assert torch.equal(again.features(IMAGES).maps[1], features.maps[1])
    detector = REFERENCE_FREE.create("shallow").bind(found).fit(smooth_images(30))
    assert detector.score(IMAGES).isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize(("outputs", "activation", "card"), [
    (3, None, {"output": "logits"}),
    (1, "sigmoid", {"task": "binary", "classes": ["no", "yes"]}),
    (2, "softmax", {"task": "binary", "classes": ["no", "yes"]}),
    (4, "sigmoid", {"task": "multilabel", "classes": ["w", "y"], "outputs": ["w", "x", "y", "z"]}),
])
def test_other_tasks(tmp_path, outputs, activation, card):
    model = resnet(outputs, activation)
    found = load(saved(model, tmp_path / "m.keras", **card))
    own = said(model)
    if outputs == 4:
        own = own[:, [0, 2]]
    if outputs == 1:
        own = torch.cat([1 - own, own], dim=1)
    shown = found.logits(IMAGES) if activation is None else found.probabilities(IMAGES)
    torch.testing.assert_close(shown, own, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_channels_first_and_one_channel(tmp_path):
    inputs = keras.Input((1, 32, 32))
    x = layers.Flatten(data_format="channels_last")(inputs)
    model = keras.Model(inputs, layers.Dense(3)(x))
    found = load(saved(model, tmp_path / "m.keras", output="logits", mean=[0], std=[255]))
    own = torch.from_numpy(model.predict(IMAGES.numpy(), verbose=0))
    torch.testing.assert_close(found.logits(IMAGES), own, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_many_threads(path):
    found = load(path)
    alone = [found.logits(image) for image in torch.split(IMAGES, 1)]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            assert all(map(torch.equal, pool.map(found.logits, torch.split(IMAGES, 1)), alone))


def test_a_model_without_gradients_gives_scores(tmp_path):
    inputs = keras.Input((32, 32, 3))
    x = keras.ops.stop_gradient(layers.Flatten()(inputs))
    found = load(saved(keras.Model(inputs, layers.Dense(3)(x)), tmp_path / "m.keras", output="logits"))
    assert found.access == Access.SCORES
    with pytest.raises(AccessError, match="gives only scores"):
        check_gradients(found, "pgd")


@pytest.mark.slow
@pytest.mark.parametrize(("card", "says"), [
    ({"output": "logits"}, "ends in a softmax .* says that it returns logits: state output: probabilities in it"),
    ({"size": 64}, "images of 32 x 32 pixels, and its card says 64 x 64: state size: 32, 32"),
    ({"mean": [0], "std": [1]}, "images of 3 channels, .* have 1 figures: state 3 in each"),
    ({"classes": ["a", "b"]}, r"gave \(1, 3\) for 1 images and 2 classes"),
    ({"sha256": "12" * 32}, "is damaged or was changed"),
])
def test_a_card_that_differs_is_one_sentence(path, tmp_path, card, says):
    (tmp_path / "m.keras").write_bytes(path.read_bytes())
    (tmp_path / "m.card.json").write_text(json.dumps({**CARD, **card}))
    with pytest.raises(ModelError, match=says):
        load(tmp_path / "m.keras")


@pytest.mark.slow
def test_several_outputs(tmp_path):
    inputs = keras.Input((32, 32, 3))
    x = layers.Flatten()(inputs)
    head = layers.Dense(3, name="head")(x)
    found = load(saved(keras.Model(inputs, [x, head]), tmp_path / "m.keras", output="logits"))
    named = load(saved(keras.Model(inputs, {"z": head, "a": x}), tmp_path / "p.keras", output="logits"))
    assert torch.equal(found.logits(IMAGES), named.logits(IMAGES))
    torch.testing.assert_close(found.logits(IMAGES), said(keras.Model(inputs, head)), atol=1e-4, rtol=1e-4)
    with pytest.raises(ModelError, match="takes 2 inputs"):
        load(saved(keras.Model([inputs, keras.Input((1,))], head), tmp_path / "n.keras", output="logits"))
    with pytest.raises(ModelError, match=r"has 2 outputs .* of which 2 may be logits"):
        load(saved(keras.Model(inputs, [layers.Dense(3)(x), head]), tmp_path / "o.keras", output="logits"))


def test_without_keras_only_loading_says_so(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    assert CLASSIFIERS.create("keras").recognises(str(path))
    with pytest.raises(MissingPartError, match=r"pip install 'radversary\[keras\]'"):
        load(path)


def test_keras_on_another_library_is_one_sentence(path, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    with pytest.raises(ModelError, match="to compute with tensorflow: set KERAS_BACKEND=torch before anything imports"):
        load(path)


@pytest.mark.slow
def test_keras_is_imported_on_pytorch_and_the_choice_of_others_stays(path):
    """In a process of its own, as Keras chooses once."""
    code = ("import os\nbefore = os.environ.get('KERAS_BACKEND')\nfrom radversary import load_model\n"
            f"print(load_model({str(path)!r}).access.name, os.environ.get('KERAS_BACKEND') == before)")
    ran = subprocess.run([sys.executable, "-c", code], env={**os.environ, "KERAS_BACKEND": "jax"}, check=True,
                         capture_output=True, text=True)
    assert ran.stdout == "GRADIENTS True\n"
