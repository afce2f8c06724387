"""Weights that were trained elsewhere, in the layouts of torchvision, timm, torchxrayvision and MONAI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision_layout import densenet, densenet_weights, resnet, resnet_weights

from late import Late
from radversary.classifiers.card import ModelCard
from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.inputs import network_input
from radversary.classifiers.networks import LAYOUTS, NETWORKS, build_network, check_trainable
from radversary.classifiers.registry import load
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import ModelError, UnknownNameError
from radversary.training.classifier.plan import TrainingPlan
from radversary.training.classifier.start import starting_network
from random_parts import smooth_images

nets = Late("monai.networks.nets")

pytestmark = pytest.mark.slow

IMAGES = smooth_images(2, size=64)
GREY = {"mean": [0.5], "std": [0.25]}
NAMES = ("Normal", "Pneumonia", "Effusion")
RESNETS = {18: ([2, 2, 2, 2], False), 34: ([3, 4, 6, 3], False), 50: ([3, 4, 6, 3], True),
           101: ([3, 4, 23, 3], True), 152: ([3, 8, 36, 3], True)}
DENSENETS = {121: ([6, 12, 24, 16], 32, 64), 161: ([6, 12, 36, 24], 48, 96), 169: ([6, 12, 32, 32], 32, 64),
             201: ([6, 12, 48, 32], 32, 64)}


def resnet18(outputs=3, channels=3):
    return resnet_weights([2, 2, 2, 2], deep=False, outputs=outputs, channels=channels)


def densenet121(outputs=3, channels=3):
    return densenet_weights([6, 12, 24, 16], outputs=outputs, channels=channels)


def place(folder: Path, state, architecture, **card) -> Path:
    """A file of weights with its card beside it."""
    path = folder / "lungs.safetensors"
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    facts = {"name": "lungs", "architecture": architecture, "classes": NAMES, "size": 64, **card}
    (folder / "lungs.card.json").write_text(json.dumps(facts))
    return path


def close(one, other):
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def by_hand(network, state, card: ModelCard):
    return network(network_input(IMAGES, card), state)


@pytest.mark.parametrize("depth", [18, 50, *(pytest.param(depth, marks=pytest.mark.long) for depth in (34, 101, 152))])
@pytest.mark.parametrize("channels", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_torchvision_resnets_answer_as_their_arithmetic(tmp_path, depth, channels):
    layers, deep = RESNETS[depth]
    state = resnet_weights(layers, deep=deep, outputs=3, channels=channels)
    model = load_classifier(place(tmp_path, state, f"torchvision-resnet{depth}", **(GREY if channels == 1 else {})))
    close(model.logits(IMAGES), by_hand(resnet, state, model.card))
    assert not any(value.is_meta for value in model.module.state_dict().values())


@pytest.mark.parametrize("depth", [121, *(pytest.param(depth, marks=pytest.mark.long) for depth in (161, 169, 201))])
def test_torchvision_densenets_answer_as_their_arithmetic(tmp_path, depth):
    layers, growth, start = DENSENETS[depth]
    state = densenet_weights(layers, outputs=3, growth=growth, start=start)
    model = load_classifier(place(tmp_path, state, f"torchvision-densenet{depth}"))
    close(model.logits(IMAGES), by_hand(densenet, state, model.card))


@pytest.mark.parametrize(("name", "count"), [
    ("torchvision-resnet18", 11_689_512), ("torchvision-resnet34", 21_797_672), ("torchvision-resnet50", 25_557_032),
    ("torchvision-resnet101", 44_549_160), ("torchvision-resnet152", 60_192_808),
    ("torchvision-densenet121", 7_978_856), ("torchvision-densenet161", 28_681_000),
    ("torchvision-densenet169", 14_149_480), ("torchvision-densenet201", 20_013_928)])
def test_the_networks_have_torchvisions_published_number_of_weights(name, count):
    with torch.device("meta"):
        network = NETWORKS.create(name, classes=1000)
    assert sum(value.numel() for value in network.parameters()) == count


def vit(**options):
    pytest.importorskip("einops")
    return nets.ViT(in_channels=1, img_size=64, patch_size=16, spatial_dims=2, classification=True, num_classes=3,
                    **options)


MONAI = {
    "monai-densenet121": lambda: nets.DenseNet121(spatial_dims=2, in_channels=1, out_channels=3),
    "monai-densenet169": lambda: nets.DenseNet169(spatial_dims=2, in_channels=1, out_channels=3),
    "monai-densenet201": lambda: nets.DenseNet201(spatial_dims=2, in_channels=1, out_channels=3),
    **{f"monai-efficientnet-b{size}": lambda size=size: nets.EfficientNetBN(
        f"efficientnet-b{size}", pretrained=False, spatial_dims=2, in_channels=1, num_classes=3) for size in range(8)},
    **{f"monai-resnet{depth}": lambda depth=depth: getattr(nets, f"resnet{depth}")(
        spatial_dims=2, n_input_channels=1, num_classes=3) for depth in RESNETS},
    **{f"monai-resnet{depth}-stride2": lambda depth=depth: getattr(nets, f"resnet{depth}")(
        spatial_dims=2, n_input_channels=1, num_classes=3, conv1_t_stride=2) for depth in RESNETS},
    "monai-seresnet50": lambda: nets.SEResNet50(spatial_dims=2, in_channels=1, num_classes=3),
    "monai-vit": vit,
}
FAST = {"monai-densenet121", "monai-efficientnet-b0", "monai-resnet18", "monai-seresnet50"}


def test_every_layout_of_monais_is_compared_with_monai():
    assert {name for name in LAYOUTS if name.startswith("monai-")} == set(MONAI)


def stirred(network: nn.Module) -> nn.Module:
    """A network whose BatchNorm does something, as after training."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 1.5)
    return network.eval()


