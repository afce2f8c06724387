"""Features come near those of the nearest guide that is read as wanted; without one it is evasive-pgd."""

from __future__ import annotations

import pytest
import torch

from radversary.attacks.batch import Batch
from radversary.attacks.evasive.matching import EvasiveFeatures, distance, parts_of
from radversary.attacks.evasive.pgd import EvasivePGD
from radversary.attacks.learning import taught
from radversary.core.errors import AccessError, PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Access
from radversary.imaging.intensity import quantise
from random_parts import guarded_classifier, smooth_images

IMAGES = quantise(smooth_images(4, seed=3), 8)
NAMES = [f"image-{place}" for place in range(4)]


def examples(count=12, seed=5):
    images = quantise(smooth_images(count, seed=seed), 8)
    return Batch(images, torch.zeros(count, dtype=torch.int64), tuple(f"other-{place}" for place in range(count)))


def attacked(attack, victim, labels):
    return attack.perturb(victim, IMAGES, labels, Streams.for_images(NAMES, seed=1, step="features"))


def ready(victim, batch, **options):
    return taught(EvasiveFeatures(**options), victim, batch, [1.0], seed=1, step="features")[0]


def test_features_come_nearer_to_the_nearest_guide_that_is_read_otherwise():
    victim, others = guarded_classifier(), examples()
    labels, read = victim.predict(IMAGES), victim.predict(others.images)
    assert len(read.unique()) > 1
    found = attacked(ready(victim, others, epsilon=0.3, steps=20), victim, labels)
    own, after = (parts_of(victim.features(images)) for images in (IMAGES, found))
    guides = parts_of(victim.features(others.images))
    for place, label in enumerate(labels):
        fitting = torch.nonzero(read != label)[:, 0]
        nearest = fitting[(guides[0][fitting] - own[0][place]).square().sum(1).argmin()]
        wanted = [part[nearest:nearest + 1] for part in guides]
        before = distance([part[place:place + 1] for part in own], wanted)
        assert distance([part[place:place + 1] for part in after], wanted) < 0.8 * before


def test_without_a_guide_that_is_read_as_wanted_it_is_evasive_pgd():
    victim = guarded_classifier()
    labels = victim.predict(IMAGES)
    same = examples().only(victim.predict(examples().images) == labels[0])
    assert len(same.images)
    rows = labels == labels[0]
    found = attacked(ready(victim, same, steps=5), victim, labels)
    assert torch.equal(found[rows], attacked(EvasivePGD(steps=5), victim, labels)[rows])


def test_what_it_needs_is_said_in_a_sentence():
    victim = guarded_classifier()
    with pytest.raises(PlanError, match="has looked at no guide"):
        attacked(EvasiveFeatures(), victim, victim.predict(IMAGES))
    with pytest.raises(PlanError, match="needs at least 1 example, got 0"):
        EvasiveFeatures(examples=0)
    victim.access = Access.SCORES
    with pytest.raises(AccessError, match="attack EvasiveFeatures needs gradients"):
        ready(victim, examples())
