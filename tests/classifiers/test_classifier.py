from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from radversary.classifiers.base import Classifier, check_fits, require_access
from radversary.classifiers.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard, make_card
from radversary.classifiers.inputs import network_input
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import AccessError, ModelError, TensorError, UnknownNameError
from radversary.core.types import Access

FIELDS = {"name": "m", "architecture": "resnet18", "classes": ("a", "b"), "size": 8}


def small(**changes) -> TorchClassifier:
    torch.manual_seed(0)
    inputs = len(changes.get("mean", "rgb"))
    module = nn.Sequential(nn.Conv2d(inputs, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(),
                           nn.Linear(4 * 36, 3))
    return wrap(module, **{"classes": ("a", "b", "c"), "size": 8, **changes})


def images(count=5, channels=1, size=8, seed=0):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed))


def test_input_is_grey_repeated_and_normalised():
    colour = images(channels=3)
    luma = colour.numpy().transpose(0, 2, 3, 1) @ np.array([0.299, 0.587, 0.114])
    expected = (luma[:, None] - np.reshape(IMAGENET_MEAN, (1, 3, 1, 1))) / np.reshape(IMAGENET_STD, (1, 3, 1, 1))
    np.testing.assert_allclose(network_input(colour, ModelCard(**FIELDS)), expected, atol=1e-5)
    card = ModelCard(**FIELDS, mean=(0.5,), std=(0.25,))
    np.testing.assert_allclose(network_input(colour, card), (luma[:, None] - 0.5) / 0.25, atol=1e-5)
    card = ModelCard(**FIELDS, channels=3, mean=(0.1, 0.2, 0.3), std=(1, 2, 4))
    expected = (colour - torch.tensor([0.1, 0.2, 0.3]).reshape(3, 1, 1)) / torch.tensor([1, 2, 4]).reshape(3, 1, 1)
    torch.testing.assert_close(network_input(colour, card), expected)
    assert network_input(images(), card).shape == (5, 3, 8, 8)


def test_grey_model_sees_no_hue_and_colour_model_does():
    grey, colour = images(), images(channels=3)
    classifier = small()
    assert torch.equal(classifier.logits(grey), classifier.logits(grey.expand(-1, 3, -1, -1)))
    luma = 0.299 * colour[:, :1] + 0.587 * colour[:, 1:2] + 0.114 * colour[:, 2:]
    torch.testing.assert_close(classifier.logits(colour), classifier.logits(luma))
    reader = small(channels=3)
    assert not torch.allclose(reader.logits(colour), reader.logits(luma))


def test_always_in_evaluation_mode():
    classifier = small()
    first = classifier.logits(images())
    classifier.module.train()
    assert torch.equal(classifier.logits(images()), first)


def test_gradient_reaches_the_images_and_only_them():
    classifier, picture = small(), images().requires_grad_()
    classifier.logits(picture)[:, 0].sum().backward()
    assert picture.grad.abs().sum() > 0
    assert all(weights.grad is None for weights in classifier.module.parameters())
    leaf = images().requires_grad_()
    mean, std = (torch.tensor(figures).reshape(1, 3, 1, 1) for figures in (IMAGENET_MEAN, IMAGENET_STD))
    classifier.module((leaf - mean) / std)[:, 0].sum().backward()
    torch.testing.assert_close(picture.grad, leaf.grad)
    assert not classifier.logits(images()).requires_grad


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 9), batch=st.integers(1, 12))
def test_scores_do_not_depend_on_the_batch(count, batch):
    classifier = small()
    scores = classifier.scores(images(count), batch=batch)
    assert scores.shape == (count, 3)
    assert not scores.requires_grad
    if count:
        torch.testing.assert_close(scores, classifier.logits(images(count)).softmax(1))
        torch.testing.assert_close(scores.sum(1), torch.ones(count))
        assert torch.equal(classifier.predict(images(count)), scores.argmax(1))


