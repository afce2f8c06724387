from __future__ import annotations

import pytest
import torch
from tiny_denoising import make_denoiser_plan, make_victim, veiled
from torch import nn
from torch.nn import functional as F

from radversary.classifiers.networks import TRAINABLE, build_network
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import ModelError
from radversary.defenses.restorers.unet import unet
from radversary.training.denoiser.recipe import DenoiserRecipe, seen
from random_parts import random_restoration, smooth_images


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRAINABLE))
def test_what_is_seen_is_what_the_trunk_averages(name):
    network, inputs = build_network(name, classes=3).eval(), smooth_images(2, 64, channels=3)
    with torch.no_grad():
        maps, logits = seen(network, inputs)
        torch.testing.assert_close(maps.mean(dim=(2, 3)), network.trunk(inputs))
        torch.testing.assert_close(logits, network(inputs))
    assert min(maps.shape[-2:]) > 1
    assert not [hook for part in network.modules() for hook in (*part._forward_hooks, *part._forward_pre_hooks)]


def test_without_a_pooling_it_is_the_last_convolution():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 5, 3), nn.Flatten(), nn.LazyLinear(2))
    inputs = smooth_images(1, 8)
    maps, _ = seen(network, inputs)
    torch.testing.assert_close(maps, network[:3](inputs))
    with pytest.raises(ModelError, match="Sequential has no convolution"):
        seen(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), inputs)


def judged(network, **guidance):
    recipe = DenoiserRecipe(network, make_victim(), make_denoiser_plan(guidance=guidance))
    recipe.log_dict = lambda values, **_: recipe.__dict__.setdefault("logged", {}).update(values)
    batch = veiled(8, 1).pairs(range(8))
    return recipe, batch, recipe.judge(batch, "train")


@pytest.mark.parametrize("part", ["pixels", "features", "logits"])
def test_each_guide_reaches_the_denoiser_and_nothing_else(part):
    others = {"pixels": 0, "features": 0, "logits": 0}
    recipe, _, loss = judged(unet(width=2), **{**others, part: 1.0})
    before = {key: value.clone() for key, value in recipe.classifier.module.state_dict().items()}
    loss.backward()
    assert recipe.network.out.weight.grad.abs().max() > 0
    module = recipe.classifier.module
    assert not module.training
    assert all(weights.grad is None and not weights.requires_grad for weights in module.parameters())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(key.startswith("network.") for key in recipe.state_dict()), "checkpoints hold the denoiser alone"


def test_the_loss_is_the_weighted_sum_of_three_mean_errors():
    network = random_restoration().network
    recipe, (attacked, clean, labels), loss = judged(network, pixels=2.0, features=3.0, logits=0.5)
    denoised, victim = network(attacked), recipe.classifier
    used = denoised.clamp(0, 1)
    trunk = victim.module.trunk[:3]
    normalise = lambda images: (images.expand(-1, 3, -1, -1) - torch.tensor(victim.card.mean).reshape(3, 1, 1)  # noqa: E731
                                ) / torch.tensor(victim.card.std).reshape(3, 1, 1)
    expected = (2 * (denoised - clean).abs().mean()
                + 3 * (trunk(normalise(used)) - trunk(normalise(clean))).abs().mean()
                + 0.5 * F.l1_loss(victim.logits(used), victim.logits(clean)))
    torch.testing.assert_close(loss, expected)
    assert recipe.logged["train_accuracy"] == (victim.predict(used) == labels).float().mean()


def test_at_the_start_clean_images_cost_nothing():
    recipe, (_, clean, labels), _ = judged(unet(width=2))
    assert recipe.judge((clean, clean, labels), "val") == 0


def test_a_classifier_without_maps_cannot_guide():
    victim = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, 2)), classes=("a", "b"), size=16)
    recipe = DenoiserRecipe(unet(width=2), victim, make_denoiser_plan())
    with pytest.raises(ModelError, match="could guide a denoiser"):
        recipe.judge(veiled(8, 1).pairs(range(8)), "train")