def answers(network, card):
    with torch.no_grad():
        found = network(network_input(IMAGES, card))
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.long)
                                  for name in MONAI])
def test_monais_networks_answer_as_monai(tmp_path, name):
    network = stirred(MONAI[name]())
    model = load_classifier(place(tmp_path, network.state_dict(), name, **GREY))
    close(model.logits(IMAGES), answers(network, model.card))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"post_activation": ""}, {"qkv_bias": True}, {"pos_embed_type": "sincos"}])
def test_variants_of_monais_vision_transformer_are_seen_in_its_weights(tmp_path, options):
    network = vit(**options).eval()
    path = place(tmp_path, network.state_dict(), "monai-vit", **GREY)
    model = load_classifier(path)
    close(model.logits(IMAGES), answers(network, model.card))
    assert model.features(IMAGES).embedding.shape == (2, 768)
    place(tmp_path, network.state_dict(), "monai-vit", **GREY, crop=32)
    with pytest.raises(ModelError, match=r"for 16 patches of 16 x 16 pixels, and images of 32 x 32.* have 4"):
        load_classifier(path)


def test_shortcuts_without_a_bias_are_seen_in_the_weights(tmp_path):
    network = stirred(nets.resnet18(spatial_dims=2, n_input_channels=1, num_classes=3, bias_downsample=False))
    model = load_classifier(place(tmp_path, network.state_dict(), "monai-resnet18", **GREY))
    close(model.logits(IMAGES), answers(network, model.card))


@pytest.mark.shared
@pytest.mark.parametrize("depth", [18, 50])
def test_real_weights_answer_as_torchvisions_arithmetic(tmp_path, weights, depth):
    stored = load_file(weights / f"resnet{depth}_imagenet_pqf.safetensors")
    state = {key: value.float() for key, value in stored.items()}
    path = place(tmp_path, stored, f"resnet{depth}", classes=[f"class {number}" for number in range(1000)])
    model = load(path)
    assert model.card.architecture == f"torchvision-resnet{depth}"
    close(model.logits(IMAGES), by_hand(resnet, state, model.card))


def test_a_name_without_a_library_means_torchvisions_layout_where_the_weights_are_not_ours(tmp_path):
    ours = build_network("resnet18", classes=3)
    assert load_classifier(place(tmp_path, ours.state_dict(), "resnet18")).card.architecture == "resnet18"
    deeper = resnet_weights(*RESNETS[34][:1], deep=False, outputs=3)
    assert load_classifier(place(tmp_path, deeper, "resnet34")).card.architecture == "torchvision-resnet34"


@pytest.mark.parametrize("prefix", ["module.", "module.cnn.", *(
    pytest.param(prefix, marks=pytest.mark.slow)
    for prefix in ("_orig_mod.", "model.", "net.", "network.", "backbone."))])
def test_what_stands_before_every_name_is_left_out(tmp_path, prefix):
    state = resnet18()
    path = place(tmp_path, {prefix + key: value for key, value in state.items()}, "torchvision-resnet18")
    assert set(load_classifier(path).module.state_dict()) >= set(state)


def test_what_stands_before_some_names_is_not_left_out(tmp_path):
    state = resnet18()
    first = next(iter(state))
    mixed = {(key if key == first else f"model.{key}"): value for key, value in state.items()}
    with pytest.raises(ModelError, match=r"are missing and .* are left over"):
        load_classifier(place(tmp_path, mixed, "torchvision-resnet18"))


def test_numbers_before_every_name_are_not_left_out(tmp_path):
    """What an nn.Sequential holds before them, such as a normalisation, has no weights and would be lost."""
    path = place(tmp_path, {f"1.{key}": value for key, value in resnet18().items()}, "torchvision-resnet18")
    with pytest.raises(ModelError, match="are missing"):
        load_classifier(path)


