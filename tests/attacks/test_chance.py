"""Attacks that follow gradients against chance: outdone where gradients are masked, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.chance import applies, outdone, random_signs
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.types import Norm
from random_parts import smooth_images

SIZE, COUNT = 32, 12


class Masked(nn.Module):
    """A network whose answers are its own and whose gradients are not: none of its own, or turned around."""

    def __init__(self, inner: nn.Module, kind: str) -> None:
        super().__init__()
        self.inner, self.kind = inner, kind
        self.aside = nn.Linear(3 * SIZE**2, 2)

    def forward(self, inputs):
        if self.kind == "turned":
            answer = self.inner(inputs)
            return 2 * answer.detach() - answer
        with torch.no_grad():
            answer = self.inner(inputs)
        return answer + 1e-5 * self.aside(inputs.flatten(1))


def victim(kind: str) -> TorchClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        inner = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * 49, 2))
        network = inner if kind == "honest" else Masked(inner, kind)
    return wrap(network, classes=("a", "b"), size=SIZE, name=kind)


def batch_for(model: TorchClassifier) -> Batch:
    images = smooth_images(COUNT, SIZE, seed=5)
    return Batch(images=images, labels=model.predict(images), image_ids=tuple(map(str, range(COUNT))))


def share(kind: str, name: str, epsilon: float) -> float:
    model, attack = victim(kind), ATTACKS.create(name, epsilon=epsilon)
    batch = batch_for(model)
    (made,) = run_attack(attack, model, batch, seed=1, step="x", strengths=[epsilon])
    found = outdone(attack, model, batch, made.images, seed=1, step="x")
    assert found.shape == (COUNT,)
    assert not found[made.success].any()
    return float(found.mean())


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [1 / 255, 8 / 255])
@pytest.mark.parametrize("name", ["fgsm", "pgd", "mi-fgsm"])
def test_true_gradients_are_outdone_by_no_chance_and_masked_ones_are(name, epsilon):
    assert share("honest", name, epsilon) == 0
    for kind in ("turned", "aside"):
        assert share(kind, name, epsilon) > 0.6


def test_an_image_that_was_read_wrongly_before_does_not_count():
    model, attack = victim("turned"), ATTACKS.create("fgsm", epsilon=4 / 255)
    batch = batch_for(model)
    batch.labels[:3] = 1 - batch.labels[:3]
    found = outdone(attack, model, batch, batch.images, seed=1, step="x")
    assert found.isnan().tolist() == [True] * 3 + [False] * (COUNT - 3)


@pytest.mark.parametrize(("name", "options"), [("fgsm", {"epsilon": 0.0}), ("noise", {}), ("identity", {}),
                                               ("worst-style", {"generator": "fourier"}), ("style-code", {})])
def test_what_follows_no_gradient_or_keeps_no_bound_is_not_compared(name, options):
    model, attack = victim("honest"), ATTACKS.create(name, **options)
    assert not applies(attack)
    assert outdone(attack, model, batch_for(model), batch_for(model).images, seed=1, step="x") is None


@pytest.mark.parametrize(("colour", "channels"), [("grey", 1), ("rgb", 3)])
def test_random_changes_are_as_large_as_the_attack_s_and_do_not_depend_on_batch_mates(colour, channels):
    attack = ATTACKS.create("pgd", epsilon=8 / 255, colour=colour)
    batch = Batch(images=torch.full((3, 1, 16, 16), 0.5).mul(255).round().div(255), image_ids=("a", "b", "c"),
                  labels=torch.zeros(3, dtype=torch.int64))
    drawn = random_signs(attack, batch, seed=1, step="x")
    assert {image.shape for image in drawn} == {(3, channels, 16, 16)}
    for image in drawn:
        assert (image - batch.images).abs().flatten().tolist() == pytest.approx([8 / 255] * image.numel(), abs=1e-6)
    assert not torch.equal(drawn[0], drawn[1])
    alone = Batch(images=batch.images[1:2], labels=batch.labels[1:2], image_ids=("b",))
    for image, own in zip(drawn, random_signs(attack, alone, seed=1, step="x"), strict=True):
        assert torch.equal(image[1:2], own)
    assert attack.budget.norm == Norm.LINF
