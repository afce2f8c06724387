from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_training import arrays

from radversary.core.errors import DataError, PlanError
from radversary.training.data.affine import Affine
from radversary.training.data.augmix import AugMix
from radversary.training.data.datasets import MixedTrainingSet, TrainingSet, to_unit
from radversary.training.data.views import AugmentedSet, TransformedSet, ViewedTrainingSet

IMAGES, LABELS = arrays(6, 1)
STREAM = np.random.default_rng(3)
BRIGHT = STREAM.integers(200, 256, (6, 2, 1, 16, 16)).astype(np.uint8)
DARK = STREAM.integers(0, 50, (6, 3, 1, 16, 16)).astype(np.uint8)


def viewed(**changes) -> ViewedTrainingSet:
    return ViewedTrainingSet(IMAGES, LABELS,
                             **{"attacked_copies": [BRIGHT, DARK], "views": 2, "opacity": (0.2, 0.9), **changes})


def test_the_first_view_is_the_clean_image_and_the_others_are_drawn_for_themselves():
    entries = viewed()
    views, labels = entries.fetch(range(6))
    clean, _ = TrainingSet(IMAGES, LABELS).fetch(range(6))
    assert views.shape == (6, 3, 1, 16, 16)
    assert torch.equal(views[:, 0], clean)
    assert torch.equal(labels, torch.from_numpy(LABELS))
    for entry in range(6):
        for view in range(2):
            opacity, family, copy = entries.draw(entry, view)
            attacked_copy = to_unit((BRIGHT, DARK)[family][entry, copy][None])[0]
            torch.testing.assert_close(views[entry, 1 + view], torch.lerp(clean[entry], attacked_copy, opacity))
    assert any(entries.draw(entry, 0) != entries.draw(entry, 1) for entry in range(6))


@pytest.mark.slow
def test_every_family_copy_and_opacity_is_drawn():
    entries, draws = viewed(), []
    for epoch in range(200):
        entries.set_epoch(epoch)
        draws += [entries.draw(entry, view) for entry in range(6) for view in range(2)]
    assert np.mean([draw.family for draw in draws]) == pytest.approx(0.5, abs=0.05)
    assert np.bincount([draw.copy for draw in draws if draw.family]) == pytest.approx([400] * 3, abs=90)
    assert np.mean([draw.opacity for draw in draws]) == pytest.approx(0.55, abs=0.02)
    assert min(draw.opacity for draw in draws) >= 0.2


def test_a_mix_of_families_takes_both():
    entries = MixedTrainingSet(IMAGES, LABELS, attacked_copies=[BRIGHT, DARK], share=1.0, opacity=(1.0, 1.0))
    seen = set()
    for epoch in range(10):
        entries.set_epoch(epoch)
        images, _ = entries.fetch(range(6))
        seen |= {float(image.mean()) > 0.5 for image in images}
    assert seen == {True, False}


def test_colour_in_one_family_makes_all_views_colour():
    assert viewed(attacked_copies=[BRIGHT, np.repeat(DARK, 3, axis=2)]).fetch([0])[0].shape == (1, 3, 3, 16, 16)


@pytest.mark.parametrize("make", [
    viewed,
    lambda: AugmentedSet(viewed(), Affine(), seed=1),
    lambda: AugmentedSet(TrainingSet(IMAGES, LABELS), AugMix(views=2), seed=1),
    lambda: TransformedSet(AugmentedSet(viewed(), AugMix(views=1), seed=1), lambda images: images.sqrt()),
], ids=["views", "affine", "augmix", "all"])
def test_what_comes_depends_on_seed_epoch_and_entry_alone(make):
    entries = make()
    entries.set_epoch(3)
    together, _ = entries.fetch([4, 1, 3])
    alone = torch.stack([entries[entry][0] for entry in (4, 1, 3)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    entries.set_epoch(4)
    assert not torch.allclose(entries.fetch([4, 1, 3])[0], together, atol=1e-3)
    entries.set_epoch(3)
    assert torch.equal(entries.fetch([4, 1, 3])[0], together)


def test_an_augmentation_without_views_changes_all_views_alike():
    plain, augmented = viewed(opacity=(0.0, 0.0)), AugmentedSet(viewed(opacity=(0.0, 0.0)), Affine(), seed=1)
    assert augmented.views == 2
    views, _ = augmented.fetch(range(6))
    assert torch.equal(views[:, 0], views[:, 1])
    assert not torch.allclose(views, plain.fetch(range(6))[0], atol=1e-2)


def test_an_augmentation_with_views_adds_them():
    entries = AugmentedSet(viewed(), AugMix(views=2), seed=1)
    views, labels = entries.fetch(range(6))
    assert entries.views == 4
    assert views.shape == (6, 5, 1, 16, 16)
    assert torch.equal(views[:, :3], viewed().fetch(range(6))[0])
    assert not torch.allclose(views[:, 3], views[:, 4], atol=1e-2)
    assert torch.equal(labels, entries.labels)
    alone = AugmentedSet(TrainingSet(IMAGES, LABELS), AugMix(), seed=1)
    assert (alone.views, alone.fetch(range(6))[0].ndim, len(alone)) == (0, 4, 6)


def test_transforms_see_every_view_and_keep_no_graph():
    weight = torch.tensor(0.5, requires_grad=True)
    views, _ = TransformedSet(viewed(), lambda images: images * weight).fetch(range(6))
    torch.testing.assert_close(views, viewed().fetch(range(6))[0] / 2)
    assert not views.requires_grad


@pytest.mark.parametrize(("changes", "error", "text"), [
    ({"views": 0}, PlanError, "views must be at least 1"), ({"attacked_copies": []}, DataError, "at least one attack"),
    ({"attacked_copies": [BRIGHT, DARK[:5]]}, DataError, r"attacked copies must have shape \(6"),
])
def test_refuses(changes, error, text):
    with pytest.raises(error, match=text):
        viewed(**changes)