def test_old_names_of_a_densenets_layers_are_read(tmp_path):
    """As CheXNet's and torchvision's first checkpoints have them."""
    state = densenet121()
    old = {key.replace(".norm1.", ".norm.1.").replace(".norm2.", ".norm.2.").replace(".conv1.", ".conv.1.")
           .replace(".conv2.", ".conv.2."): value for key, value in state.items()}
    assert any("norm.1" in key for key in old)
    model = load_classifier(place(tmp_path, old, "torchvision-densenet121"))
    close(model.logits(IMAGES), by_hand(densenet, state, model.card))


@pytest.mark.parametrize("head", ["head.fc", *(pytest.param(head, marks=pytest.mark.slow) for head in (
    "classifier", "fc.1", "linear", "classifier.0"))])
def test_the_last_dense_layer_may_bear_another_name(tmp_path, head):
    state = resnet18()
    renamed = {key.replace("fc.", f"{head}.") if key.startswith("fc.") else key: value for key, value in state.items()}
    model = load_classifier(place(tmp_path, renamed, "torchvision-resnet18"))
    close(model.logits(IMAGES), by_hand(resnet, state, model.card))


def test_two_dense_layers_are_not_guessed_between(tmp_path):
    state = {key: value for key, value in resnet18().items() if not key.startswith("fc.")}
    hidden = {"fc.0.weight": torch.zeros(256, 512), "fc.0.bias": torch.zeros(256),
              "fc.3.weight": torch.zeros(3, 256), "fc.3.bias": torch.zeros(3)}
    with pytest.raises(ModelError, match=r"'fc\.3\.bias', 'fc\.3\.weight' are left over"):
        load_classifier(place(tmp_path, {**state, **hidden}, "torchvision-resnet18"))
    twins = {f"{name}.{part}": value for name in ("one", "two")
             for part, value in (("weight", torch.zeros(3, 512)), ("bias", torch.zeros(3)))}
    with pytest.raises(ModelError, match=r"'fc\.weight', 'fc\.bias' are missing and layers 'one\.bias'"):
        load_classifier(place(tmp_path, {**state, **twins}, "torchvision-resnet18"))


@pytest.mark.parametrize(("card", "outputs", "text"), [
    ({}, 1000, "names 3 classes, its network gives 1000"),
    ({"task": "binary", "classes": ["no", "yes"]}, 3, "names 2 classes, for which it has 1 or 2, its network gives 3"),
    ({"task": "multilabel", "classes": ["a"], "outputs": ["a", "b"]}, 3, "names 2 outputs, its network gives 3"),
    ({"mean": [0.5], "std": [0.5]}, 3, "takes 3 channels, and mean and std have 1 figure each"),
])
def test_what_does_not_go_with_the_card_is_one_sentence(tmp_path, card, outputs, text):
    with pytest.raises(ModelError, match=text) as caught:
        load_classifier(place(tmp_path, resnet18(outputs), "torchvision-resnet18", **card))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("outputs", [1, 2])
def test_binary_models_have_one_or_two_outputs(tmp_path, outputs):
    state = resnet18(outputs)
    model = load_classifier(place(tmp_path, state, "torchvision-resnet18", task="binary", classes=["no", "yes"]))
    found = by_hand(resnet, state, model.card)
    close(model.logits(IMAGES), found if outputs == 2 else torch.cat([torch.zeros(2, 1), found], 1))
    ours = build_network("resnet18", classes=outputs)
    model = load_classifier(place(tmp_path, ours.state_dict(), "resnet18", task="binary", classes=["no", "yes"]))
    assert model.logits(IMAGES).shape == (2, 2)


def test_probabilities_of_a_card_come_from_the_dense_layer(tmp_path):
    """A softmax has no weights: that the network ended with one is the card's word alone."""
    state = resnet18()
    model = load_classifier(place(tmp_path, state, "torchvision-resnet18", output="probabilities"))
    assert model.card.output == "logits"
    close(model.probabilities(IMAGES), by_hand(resnet, state, model.card).softmax(1))


@pytest.mark.parametrize(("state", "asked", "near"), [
    (resnet18, "torchvision-densenet121", "torchvision-resnet18, which they fit"),
    (densenet121, "resnet50", "torchvision-densenet121, which they fit"),
    (lambda: nets.DenseNet121(spatial_dims=2, in_channels=3, out_channels=3).state_dict(), "densenet121",
     "monai-densenet121, which they fit"),
    (lambda: nets.resnet18(spatial_dims=2, n_input_channels=3, num_classes=3).state_dict(), "resnet18",
     "monai-resnet18, which they fit"),
])
def test_the_nearest_layout_is_named(tmp_path, state, asked, near):
    with pytest.raises(ModelError, match=f"does not hold the weights of {asked}: .*; the nearest layout is {near}$"):
        load_classifier(place(tmp_path, state(), asked))


