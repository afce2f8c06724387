from __future__ import annotations

import hashlib
from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.inputs import network_input
from radversary.classifiers.networks import build_network
from radversary.classifiers.probe import KINDS, answers_sha256, check_answers, probe, probe_images
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import ModelError
from radversary.core.types import Access, check_images

CLASSES, SIZE = ("a", "b", "c"), 16


class Network(nn.Module):
    """A small network whose logits are changed before it returns them."""

    def __init__(self, change=lambda logits: logits, before=nn.Identity) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), before(), nn.ReLU(), nn.Flatten(),
                                        nn.Linear(4 * 9, 3))
        self.change = change

    def forward(self, inputs):
        return self.change(self.layers(inputs))


def model(change=lambda logits: logits, **options) -> TorchClassifier:
    return wrap(Network(change, **options), classes=CLASSES, size=SIZE, name="mine")


def images(number: int = 5) -> torch.Tensor:
    return torch.rand(number, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def broken(value: float):
    return lambda logits: torch.where(torch.arange(3) == 1, torch.tensor(value), logits)


MISSHAPEN = {
    "tuple": (lambda logits: (logits, None), "returns a tuple, expected a tensor of logits"),
    "dict": (lambda logits: {"logits": logits}, "returns a dict, expected a tensor of logits"),
    "list": (lambda logits: list(logits), "returns a list, expected a tensor of logits"),
    "nothing": (lambda logits: None, "returns a NoneType, expected a tensor of logits"),
    "array": (lambda logits: logits.numpy(), "returns a ndarray, expected a tensor of logits"),
    "maps": (lambda logits: logits[..., None, None], r"gave \(\d, 3, 1, 1\) for .* flatten what it returns"),
    "vector": (lambda logits: logits[:, 0], r"gave \(\d,\) for .* one number an image, state task: binary"),
    "one output": (lambda logits: logits[:, :1], r"gave \(\d, 1\) for .* state task: binary in its card"),
    "two outputs": (lambda logits: logits[:, :2], r"gave \(\d, 2\) for \d images and 3 classes; expected \(\d, 3\)"),
    "one row": (lambda logits: logits.sum(0, keepdim=True), r"gave \(1, 3\) for \d images and 3 classes"),
    "float16": (torch.Tensor.half, "answers in float16, expected float32"),
    "float64": (torch.Tensor.double, "answers in float64, expected float32"),
    "integers": (torch.Tensor.long, "answers in int64, expected float32"),
    "complex": (lambda logits: logits.to(torch.complex64), "answers in complex64, expected float32"),
    "nan": (broken(torch.nan), r"gave logits that are not finite numbers for (\d) of \1 images"),
    "infinity": (broken(-torch.inf), "gave logits that are not finite numbers"),
}


@pytest.mark.parametrize("kind", MISSHAPEN)
def test_what_is_no_logits_is_refused_at_once_and_later(kind):
    change, words = MISSHAPEN[kind]
    with pytest.raises(ModelError, match=f"model 'mine' {words}"):
        check_answers(model(change))
    with pytest.raises(ModelError, match=f"model 'mine' {words}"), torch.no_grad():
        model(change).logits(images())
    later = model()
    check_answers(later)
    later.module.change = change
    for ask in (later.logits, later.features, later.predict):
        with pytest.raises(ModelError, match="model 'mine'"), torch.no_grad():
            ask(images())


def drawing(logits):
    return logits + 0.01 * torch.rand(logits.shape)


def counting():
    calls = count()
    return lambda logits: logits + 1e-3 * next(calls)


class TrainedNorm(nn.BatchNorm2d):
    """Never leaves training mode."""

    def __init__(self) -> None:
        super().__init__(4)

    def train(self, mode=True):
        return super().train(mode=True)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: model(lambda logits: logits.softmax(1)), "gives probabilities .* card says logits: state output"),
    (lambda: model(lambda logits: (logits > 0).float() / (logits > 0).float().sum(1, keepdim=True).clamp_min(1)
                   + (logits <= 0).all(1, keepdim=True) / 3), "gives probabilities"),
    (lambda: model(drawing), r"an equal call otherwise, by up to 0\.0\d+: it draws at random or keeps a state"),
    (lambda: model(counting()), r"an equal call otherwise, by up to 0\.001: it draws"),
    (lambda: model(lambda logits: nn.functional.dropout(logits, 0.5, training=True)), "an equal call otherwise"),
    (lambda: model(before=TrainedNorm), r"an image alone than in a batch, by up to [\d.]+: .* BatchNorm in training"),
    (lambda: model(lambda logits: logits - logits.mean(0)), "an image alone than in a batch"),
    (lambda: wrap(nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), classes=CLASSES, size=SIZE, name="mine"),
     "fails on 4 images of 16 x 16 pixels: RuntimeError: mat1 and mat2"),
], ids=["softmax", "shares", "drawn", "counted", "dropout", "batch norm", "batch mean", "fails"])
def test_what_no_audit_could_bear_is_refused_in_one_sentence(make, words):
    with pytest.raises(ModelError, match=f"model 'mine' .*{words}") as caught:
        check_answers(make())
    assert "\n" not in str(caught.value)


def test_a_batch_norm_that_needs_a_batch_fails_by_name():
    class Needy(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(mode=True)

    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, 3), Needy(3))
    with pytest.raises(ModelError, match=r"model 'mine' fails on 1 images .* Expected more than 1 value per channel"):
        check_answers(wrap(network, classes=CLASSES, size=SIZE, name="mine"))


