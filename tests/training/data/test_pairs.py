from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from radversary.training.data.datasets import TrainingSet
from radversary.training.data.paired import PairedTrainingSet

STREAM = np.random.default_rng(0)
IMAGES = STREAM.integers(0, 256, (5, 1, 12, 12)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1])
ROWS, DEGREES = np.array([4, 0, 0, 3]), np.array([0.0, 5.0, 0.0, 0.0])
FAMILIES = [STREAM.integers(0, 256, (4, copies, channels, 12, 12)).astype(np.uint8)
            for copies, channels in ((3, 1), (2, 3))]
LUMA = np.array([0.299, 0.587, 0.114]).reshape(3, 1, 1)


def paired(**changes):
    return PairedTrainingSet(IMAGES, LABELS, ROWS, DEGREES,
                             **{"attacked_copies": FAMILIES, "share": 1.0, "opacity": (0.2, 0.9), **changes})


def test_a_pair_is_the_blend_that_was_drawn_and_the_turned_image_behind_it():
    entries, behind = paired(), TrainingSet(IMAGES, LABELS, ROWS, DEGREES)
    families = set()
    for epoch in range(12):
        entries.set_epoch(epoch)
        for entry in range(4):
            attacked, clean, label = entries[entry]
            expected, expected_label = behind[entry]
            opacity, family, copy = entries.draw(entry)
            attacked_copy = FAMILIES[family][entry, copy] / 255
            grey = attacked_copy if len(attacked_copy) == 1 else (LUMA * attacked_copy).sum(axis=0, keepdims=True)
            assert torch.equal(clean, expected)
            np.testing.assert_allclose(attacked, (1 - opacity) * expected.numpy() + opacity * grey, atol=1e-6)
            assert (label, 0.2 <= opacity <= 0.9) == (expected_label, True)
            families.add(family)
    assert families == {0, 1}


def test_a_pair_depends_on_seed_epoch_and_entry_alone():
    entries = paired(seed=3)
    entries.set_epoch(2)
    together = next(iter(DataLoader(entries, batch_size=4)))
    assert [part.shape for part in together] == [(4, 1, 12, 12), (4, 1, 12, 12), (4,)]
    alone = [entries[entry] for entry in (2, 0, 3, 1)]
    for place, entry in enumerate((2, 0, 3, 1)):
        assert all(torch.equal(part[entry], own) for part, own in zip(together, alone[place], strict=True))
    for other in (paired(seed=4), paired(seed=3)):
        assert not torch.equal(other.pairs(range(4))[0], together[0]), "another seed, or epoch 0"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_entries_that_are_not_attacked_are_the_same_twice(share):
    entries, same = paired(share=share), []
    for epoch in range(200):
        entries.set_epoch(epoch)
        attacked, clean, _ = entries.pairs(range(4))
        same += [torch.equal(one, two) for one, two in zip(attacked, clean, strict=True)]
    assert np.mean(same) == pytest.approx(1 - share, abs=0.08)
