"""Pre-processing of one's own: exact, approximated or hidden from an attacker, as declared."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.registry import ATTACKS
from radversary.auditing.threat_model import white_box_view
from radversary.classifiers.probe import check_answers, check_gradients
from radversary.core.errors import AccessError, PlanError, TensorError, UnknownNameError
from radversary.core.types import Access
from radversary.defenses.preprocessing import Preprocessing, behind
from random_parts import smooth_images, tiny_classifier


def posterised(images):
    return (images * 15).round() / 15


def blurred(images):
    return F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)


def attacked(victim, name="pgd", **options):
    images = smooth_images(8)
    batch = Batch(images, victim.predict(images), tuple("abcdefgh"))
    (outcome,) = run_attack(ATTACKS.create(name, **options), victim, batch, seed=1, step="x", strengths=[8 / 255])
    return outcome


def gradient(victim, images):
    at = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad(white_box_view(victim).logits(at)[:, 0].sum(), at)
    return slope


def test_an_exact_step_has_its_own_gradient():
    victim, images = tiny_classifier(), smooth_images(2)
    found = behind(victim, Preprocessing(function=blurred, gradient="exact"))
    at = images.clone().requires_grad_()
    (expected,) = torch.autograd.grad(victim.logits(blurred(at))[:, 0].sum(), at)
    assert torch.equal(gradient(found, images), expected)
    assert torch.equal(found.logits(images), victim.logits(blurred(images)))


def test_a_step_without_a_gradient_is_passed_by_as_if_it_were_none():
    victim, images = tiny_classifier(), smooth_images(2)
    found = behind(victim, Preprocessing(function=posterised, gradient="identity"))
    at = posterised(images).requires_grad_()
    (expected,) = torch.autograd.grad(victim.logits(at)[:, 0].sum(), at)
    torch.testing.assert_close(gradient(found, images), expected)
    torch.testing.assert_close(found.logits(images), victim.logits(posterised(images)))
    check_gradients(found, "pgd")
    assert attacked(found).success.float().mean() > 0.5
    masked = behind(victim, Preprocessing(function=posterised, gradient="exact"))  # what hides its gradient is counted
    assert attacked(masked).cost.zero_gradients > 0


def test_a_hidden_step_leaves_scores_alone():
    found = behind(tiny_classifier(), Preprocessing(function=blurred),
                   Preprocessing(function=posterised, gradient="none"))
    assert found.access == Access.SCORES
    assert white_box_view(found).access == Access.SCORES
    with pytest.raises(AccessError, match="needs gradients but model 'tiny' gives only scores"):
        attacked(found)
    assert attacked(found, "worst-style", generator="fourier", k=2, count=2, style_size=32).success is not None


def test_a_model_that_gives_labels_alone_gives_no_scores_behind_a_step():
    victim = tiny_classifier()
    victim.access = Access.LABELS
    found = behind(victim, Preprocessing(function=posterised, gradient="none"))
    assert found.access == Access.LABELS
    images = smooth_images(3)
    assert torch.equal(found.answers(images).decisions, victim.decide(posterised(images)))


def test_it_is_a_victim_like_any_other():
    first = behind(tiny_classifier(), Preprocessing(function=blurred, gradient="exact"))
    check_answers(first)
    second = behind(tiny_classifier(), Preprocessing(function=posterised, gradient="exact"))
    assert len({first.fingerprint(), second.fingerprint(), tiny_classifier().fingerprint()}) == 3


@pytest.mark.parametrize(("function", "words"), [
    (lambda images: images[..., :-1], "must keep the shape"), (lambda images: images + 1, r"leaves \[0, 1\]"),
    (lambda images: None, "made NoneType of images")])
def test_what_breaks_the_images_is_one_sentence(function, words):
    with pytest.raises(TensorError, match=words):
        behind(tiny_classifier(), Preprocessing(function=function, name="mine")).logits(smooth_images(1))


def test_what_is_no_step_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'exact'"):
        Preprocessing(function=blurred, gradient="exakt")
    with pytest.raises(PlanError, match="a function of images, got int"):
        Preprocessing(function=3)
    with pytest.raises(PlanError, match="one step"):
        behind(tiny_classifier())
