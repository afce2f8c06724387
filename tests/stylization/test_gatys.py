from __future__ import annotations

import pytest
import torch

from radversary.core.errors import PlanError, UnknownNameError
from radversary.stylization.features import Vgg19, gram, load_vgg19, read_vgg19
from radversary.stylization.gatys import relative_error, transfer
from radversary.stylization.generators import Gatys
from random_parts import smooth_images, write_vgg


@pytest.fixture
def vgg(tmp_path) -> Vgg19:
    return load_vgg19(str(write_vgg(tmp_path, layers=5)))


CONTENT, STYLE = smooth_images(3, channels=3), smooth_images(3, 24, channels=3, seed=8) ** 2


@pytest.mark.slow
def test_the_loss_of_each_image_falls(vgg):
    seen = []
    transfer(CONTENT, STYLE, vgg, steps=25, observe=lambda step, loss: seen.append((step, loss)))
    assert [step for step, _ in seen] == list(range(25))
    first, last = seen[0][1], seen[-1][1]
    assert first.shape == (3,)
    assert (last < 0.7 * first).all()


@pytest.mark.slow
def test_the_result_is_nearer_to_the_style_than_the_content_was(vgg):
    stylised = transfer(CONTENT, STYLE, vgg, steps=25)
    for layer in ("relu1_1", "relu2_1", "relu3_1"):
        target = gram(vgg(STYLE, (layer,))[layer])
        before, after = (relative_error(gram(vgg(x, (layer,))[layer]), target) for x in (CONTENT, stylised))
        assert (after < before).all()


def test_without_style_weight_the_content_stays(vgg):
    torch.testing.assert_close(transfer(CONTENT, STYLE, vgg, steps=5, style_weight=0.0), CONTENT, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_an_image_comes_out_the_same_alone_and_in_any_batch(vgg):
    together = transfer(CONTENT, STYLE, vgg, steps=10)
    alone = torch.cat([transfer(CONTENT[i:i + 1], STYLE[i:i + 1], vgg, steps=10) for i in range(3)])
    torch.testing.assert_close(alone, together, atol=1e-3, rtol=0)
    backwards = transfer(CONTENT.flip(0), STYLE.flip(0), vgg, steps=10).flip(0)
    torch.testing.assert_close(backwards, together, atol=1e-3, rtol=0)


def test_neither_images_nor_weights_keep_a_gradient(vgg):
    before = CONTENT.clone()
    stylised = transfer(CONTENT, STYLE, vgg, steps=2)
    assert not stylised.requires_grad
    assert torch.equal(CONTENT, before)
    assert all(tensor.grad is None for pair in vgg.convolutions.values() for tensor in pair)


def test_style_targets_are_computed_once(vgg, monkeypatch):
    calls = []
    original = Vgg19.__call__
    monkeypatch.setattr(Vgg19, "__call__", lambda self, images, wanted: calls.append(images.shape[-1]) or
                        original(self, images, wanted))
    transfer(CONTENT, STYLE, vgg, steps=4)
    assert calls.count(24) == 1
    assert len(calls) == 1 + 1 + 4


def test_grey_content_becomes_colour(vgg):
    assert transfer(smooth_images(1), STYLE[:1], vgg, steps=1).shape == (1, 3, 32, 32)


def test_layers_out_of_reach_are_answered(vgg):
    with pytest.raises(UnknownNameError, match="relu5_1"):
        transfer(CONTENT, STYLE, vgg, steps=1, style_layers=("relu5_1",))


def test_the_generator_loads_its_weights_once_and_refuses_nonsense(tmp_path):
    generator = Gatys(steps=1, vgg=str(write_vgg(tmp_path, 5)), style_layers=["relu1_1"])
    read_vgg19.cache_clear()
    first = generator.stylise(CONTENT, STYLE)
    assert torch.equal(generator.stylise(CONTENT, STYLE), first)
    assert (read_vgg19.cache_info().misses, read_vgg19.cache_info().hits) == (1, 1)
    with pytest.raises(PlanError, match="steps and style_weight ≥ 0"):
        Gatys(steps=-1)
