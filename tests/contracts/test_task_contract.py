"""Every attack on every task with every goal that makes sense for it, and one decision in three forms."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attack_options import SMALL, STYLES
from radversary.attacks.base import Batch, run_attack
from radversary.attacks.goal import goal_from
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import PlanError
from radversary.core.seeds import generator
from radversary.core.types import UNKNOWN, Access
from radversary.imaging.intensity import quantise
from random_parts import TinyGuarded, smooth_images, write_microast, write_vgg

SMALL = {**SMALL, "style-transfer": {**STYLES, "generator": "fourier"},
         "equal-noise": {"like": {"name": "worst-style", "options": SMALL["worst-style"]}},
         "carlini-wagner": {"searches": 3, "steps": 10}, "zoo": {"queries": 100}, "boundary": {"queries": 100},
         "hopskipjump": {"queries": 100}, "simba": {"queries": 50, "steps": 20}}
GOALS = {"multiclass": ["untargeted", "targeted b", "hide b", "invent c"],
         "binary": ["untargeted", "targeted b", "hide", "invent"],
         "multilabel": ["untargeted", "untargeted a|c", "hide", "invent b", "hide a keep", "invent c keep"]}
CLASSES = {"multiclass": ("a", "b", "c"), "binary": ("a", "b"), "multilabel": ("a", "b", "c")}


@pytest.fixture(scope="module", autouse=True)
def _weights(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = write_vgg(tmp_path_factory.mktemp("weights"), layers=5).parent
        write_microast(folder)
        patch.setenv("RADVERSARY_WEIGHTS", str(folder))
        yield


class Linear(nn.Module):
    """A linear classifier of an 8 x 8 thumbnail, whose outputs the form below puts otherwise."""

    def __init__(self, outputs: int, form=lambda logits: logits) -> None:
        super().__init__()
        self.pool, self.form = nn.AdaptiveAvgPool2d(8), form
        self.dense = nn.Linear(3 * 64, outputs)
        with torch.no_grad():
            self.dense.weight.copy_(torch.randn(outputs, 192, generator=generator("task", outputs)))
            self.dense.bias.zero_()

    def forward(self, images):
        return self.form(self.dense(self.pool(images).flatten(1)))


def guarded(task, form=lambda logits: logits, outputs=None, **card):
    classes = CLASSES[task]
    made = wrap(Linear(outputs or len(classes), form), classes=classes, size=32, task=task, name="tiny", **card)
    return TinyGuarded(made.module, made.card)


def labels_for(task, count):
    if task == "multilabel":
        return torch.randint(-1, 2, (count, 3), generator=generator("labels"))
    return torch.arange(count) % len(CLASSES[task])


def attacked(attack, victim, batch, strength=0.3):
    (outcome,) = run_attack(attack, victim, batch, seed=1, step="task", strengths=[strength],
                            examples=batch)
    return outcome


def sensible(goal, victim, batch):
    return batch.only(goal_from(goal).applies(victim.card, batch.labels))


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS.names())
@pytest.mark.parametrize(("task", "goal"), [(task, goal) for task, goals in GOALS.items() for goal in goals])
def test_every_attack_takes_every_goal_of_every_task(name, task, goal):
    attack, victim = ATTACKS.create(name, goal=goal, **SMALL.get(name, {})), guarded(task)
    batch = sensible(goal, victim, Batch(quantise(smooth_images(12), 8), labels_for(task, 12), tuple("abcdefghijkl")))
    assert len(batch.images) > 1
    found = attacked(attack, victim, batch)
    assert 0 <= found.images.min() <= found.images.max() <= 1
    assert (found.success is None) == (attack.needs == Access.NONE)
    if found.success is not None:
        aims = goal_from(goal).aims(victim.card, batch.labels, victim.predict(batch.images))
        assert torch.equal(found.success, goal_from(goal).reached(victim.card, victim.predict(found.images), aims))


@pytest.mark.slow
@pytest.mark.parametrize(("task", "goal"), [(task, goal) for task, goals in GOALS.items() for goal in goals])
def test_a_strong_attack_reaches_every_goal(task, goal):
    victim = guarded(task)
    batch = sensible(goal, victim, Batch(smooth_images(30), labels_for(task, 30), tuple(map(str, range(30)))))
    found = attacked(ATTACKS.create("pgd", goal=goal, steps=40), victim, batch, strength=0.5)
    before = attacked(ATTACKS.create("pgd", goal=goal), victim, batch, strength=0.0)
    assert found.success.float().mean() > max(0.85, before.success.float().mean())


FORMS = {"one logit": ("binary", 1, {}), "two logits": ("binary", 1, {"form": lambda x: torch.cat([0 * x, x], 1)}),
         "a sigmoid": ("binary", 1, {"form": torch.sigmoid, "output": "probabilities"}),
         "a softmax": ("binary", 1, {"form": lambda x: torch.cat([0 * x, x], 1).softmax(1), "output": "probabilities"}),
         "one label of three": ("multilabel", 1, {"form": lambda x: torch.cat([0 * x - 5, x, 0 * x - 5], 1)})}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ATTACKS.names() if name not in ("identity", "noise")])
def test_one_decision_is_attacked_alike_in_every_form(name):
    """The single logit x, the logits (0, x), their probabilities, and one finding among others that stay unknown."""
    images, positive = quantise(smooth_images(12), 8), torch.arange(12) % 2
    found = {}
    for form, (task, outputs, options) in FORMS.items():
        victim = guarded(task, outputs=outputs, **options)
        labels = positive
        if task == "multilabel":
            labels = torch.full((12, 3), UNKNOWN)
            labels[:, 1] = positive
        attack = ATTACKS.create(name, **SMALL.get(name, {}))
        found[form] = attacked(attack, victim, Batch(images, labels, tuple(map(str, range(12)))), 0.1)
    first = found["one logit"]
    for form, outcome in found.items():
        assert (outcome.images - first.images).abs().max() <= (1.5 / 255 if "m" in form.split()[-1] else 0), form
        assert outcome.success is first.success is None or torch.equal(outcome.success, first.success), form


def by_hand(weight, image, label, epsilon, steps):
    """Sign steps along the gradient of one logit of one image, written without the library: d(x)/d(pixel) is known."""
    pooled = torch.nn.functional.adaptive_avg_pool2d
    slope = torch.autograd.functional.vjp(lambda at: pooled(((at.expand(1, 3, -1, -1) - MEAN) / STD), 8).flatten(1),
                                          image, weight)[1]
    direction = (-1.0 if label else 1.0) * slope.sign()
    at = image
    for _ in range(steps):
        at = (at + epsilon / steps * direction).clamp(0, 1)
    return at


MEAN = torch.tensor((0.485, 0.456, 0.406)).reshape(1, 3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).reshape(1, 3, 1, 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_single_logit_is_broken_as_an_independent_attack_breaks_it(form):
    """A gradient of the cross-entropy of one class alone is zero: a framework that takes it calls the model robust."""
    task, outputs, options = FORMS[form]
    victim, images = guarded(task, outputs=outputs, **options), quantise(smooth_images(12), 8)
    weight = victim.module.dense.weight
    positive = (victim.module.dense(victim.module.pool((images.expand(-1, 3, -1, -1) - MEAN) / STD).flatten(1))[:, 0]
                >= 0).long()
    labels = positive
    if task == "multilabel":
        labels = torch.full((12, 3), UNKNOWN)
        labels[:, 1] = positive
    batch = Batch(images, labels, tuple(map(str, range(12))))
    found = attacked(ATTACKS.create("i-fgsm", steps=5), victim, batch, strength=8 / 255)
    expected = torch.cat([quantise(by_hand(weight, image[None], int(label), 8 / 255, 5), 8)
                          for image, label in zip(images, positive, strict=True)])
    torch.testing.assert_close(found.images, expected, atol=1.01 / 255, rtol=0)
    scores = victim.module.dense(victim.module.pool((expected.expand(-1, 3, -1, -1) - MEAN) / STD).flatten(1))[:, 0]
    assert torch.equal(found.success, (scores >= 0) != positive.bool())
    assert found.success.sum() > 0


def test_a_goal_for_another_task_is_refused():
    batch = Batch(smooth_images(2), torch.tensor([0, 1]), ("a", "b"))
    with pytest.raises(PlanError, match="has no other findings to keep"):
        attacked(ATTACKS.create("pgd", goal="hide b keep"), guarded("binary"), batch)
