from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import Access
from radversary.defenses.base import Stack
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from radversary.defenses.registry import TRANSFORMS
from radversary.defenses.shield import Shield
from random_parts import Flip, smooth_images, tiny_classifier

IMAGES = smooth_images(3)


def test_jpeg_equals_pillow():
    picture = Image.fromarray(np.uint8(np.round(IMAGES[0, 0].numpy() * 255)), "L")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    expected = torch.from_numpy(np.asarray(Image.open(file), dtype=np.float32) / 255)
    torch.testing.assert_close(JpegCompression(quality=40)(IMAGES)[0, 0], expected, atol=1e-6, rtol=0)


def test_worse_quality_changes_more():
    changes = [(JpegCompression(quality=quality)(IMAGES) - IMAGES).square().mean() for quality in (95, 75, 30, 5)]
    assert changes == sorted(changes)


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_a_quality_off_the_scale_is_refused(quality):
    with pytest.raises(PlanError, match=rf"1\.\.100, got {quality}"):
        TRANSFORMS.create("jpeg", quality=quality)


def test_a_misspelt_option_is_answered():
    with pytest.raises(UnknownNameError, match="did you mean 'quality'"):
        TRANSFORMS.create("jpeg", qualty=75)


def test_a_defended_classifier_reads_what_comes_through():
    victim = tiny_classifier()
    defended = Defended(victim, JpegCompression(quality=20))
    assert torch.equal(defended.logits(IMAGES), victim.logits(JpegCompression(quality=20)(IMAGES)))
    assert torch.equal(defended.predict(IMAGES), defended.scores(IMAGES).argmax(1))
    assert defended.card is victim.card


def test_access_is_that_of_what_an_attacker_sees():
    victim = tiny_classifier()
    assert Defended(victim, Flip()).access == Access.SCORES
    assert Defended(victim, Flip(), adaptive=True).access == Access.GRADIENTS
    victim.access = Access.LABELS
    assert Defended(victim, Flip()).access == Access.LABELS


def test_the_adaptive_victim_answers_as_the_real_one_with_the_approximation_s_gradient():
    victim, jpeg = tiny_classifier(), JpegCompression(quality=50)
    adaptive, images = Defended(victim, jpeg, adaptive=True), IMAGES.clone().requires_grad_()
    logits = adaptive.logits(images)
    torch.testing.assert_close(logits, Defended(victim, jpeg).logits(IMAGES), atol=0, rtol=0)
    torch.testing.assert_close(adaptive.scores(IMAGES), Defended(victim, jpeg).scores(IMAGES), atol=0, rtol=0)
    (slope,) = torch.autograd.grad(logits[:, 0].sum(), images)
    seen = jpeg(IMAGES).requires_grad_()
    (behind,) = torch.autograd.grad(victim.logits(seen)[:, 0].sum(), seen)
    at = IMAGES.clone().requires_grad_()
    (expected,) = torch.autograd.grad(jpeg.bpda(at), at, behind)
    torch.testing.assert_close(slope, expected)


def test_of_a_random_transform_the_adaptive_victim_sees_the_approximation():
    victim, shield = tiny_classifier(), Shield()
    adaptive = Defended(victim, shield, adaptive=True)
    torch.testing.assert_close(adaptive.logits(IMAGES), victim.logits(shield.bpda(IMAGES)))


def test_a_stack_goes_in_order_and_an_empty_one_is_the_identity():
    jpeg, flip = JpegCompression(quality=30), Flip()
    assert torch.equal(Stack((flip, jpeg))(IMAGES), jpeg(IMAGES.flip(-1)))
    assert torch.equal(Stack((flip, jpeg)).bpda(IMAGES), jpeg.bpda(IMAGES.flip(-1)))
    assert torch.equal(Stack(())(IMAGES), IMAGES)
    assert str(Stack((jpeg, flip))) == "JpegCompression(quality=30), then Flip()"
    assert str(Stack(())) == "nothing"


def test_defences_nest():
    victim = tiny_classifier()
    inner = Defended(victim, Flip())
    assert torch.equal(Defended(inner, Flip()).logits(IMAGES), victim.logits(IMAGES))
