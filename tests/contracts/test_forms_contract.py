"""The same weights in every form that can be loaded: equal logits, decisions, gradients and attacked images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from benchmarks.form_files import FORMS, written
from benchmarks.form_page import page
from benchmarks.form_weights import Weights

from late import Late
from radversary import load_model
from radversary.attacks.base import Batch, run_attack
from radversary.attacks.goal import image_gradient
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.card import ModelCard
from radversary.classifiers.layout import Layout
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import AccessError, MissingPartError
from radversary.core.seeds import generator
from radversary.core.types import Access
from radversary.imaging.intensity import quantise
from random_parts import smooth_images

nets = Late("monai.networks.nets")

pytestmark = pytest.mark.slow

TINY = {"block": "basic", "layers": [1, 1, 1, 1], "block_inplanes": [4, 4, 8, 8], "spatial_dims": 2,
        "n_input_channels": 3, "conv1_t_stride": 2, "bias_downsample": False}
CARD = ModelCard(name="forms", architecture="forms-resnet", classes=("a", "b", "c"), size=32)
IMAGES, LABELS = quantise(smooth_images(12), 8), torch.arange(12) % 3
SCORES = {"ONNX", "ONNX, batch 1", "HTTP, Open Inference Protocol v2", "HTTP, plain JSON"}
"""Forms that show their scores alone."""

ROUNDED = {"exported program, batch 1", "Keras 3 archive"}
"""Forms that sum in another order, so that on some processors the sign of a gradient next to zero may differ."""

STYLES = {"k": 3, "count": 5, "style_size": 32, "generator": "pyramid"}

tiny_resnet = Layout("forms-resnet", lambda classes, channels, like: nets.ResNet(**TINY, num_classes=classes),
                     first="conv1")


@pytest.fixture(scope="module", autouse=True)
def _registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NETWORKS, "_own", {**NETWORKS._own, "forms-resnet": f"{__name__}:tiny_resnet"})
        yield


@pytest.fixture(scope="module")
def weights():
    network, stream = tiny_resnet(classes=3), generator("forms")
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                drawn = torch.randn(value.shape, generator=stream)
                value.copy_(0.5 + drawn.abs() if name.endswith(("running_var", "bn1.weight", "bn2.weight"))
                            else 0.3 * drawn)
        network.fc.weight *= 0.1  # logits of about 1, as 0.00001 is meant for
    definition = {"_target_": "monai.networks.nets.ResNet", **TINY, "num_classes": 3}
    return Weights(network.eval().requires_grad_(requires_grad=False), CARD, definition)


@pytest.fixture(scope="module")
def module(weights):
    return TorchClassifier(weights.network, CARD)


@pytest.fixture(scope="module", params=FORMS)
def form(request, weights, tmp_path_factory):
    """A form, loaded; a library that it needs and that is not here skips it by name."""
    try:
        with written(request.param, weights, tmp_path_factory.mktemp("form")) as reference:
            yield request.param, load_model(reference, allow_code=True)
    except MissingPartError as missing:
        pytest.skip(f"{request.param}: {missing}")


def attacked(name, classifier, **options):
    batch, attack = Batch(IMAGES, LABELS, tuple("abcdefghijkl")), ATTACKS.create(name, **options)
    (outcome,) = run_attack(attack, classifier, batch, seed=0, step="forms", strengths=[attack.current])
    return outcome.images


def pgd(classifier):
    return attacked("pgd", classifier, epsilon=4 / 255, steps=5)


def test_the_module_tells_the_images_apart(module):
    assert module.logits(IMAGES).std(0).min() > 0.01
    assert not torch.equal(pgd(module), IMAGES)


def test_it_answers_as_the_module_does(form, module):
    name, classifier = form
    assert classifier.card.classes == CARD.classes
    assert classifier.access == (Access.SCORES if name in SCORES else Access.GRADIENTS)
    torch.testing.assert_close(classifier.logits(IMAGES), module.logits(IMAGES), atol=1e-5, rtol=0)
    assert torch.equal(classifier.predict(IMAGES), module.predict(IMAGES))


def test_it_is_attacked_by_its_scores_as_the_module_is(form, module):
    assert torch.equal(attacked("worst-style", form[1], **STYLES), attacked("worst-style", module, **STYLES))


def test_it_is_attacked_by_its_gradient_as_the_module_is(form, module):
    name, classifier = form
    if name in SCORES:
        with pytest.raises(AccessError, match="needs gradients"):
            pgd(classifier)
        return
    slope, expected = (image_gradient(each, IMAGES, LABELS) for each in (classifier, module))
    torch.testing.assert_close(slope, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-4)
    different = (pgd(classifier) != pgd(module)).float().mean()
    assert different <= (0.001 if name in ROUNDED else 0)


def test_the_page_of_results_is_made_of_the_figures_beside_it():
    folder = Path(__file__).parents[2] / "docs" / "results"
    record = json.loads((folder / "forms.json").read_text(encoding="utf-8"))
    assert page(record) == (folder / "forms.md").read_text(encoding="utf-8")
    assert [own["form"] for own in record["forms"]][-len(FORMS):] == list(FORMS)
