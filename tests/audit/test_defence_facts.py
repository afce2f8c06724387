"""What a result says of its defences: facts of the parts themselves, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from radversary.auditing.plan import DefencePlan
from radversary.auditing.summarise.defences import followed_by, summary
from radversary.classifiers.base import Classifier
from radversary.defenses.base import Stack, Transform
from radversary.defenses.canonical import CanonicalInput
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from radversary.defenses.restoration import Restoration, Restore, RestorerCard, build_restorer, save_restoration
from radversary.defenses.shield import Shield
from random_parts import tiny_classifier


class Plain(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


class Draws(Transform):
    """Adds noise; its approximation draws anew."""

    random = True

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return self.bpda(images)

    def bpda(self, images: torch.Tensor) -> torch.Tensor:
        return (images + 0.01 * torch.rand(images.shape)).clamp(0, 1)


def made(label: str, *transforms: tuple[str, Transform], model: str = "victim") -> tuple[DefencePlan, Classifier]:
    plan = DefencePlan.model_validate({"label": label, "transforms": [name for name, _ in transforms], "model": model})
    victim = tiny_classifier(("a", "b"), 16, seed=0)
    return plan, Defended(victim, Stack(tuple(part for _, part in transforms))) if transforms else victim


def trained(architecture: str) -> Restoration:
    return Restoration(Plain(), RestorerCard(name="x", architecture=architecture))


@pytest.mark.slow
def test_trained_transforms_are_known_by_their_architecture(tmp_path: Path):
    plan, defended = made("y", ("jpeg", JpegCompression()), ("first", trained("unet")), ("second", trained("cyclegan")))
    found = summary(plan, defended, {})
    assert (found.model, found.transforms) == ("victim", ("jpeg", "first", "second"))
    assert (found.restorers, found.adversarial) == (("unet", "cyclegan"), None)
    assert found.description.startswith("JpegCompression(quality=75), then Restoration('x', unet")
    card = RestorerCard(name="x", architecture="unet", options={"width": 1})
    save_restoration(Restoration(build_restorer(card), card), tmp_path)
    assert summary(*made("y", ("restore", Restore(folder=tmp_path))), {}).restorers == ("unet",)


def test_words_in_a_label_are_no_fact():
    found = summary(*made("adversarial hgd cyclegan", ("jpeg", JpegCompression())), {})
    assert (found.restorers, found.adversarial) == ((), None)


def test_how_a_model_was_trained_is_told_by_who_trained_it():
    known = {"hardened": True, "victim": False}
    assert summary(*made("x", model="hardened"), known).adversarial is True
    assert summary(*made("x", ("jpeg", JpegCompression())), known).adversarial is False
    assert summary(*made("x", model="foreign"), known).adversarial is None


def test_transforms_that_a_model_was_trained_with_are_part_of_the_model():
    plan, victim = made("x", model="hardened")
    inside = Defended(victim, Stack((trained("unet"),)), inherent=True)
    found = summary(plan, inside, {})
    assert (found.transforms, found.restorers) == ((), ())


@pytest.mark.parametrize(("transforms", "said"), [
    ((JpegCompression(quality=75),), "BPDA"), ((CanonicalInput(),), "exact"),
    ((Shield(),), "BPDA and the mean of all draws"),
    ((CanonicalInput(), Draws()), "BPDA and EOT of 10 draws a step at least")])
def test_it_is_said_how_an_adaptive_attacker_follows_a_defence(transforms, said):
    victim = tiny_classifier()
    assert followed_by(Defended(victim, Stack(transforms))) == said
    assert followed_by(victim) == ""