@pytest.mark.parametrize("change", [lambda logits: logits, lambda logits: 1e-4 * logits, lambda logits: 1e4 * logits,
                                    lambda logits: logits.log_softmax(1), lambda logits: 0 * logits,
                                    lambda logits: 100 * logits.relu(), lambda logits: logits.softmax(1) - 0.4],
                         ids=["plain", "small", "large", "log softmax", "zero", "relu", "below zero"])
def test_logits_of_any_scale_are_taken(change):
    found = check_answers(model(change))
    assert found.repeat_difference == 0
    assert found.batch_difference <= 1e-3 * found.largest + 1e-4
    assert not found.probabilities
    assert found.suspicion("mine") == ""


HALF = {
    "bfloat16": lambda logits: (5 * logits).bfloat16().softmax(1).float(),
    "float16": lambda logits: (5 * logits).half().softmax(1).float(),
    "three decimals": lambda logits: (5 * logits).softmax(1).mul(1000).round() / 1000,
}


@pytest.mark.parametrize("kind", HALF)
def test_probabilities_rounded_to_half_precision_are_refused(kind):
    rows = HALF[kind](model().logits(probe_images(model().card))).sum(1)
    assert ((rows - 1).abs() > 1e-4).any()
    with pytest.raises(ModelError, match=r"model 'mine' gives probabilities .* or remove the last softmax"):
        check_answers(model(HALF[kind]))


@pytest.mark.parametrize("change", [torch.sigmoid, torch.relu,
                                    lambda logits: torch.cat([logits, logits[:, :1]], 1).softmax(1)[:, :3]],
                         ids=["sigmoid", "small behind a relu", "a class left out"])
def test_answers_that_all_lie_between_0_and_1_are_suspicious(change):
    found = check_answers(model(change))
    assert found.suspicion("mine").startswith("All answers of model 'mine' to 4 generated images lie between 0 and 1")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vgg"])
def test_the_networks_of_the_package_pass(name):
    check_answers(wrap(build_network(name, classes=3), classes=CLASSES, size=32))


def test_half_precision_passes_where_the_caller_asked_for_it():
    with torch.autocast("cpu", torch.bfloat16):
        assert model().logits(images()).dtype == torch.float32


@pytest.mark.parametrize(("size", "channels"), [(1, 1), (2, 3), (7, 1), (32, 3), (224, 1)])
def test_probe_images_keep_the_pixel_contract_at_every_size(size, channels):
    card = ModelCard(name="m", architecture="x", classes=CLASSES, size=size, channels=channels)
    found = probe_images(card, n=11)
    assert check_images(found).shape == (11, channels, size, size)
    assert torch.equal(found * 255, (found * 255).round())
    assert torch.equal(found[:4], probe_images(card))
    if size > 2:
        assert len({image.numpy().tobytes() for image in found}) == 11
        assert found.flatten(1).std(1).min() > 0.1
    if channels == 3 and size > 2:
        assert not torch.equal(found[:, 0], found[:, 1])


def test_probe_images_are_the_same_for_ever():
    card = ModelCard(name="m", architecture="x", classes=CLASSES, size=32)
    torch.manual_seed(3)
    np.random.seed(3)
    codes = (probe_images(card) * 255).round().byte().numpy()
    assert hashlib.sha256(codes.tobytes()).hexdigest()[:16] == "c8bb93e46d9a64ca"
    assert len(KINDS) == len(codes) == 4


def test_the_hash_is_of_the_answers_alone():
    own = model()
    logits = own.logits(probe_images(own.card)).numpy()
    assert answers_sha256(own) == hashlib.sha256(logits.tobytes()).hexdigest() == probe(own).answers_sha256
    assert answers_sha256(model()) == answers_sha256(own)
    assert answers_sha256(model(lambda logits: logits * 1)) == answers_sha256(own)


class Inverting(TorchClassifier):
    """Another reading of the images, by code that no file records."""

    def logits(self, images):
        return super().logits(1 - images)


def test_the_hash_changes_with_what_no_file_records():
    own, known = Network(), model().card
    changed = {
        "code of the network": model(lambda logits: logits + 1e-3),
        "code of the adapter": Inverting(own, known),
        "mean": TorchClassifier(own, known.model_copy(update={"mean": (0.485, 0.456, 0.407)})),
        "deviation": TorchClassifier(own, known.model_copy(update={"std": (0.23, 0.224, 0.225)})),
    }
    with torch.no_grad():
        weights = Network()
        weights.layers[4].bias[0] += 1e-3
    changed["weights"] = TorchClassifier(weights, known)
    hashes = {name: answers_sha256(other) for name, other in changed.items()}
    assert answers_sha256(TorchClassifier(own, known)) not in hashes.values()
    assert len(set(hashes.values())) == len(hashes)


class Adapter(Classifier):
    """A model behind an interface."""

    access = Access.SCORES

    def __init__(self, answer=lambda logits: logits, sha256: str = "") -> None:
        self.inner, self.answer = model(), answer
        self.card = self.inner.card.model_copy(update={"sha256": sha256})

    @torch.no_grad()
    def logits(self, images):
        return self.answer(self.inner.module(network_input(images, self.card)))


def test_an_adapter_without_a_fingerprint_is_refused():
    with pytest.raises(ModelError, match=r"model 'mine' has no fingerprint.* Adapter must implement fingerprint\(\)"):
        check_answers(Adapter())
    with pytest.raises(ModelError, match="has no fingerprint"):
        Adapter().fingerprint()
    assert check_answers(Adapter(sha256="0" * 64)).answers_sha256 == answers_sha256(model())


@pytest.mark.parametrize("kind", MISSHAPEN)
def test_an_adapter_is_looked_at_like_a_module(kind):
    change, words = MISSHAPEN[kind]
    with pytest.raises(ModelError, match=f"model 'mine' {words}"):
        check_answers(Adapter(change, "0" * 64))
