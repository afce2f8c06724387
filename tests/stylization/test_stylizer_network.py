from __future__ import annotations

import pytest
import torch
from safetensors import safe_open

from radversary.stylization.bank import procedural_bank
from radversary.stylization.features import gram, load_vgg19
from radversary.stylization.gatys import relative_error
from radversary.stylization.network import CODE, WEIGHTS, Stylizer, shipped_stylizer
from random_parts import smooth_images, write_vgg


def test_the_shipped_weights_are_small_whole_and_frozen():
    assert WEIGHTS.stat().st_size <= 3_000_000
    with safe_open(WEIGHTS, "pt") as file:
        assert set(file.keys()) == set(Stylizer().state_dict())
    network = shipped_stylizer()
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    assert all(torch.isfinite(weight).all() for weight in network.parameters())
    assert shipped_stylizer() is network
    elsewhere = shipped_stylizer("meta")  # the device that every machine has beside its processor
    assert {weight.device.type for weight in elsewhere.state_dict().values()} == {"meta"}
    assert shipped_stylizer(torch.device("meta")) is elsewhere
    assert {weight.device.type for weight in network.state_dict().values()} == {"cpu"}


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (33, 18), (50, 47)])
def test_any_size_from_sixteen(size):
    network = shipped_stylizer()
    images, styles = torch.rand(2, 3, *size), torch.rand(2, 3, *size[::-1])
    with torch.no_grad():
        code = network.style(styles)
        drawn = network(images, code)
    assert code.shape == (2, CODE)
    assert drawn.shape == images.shape
    assert 0 <= drawn.min() <= drawn.max() <= 1


def test_images_do_not_see_each_other():
    network, images = shipped_stylizer(), smooth_images(3, 30, channels=3)
    with torch.no_grad():
        code = network.style(images.flip(0))
        torch.testing.assert_close(network(images[1:2], code[1:2]), network(images, code)[1:2], atol=1e-5, rtol=0)


@pytest.mark.slow
def test_unseen_styles_are_taken_on_and_contents_stay_apart(tmp_path):
    network, vgg = shipped_stylizer(), load_vgg19(str(write_vgg(tmp_path, 5)))
    content, styles = smooth_images(6, 64, channels=1).expand(-1, 3, -1, -1), procedural_bank("test", count=6, size=64)
    with torch.no_grad():
        drawn = network(content, network.style(styles.images))
    nearer = []
    for layer in ("relu1_1", "relu2_1", "relu3_1"):
        target = gram(vgg(styles.images, (layer,))[layer])
        before, after = (relative_error(gram(vgg(x, (layer,))[layer]), target) for x in (content, drawn))
        nearer.append(after < before)
    assert torch.stack(nearer).float().mean() >= 0.8
    assert torch.pdist(drawn.flatten(1)).min() > 1


def test_gradients_reach_the_content_through_the_shipped_network():
    images = smooth_images(1, 20, channels=3).requires_grad_()
    network = shipped_stylizer()
    network(images, network.style(images.detach())).sum().backward()
    assert images.grad.abs().sum() > 0