def test_missing_and_left_over_layers_are_named_and_counted(tmp_path):
    state = resnet18()
    path = place(tmp_path, {key: value for key, value in state.items() if not key.startswith("layer4.")} |
                 {"criterion.weight": torch.ones(3)}, "torchvision-resnet18")
    with pytest.raises(ModelError, match=r"layers 'layer4\.0\.conv1\.weight', 'layer4\.0\.bn1\.weight', "
                                         r"'layer4\.0\.bn1\.bias' and 22 more are missing and layer "
                                         r"'criterion\.weight' is left over$"):
        load_classifier(path)
    with pytest.raises(UnknownNameError, match="unknown architecture 'torchvision-resnet19'"):
        load_classifier(place(tmp_path, state, "torchvision-resnet19"))


@pytest.mark.parametrize("name", ["torchvision-densenet121", "monai-efficientnet-b0", *(
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("torchvision-resnet18", "monai-densenet121", "monai-seresnet50", "monai-resnet18"))])
def test_what_is_saved_is_loaded_again_and_shows_features(tmp_path, name):
    model = wrap(stirred(build_network(name, classes=3)), classes=NAMES, size=64, architecture=name)
    saved = save_classifier(model, tmp_path / "saved")
    again = load_classifier(tmp_path / "saved")
    assert torch.equal(again.logits(IMAGES), saved.logits(IMAGES)) or close(again.logits(IMAGES), model.logits(IMAGES))
    assert again.card.architecture == name
    features = again.features(IMAGES)
    sides = [int(maps.shape[-1]) for maps in features.maps]
    assert len(sides) == 3
    assert sides == sorted(sides, reverse=True)
    last = [part for part in again.module.modules() if isinstance(part, nn.Linear)][-1]
    close(last(features.embedding), features.logits)


class Renamed(nn.Module):
    """ResNet-18 of torchvision's layout as a stranger's class."""

    def __init__(self, ending=torch.relu):
        super().__init__()
        self.inner, self.ending = build_network("torchvision-resnet18", classes=3), ending

    def forward(self, inputs):
        inner = self.inner
        maps = inner.maxpool(inner.bn1(inner.conv1(inputs)).relu())
        pooled = inner.layer4(inner.layer3(inner.layer2(inner.layer1(maps)))).mean((2, 3))
        return inner.fc(self.ending(pooled))


def test_saving_names_the_network_that_the_weights_fit(tmp_path):
    module = Renamed()
    with pytest.raises(ModelError, match="'Renamed' is an unknown architecture; its weights fit torchvision-resnet18"
                                         ": state architecture='torchvision-resnet18' in its card"):
        save_classifier(wrap(module, classes=NAMES, size=64), tmp_path / "a")
    with pytest.raises(ModelError, match=r"cannot be saved as vgg: .*; its weights fit torchvision-resnet18"):
        save_classifier(wrap(module, classes=NAMES, size=64, architecture="vgg"), tmp_path / "b")
    assert not list(tmp_path.iterdir())
    save_classifier(wrap(module, classes=NAMES, size=64, architecture="resnet18"), tmp_path / "c")
    again = load_classifier(tmp_path / "c")
    assert again.card.architecture == "torchvision-resnet18"
    close(again.logits(IMAGES), wrap(module, classes=NAMES, size=64).logits(IMAGES))


def test_a_network_that_computes_otherwise_with_fitting_weights_is_not_saved(tmp_path):
    module = wrap(Renamed(lambda pooled: 3 * pooled), classes=NAMES, size=64, architecture="torchvision-resnet18")
    with pytest.raises(ModelError, match=r"answers otherwise \(probabilities differ by .*; export it with torch\.exp"):
        save_classifier(module, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ModelError, match="fit no network that is known by name"):
        save_classifier(wrap(nn.Sequential(nn.Flatten(), nn.Linear(3, 3)), classes=NAMES, size=1), tmp_path / "out")


def test_networks_of_other_layouts_are_not_trained(tmp_path):
    with pytest.raises(ValidationError, match=r"'monai-vit' is loaded from weights .* has no trunk and head to train"):
        TrainingPlan(architecture="monai-vit")
    check_trainable("resnet18")
    plan = TrainingPlan(architecture="resnet18", start="victim")
    victim = wrap(build_network("torchvision-resnet18", classes=3), classes=NAMES, size=64, architecture="resnet18")
    with pytest.raises(ModelError, match="cannot be trained: it has no trunk"):
        starting_network(plan, classes=3, victim=victim)
