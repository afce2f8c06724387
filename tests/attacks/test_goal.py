from __future__ import annotations

import sys

import pytest
import torch

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.goal import attack_loss, fooled, image_gradient, margin
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.seeds import Streams, generator
from radversary.core.types import Task
from random_parts import guarded_classifier, smooth_images, tiny_classifier

LOGITS = 4 * torch.randn(50, 5, generator=generator("goal"))
LABELS = torch.arange(50) % 5


@pytest.mark.parametrize("gap", [0.0, 15.0, 80.0, 1e6])
def test_of_two_classes_the_gradient_has_the_direction_of_the_cross_entropy_and_never_vanishes(gap):
    logits = torch.tensor([[gap, 0.0]], requires_grad=True)
    (found,) = torch.autograd.grad(attack_loss(logits, torch.tensor([0])).sum(), logits)
    assert found.tolist() == [[-1.0, 1.0]]


class Scaled(TorchClassifier):
    """The same decisions, said louder."""

    def __init__(self, victim: TorchClassifier, factor: float) -> None:
        super().__init__(victim.module, victim.card)
        self.factor = factor

    def logits(self, images):
        return self.factor * super().logits(images)


@pytest.mark.parametrize("factor", [100.0, 1000.0, 0.01])
@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_a_model_that_shouts_is_attacked_as_well_as_one_that_speaks(classes, factor):
    """Cross-entropy of logits x 100 has a gradient of exactly 0 on most images, and PGD would stand still."""
    victim, images = tiny_classifier(classes), smooth_images(16)
    labels = victim.predict(images)
    attack = PGD(epsilon=4 / 255, random_start=False)
    streams = [Streams.for_images([str(place) for place in range(16)], seed=1, step="scale") for _ in range(2)]
    plain = attack.perturb(victim, images, labels, streams[0])
    loud = attack.perturb(Scaled(victim, factor), images, labels, streams[1])
    assert fooled(victim.predict(plain), labels).any()
    assert torch.equal(victim.predict(loud), victim.predict(plain))
    assert (image_gradient(Scaled(victim, factor), images, labels).abs().amax((1, 2, 3)) > 0).all()


def test_the_loss_of_half_precision_logits_is_float32():
    assert attack_loss(LOGITS.half(), LABELS).dtype == torch.float32


def test_the_margin_is_that_of_a_loop():
    for logits, label, found in zip(LOGITS.tolist(), LABELS.tolist(), margin(LOGITS, LABELS).tolist(), strict=True):
        best = max(score for place, score in enumerate(logits) if place != label)
        assert found == pytest.approx(best - logits[label], abs=1e-5)
    assert torch.equal(attack_loss(LOGITS, LABELS), margin(LOGITS, LABELS))


def test_fooled_is_a_margin_above_zero():
    found = fooled(LOGITS.argmax(1), LABELS)
    assert torch.equal(found, margin(LOGITS, LABELS) > 0)
    assert 0 < found.sum() < 50



STYLES = {"generator": "fourier", "count": 3, "style_size": 32, "k": 2}


@pytest.mark.parametrize(("name", "options"), [
    ("pgd", {"steps": 2}), ("di-fgsm", {"steps": 2}), ("style-code", {"count": 3, "style_size": 32, "steps": 1}),
    ("worst-style", STYLES), ("evasive-style", STYLES), ("evasive-pgd", {"steps": 2})])
def test_what_an_attack_wants_is_asked_of_the_card(name, options, monkeypatch):
    """An attack that climbs a loss of its own, or a classifier that decides by itself, does not meet the task."""
    attack, victim, asked = ATTACKS.create(name, **options), guarded_classifier(), []
    victim.card = victim.card.model_copy(update={"task": "the task of the card"})
    for module in [module for place, module in sys.modules.items() if place.startswith("radversary.")]:
        for asking in ("goal_of", "decisions_of", "probabilities_of"):
            if (real := vars(module).get(asking)) is not None:
                monkeypatch.setattr(module, asking, lambda *given, real=real: asked.append((real.__name__, given[-1]))
                                    or real(*given[:-1], Task.MULTICLASS))
    batch = Batch(smooth_images(2), torch.tensor([0, 1]), ("a", "b"))
    assert len(list(run_attack(attack, victim, batch, seed=1, step="x", strengths=[0.3]))) == 1
    assert {task for _, task in asked} == {"the task of the card"}
    assert {"goal_of", "decisions_of"} <= {asking for asking, _ in asked}
    assert len([asking for asking, _ in asked if asking == "goal_of"]) > 1  # to search, and to say whether it succeeded


def test_the_gradient_is_that_of_finite_differences():
    victim, image = tiny_classifier(size=8), smooth_images(1, 8)
    label = torch.tensor([1])
    found = image_gradient(victim, image, label)
    for row, column in ((0, 0), (3, 5), (7, 7)):
        step = torch.zeros_like(image)
        step[0, 0, row, column] = 1e-2
        high, low = (attack_loss(victim.logits(image + sign * step), label).item() for sign in (1, -1))
        assert found[0, 0, row, column].item() == pytest.approx((high - low) / 2e-2, rel=0.02, abs=2e-4)


def test_an_image_has_the_same_gradient_alone_and_among_others():
    victim, images, labels = tiny_classifier(), smooth_images(4), torch.tensor([0, 1, 2, 0])
    together = image_gradient(victim, images, labels)
    for place in range(4):
        alone = image_gradient(victim, images[place:place + 1], labels[place:place + 1])
        torch.testing.assert_close(together[place:place + 1], alone, atol=1e-6, rtol=1e-4)


def test_it_works_where_gradients_are_switched_off_and_leaves_no_trace():
    victim, images, labels = tiny_classifier(), smooth_images(2), torch.tensor([0, 1])
    with torch.no_grad():
        gradient = image_gradient(victim, images, labels)
    assert gradient.abs().max() > 0
    assert not gradient.requires_grad
    assert not images.requires_grad
    assert all(weight.grad is None and not weight.requires_grad for weight in victim.module.parameters())
