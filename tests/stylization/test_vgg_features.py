from __future__ import annotations

import importlib.util

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from radversary.core.errors import MissingPartError, UnknownNameError
from radversary.stylization import features as features_file
from radversary.stylization.features import find_weights, gram, layer_names, load_vgg19
from random_parts import count_calls, smooth_images, vgg_state, write_vgg

DEEP = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def sequential(state: dict[str, torch.Tensor]) -> nn.Sequential:
    """torchvision's ``features`` with reflected borders, layer by layer from the published configuration."""
    layers: list[nn.Module] = []
    for width in (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512):
        if width == "M":
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            continue
        if f"features.{len(layers)}.weight" not in state:
            break
        weight = state[f"features.{len(layers)}.weight"]
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, padding_mode="reflect")
        convolution.load_state_dict({"weight": weight, "bias": state[f"features.{len(layers)}.bias"]})
        layers += [convolution, nn.ReLU()]
    return nn.Sequential(*layers).requires_grad_(False)


def by_hand(network: nn.Sequential, images: torch.Tensor) -> dict[str, torch.Tensor]:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    value, block, index, found = (images - mean.view(3, 1, 1)) / deviation.view(3, 1, 1), 1, 1, {}
    for layer in network:
        value = layer(value)
        if isinstance(layer, nn.ReLU):
            found[f"relu{block}_{index}"], index = value, index + 1
        if isinstance(layer, nn.MaxPool2d):
            block, index = block + 1, 1
    return found


@pytest.mark.parametrize("layers", [1, 5, 16])
@pytest.mark.parametrize("size", [32, 37])
def test_torchvision_layout_whole_or_cut(tmp_path, layers, size):
    vgg, images = load_vgg19(str(write_vgg(tmp_path, layers))), smooth_images(2, size, channels=3)
    expected = by_hand(sequential(vgg_state(layers)), images)
    assert vgg.layers == tuple(expected) == tuple(name.replace("conv", "relu") for name in layer_names()[:layers])
    for name, value in vgg(images, vgg.layers).items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-5)


def test_grey_images_are_repeated(tmp_path):
    vgg, grey = load_vgg19(str(write_vgg(tmp_path, 2))), smooth_images(1)
    assert torch.equal(vgg(grey, ("relu1_2",))["relu1_2"], vgg(grey.expand(-1, 3, -1, -1), ("relu1_2",))["relu1_2"])


@pytest.mark.parametrize(("wanted", "convolutions"), [(("relu1_1",), 1), (("relu2_1",), 3), (DEEP[:3], 5), (DEEP, 13)])
def test_layers_beyond_the_last_wanted_are_never_computed(tmp_path, monkeypatch, wanted, convolutions):
    vgg = load_vgg19(str(write_vgg(tmp_path)))
    counted, calls = count_calls(torch.nn.functional.conv2d)
    monkeypatch.setattr(features_file.functional, "conv2d", counted)
    assert set(vgg(smooth_images(1), wanted)) == set(wanted)
    assert len(calls) == convolutions


def test_no_weight_asks_for_a_gradient(tmp_path):
    vgg, images = load_vgg19(str(write_vgg(tmp_path, 5))), smooth_images(1).requires_grad_()
    vgg(images, ("relu3_1",))["relu3_1"].sum().backward()
    assert images.grad.abs().sum() > 0
    tensors = [tensor for pair in vgg.convolutions.values() for tensor in pair]
    assert not any(tensor.requires_grad or tensor.grad is not None for tensor in tensors)


def test_a_layer_the_weights_do_not_reach_is_answered_with_the_nearest(tmp_path):
    vgg = load_vgg19(str(write_vgg(tmp_path, 5)))
    with pytest.raises(UnknownNameError, match=r"VGG-19 layer in vgg19_imagenet.safetensors 'relu4_1'; did you mean"):
        vgg(smooth_images(1), ("relu1_1", "relu4_1"))


def test_where_weights_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("RADVERSARY_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingPartError, match=r"no VGG-19 weights found .* RADVERSARY_WEIGHTS .*'adain', 'fourier'"):
        find_weights()
    path = write_vgg(tmp_path, 2)
    assert find_weights() == path == find_weights(path.name) == find_weights(str(path))
    with pytest.raises(MissingPartError, match=r"mine\.safetensors"):
        find_weights("mine.safetensors")


def test_a_file_of_another_network_is_refused(tmp_path):
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(MissingPartError, match="neither torchvision's VGG-19 keys nor the distilled network's"):
        load_vgg19(str(tmp_path / "other.safetensors"))


def test_a_damaged_file_is_one_sentence(tmp_path):
    (tmp_path / "vgg.safetensors").write_bytes(b"no weights at all, only words")
    with pytest.raises(MissingPartError, match=r"vgg\.safetensors"):
        load_vgg19(str(tmp_path / "vgg.safetensors"))


def test_gram_against_a_loop():
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    for image, matrix in zip(features, gram(features), strict=True):
        expected = [[(a * b).sum() / 20 for b in image] for a in image]
        torch.testing.assert_close(matrix, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.shared
def test_the_real_cut_weights(weights):
    path = weights / "vgg19_norm_relu3_1.safetensors"
    images = smooth_images(1, 48, channels=3)
    vgg, expected = load_vgg19(str(path)), by_hand(sequential(load_file(path)), images)
    assert vgg.layers[-1] == "relu3_1"
    for name, value in vgg(images, vgg.layers).items():
        torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.shared
def test_the_real_distilled_weights_equal_their_reference(weights):
    specification = importlib.util.spec_from_file_location("reference_loaders", weights / "reference_loaders.py")
    reference = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(reference)
    path, images = weights / "vgg19_cd16x_wct.safetensors", smooth_images(2, 64, channels=3)
    expected = reference.cd16x_features(load_file(path), images)
    found = load_vgg19(str(path))(images, DEEP)
    for name in DEEP:
        torch.testing.assert_close(found[name], expected[name], atol=1e-4, rtol=1e-4)
    assert [found[name].shape[1] for name in DEEP] == [64, 128, 256, 512, 512]