@pytest.mark.parametrize(("bad", "text"), [
    (images().double(), "float32"), (images(channels=2), "1 or 3"), (images() * 255, r"\[0, 1\]"),
    (images(size=9), "8 x 8 pixels, got 9 x 9"), (images() * float("nan"), r"\[0, 1\]"),
])
def test_images_outside_the_contract(bad, text):
    with pytest.raises(TensorError, match=text):
        small().logits(bad)


def test_a_module_of_another_number_of_classes():
    with pytest.raises(ModelError, match=r"gave \(5, 3\) for 5 images and 2 classes"):
        small(classes=("a", "b")).logits(images())


def test_check_fits():
    classifier = small()
    check_fits(classifier, ["a", "b", "c"])
    cases = {("a", "b"): "3 classes .* has 2", ("b", "a", "c"): "class order", ("a", "b", "d"): "class names"}
    for classes, text in cases.items():
        with pytest.raises(ModelError, match=text):
            check_fits(classifier, classes)


class Labels(Classifier):
    access = Access.LABELS
    card = ModelCard(**FIELDS)

    def logits(self, images):
        raise NotImplementedError


def test_require_access():
    require_access(small(), Access.GRADIENTS, "attack 'fgsm'")
    require_access(Labels(), Access.LABELS, "attack 'hopskipjump'")
    with pytest.raises(AccessError, match="attack 'fgsm' needs gradients but model 'm' gives only labels"):
        require_access(Labels(), Access.GRADIENTS, "attack 'fgsm'")


@pytest.mark.parametrize(("changes", "text"), [
    ({"classes": ()}, "two classes at least, got none"),
    ({"classes": ("Pneumonia",)}, r"two classes at least, got Pneumonia; .* one logit, its task is binary"),
    ({"classes": ("a", "a")}, "classes repeat: a, a"), ({"size": 0}, "size"),
    ({"channels": 2}, "channels"), ({"mean": (0.5,)}, "1 or 3 figures"), ({"std": (1.0, 0.0, 1.0)}, "above 0"),
    ({"mean": (0.5,), "std": (1.0,), "channels": 3}, "colour needs 3"), ({"mean": (float("nan"), 0, 0)}, "finite"),
])
def test_card_refuses(changes, text):
    with pytest.raises(ModelError, match=text):
        make_card("model m", {**FIELDS, **changes})


def test_card_names_the_nearest_field():
    with pytest.raises(UnknownNameError, match="did you mean 'classes'"):
        make_card("model m", {**FIELDS, "clases": ("a",)})
    with pytest.raises(UnknownNameError, match="did you mean 'licence'"):
        wrap(nn.Flatten(), classes=("a", "b"), size=1, license="MIT")


def test_card_as_text():
    text = ModelCard(**FIELDS).as_text()
    assert set(text) == set(ModelCard.model_fields)
    assert (text["classes"], text["size"], text["mean"]) == ("a, b", "8", "0.485, 0.456, 0.406")


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_what_cannot_be_wrapped_is_one_sentence():
    fields = {"classes": ("a", "b"), "size": 8}
    with pytest.raises(ModelError, match=r"model 'm' must be a torch.nn.Module, got function"):
        wrap(lambda inputs: inputs, name="m", **fields)
    compiled = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    with pytest.raises(ModelError, match=r"model 'm' \(RecursiveScriptModule\) can be neither .* wrap the module that"):
        wrap(compiled, name="m", **fields)
    with pytest.raises(ModelError, match="two classes at least, got Pneumonia"):
        wrap(nn.Linear(1, 1), classes=("Pneumonia",), size=8)


class Faint(TorchClassifier):
    """The same decisions, with logits that single precision tells apart and their probabilities it does not."""

    def logits(self, images):
        return super().logits(images) * 1e-12


def test_decisions_are_taken_of_the_logits_where_probabilities_are_equal():
    plain = small()
    faint = Faint(plain.module, plain.card)
    found, many = faint.answers(images(9), batch=4), images(9)
    assert torch.equal(found.decisions, plain.predict(many))
    assert torch.equal(found.decisions, faint.predict(many))
    assert torch.equal(found.probabilities, faint.scores(many))
    assert not torch.equal(found.decisions, found.probabilities.argmax(1))
    assert [part.shape for part in faint.answers(images(0))] == [(0,), (0, 3)]
