from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import rotate as turn
from torch.utils.data import DataLoader

from radversary.core.errors import DataError, PlanError
from radversary.training.data.datasets import MixedTrainingSet, TrainingSet, to_unit

STREAM = np.random.default_rng(0)
IMAGES = STREAM.integers(0, 256, (6, 1, 12, 12)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])
ROWS = np.array([5, 0, 0, 3])
ATTACKED_COPIES = STREAM.integers(0, 256, (4, 3, 1, 12, 12)).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_code_comes_back(dtype):
    top = np.iinfo(dtype).max
    codes = np.linspace(0, top, 256).round().astype(dtype).reshape(1, 1, 16, 16)
    unit = to_unit(codes)
    assert unit.dtype == torch.float32
    assert (unit.min(), unit.max()) == (0, 1)
    np.testing.assert_array_equal((unit.numpy() * top).round(), codes)


def test_entries_are_rows_with_their_labels():
    entries = TrainingSet(IMAGES, LABELS, ROWS)
    assert entries.labels.tolist() == [2, 0, 0, 0]
    for entry, row in enumerate(ROWS):
        image, label = entries[entry]
        np.testing.assert_allclose(image.numpy(), IMAGES[row] / 255, atol=1e-7)
        assert label == LABELS[row]


def test_turns_counter_clockwise_as_scikit_image():
    smooth = np.outer(np.hanning(33), np.hanning(33) ** 2)
    stored = (smooth * 255).round().astype(np.uint8)[None, None]
    image, _ = TrainingSet(stored, [0], degrees=[25.0])[0]
    np.testing.assert_allclose(image[0], turn(stored[0, 0] / 255, 25, order=1), atol=5e-3)


def test_loader_batches_equal_single_entries():
    entries = TrainingSet(IMAGES, LABELS, ROWS, np.array([0, 0, 5.0, -5.0]))
    images, labels = next(iter(DataLoader(entries, batch_size=4)))
    assert torch.equal(images, torch.stack([entries[index][0] for index in range(4)]))
    assert torch.equal(labels, entries.labels)


def test_reads_a_memory_map_without_changing_it(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    images, _ = TrainingSet(mapped, LABELS, degrees=np.full(6, 5.0)).fetch([0, 1])
    assert images.shape == (2, 1, 12, 12)
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), IMAGES)


def mixed(**changes):
    return MixedTrainingSet(IMAGES, LABELS, ROWS, **{"attacked_copies": ATTACKED_COPIES, **changes})


@settings(max_examples=25, deadline=None)
@given(epoch=st.integers(0, 50), order=st.permutations(range(4)), seed=st.integers(0, 2**31))
def test_mix_depends_on_seed_epoch_and_entry_alone(epoch, order, seed):
    entries = mixed(seed=seed, opacity=(0.2, 0.9))
    entries.set_epoch(epoch)
    together, _ = entries.fetch(order)
    alone = torch.stack([entries[entry][0] for entry in order])
    assert torch.equal(together, alone)


def test_mix_is_the_blend_that_was_drawn():
    entries = mixed(share=1.0, opacity=(0.2, 0.9))
    for epoch in range(5):
        entries.set_epoch(epoch)
        for entry, row in enumerate(ROWS):
            opacity, _, attacked_copy = entries.draw(entry)
            assert 0.2 <= opacity <= 0.9
            expected = (1 - opacity) * IMAGES[row] / 255 + opacity * ATTACKED_COPIES[entry, attacked_copy] / 255
            np.testing.assert_allclose(entries[entry][0], expected, atol=1e-6)


def test_share_opacity_and_copies_are_drawn_as_asked():
    entries = mixed(share=0.3, opacity=(0.5, 1.0))
    draws = []
    for epoch in range(500):
        entries.set_epoch(epoch)
        draws += [entries.draw(entry) for entry in range(4)]
    opacity = np.array([draw[0] for draw in draws])
    assert np.mean(opacity > 0) == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 2000))
    assert opacity[opacity > 0].mean() == pytest.approx(0.75, abs=0.03)
    assert np.bincount([draw.copy for draw in draws]) / 2000 == pytest.approx([1 / 3] * 3, abs=0.05)


def test_no_share_is_the_clean_set_and_full_opacity_the_attacked_copies():
    clean, _ = TrainingSet(IMAGES, LABELS, ROWS).fetch(range(4))
    assert torch.equal(mixed(share=0.0).fetch(range(4))[0], clean)
    entries = mixed(share=1.0, opacity=(1.0, 1.0))
    for entry in range(4):
        assert torch.equal(entries[entry][0], to_unit(ATTACKED_COPIES[entry, entries.draw(entry).copy][None])[0])


def test_colour_copies_make_every_image_colour():
    attacked_copies = np.repeat(ATTACKED_COPIES, 3, axis=2)
    images, _ = mixed(attacked_copies=attacked_copies, share=0.5).fetch(range(4))
    assert images.shape == (4, 3, 12, 12)


@pytest.mark.parametrize(("arguments", "text"), [
    ((IMAGES.astype(np.float32), LABELS), "uint8 or uint16"),
    ((IMAGES, LABELS[:5]), "6 images have 5 labels"),
    ((IMAGES, LABELS, [6]), "rows must lie in 0 to 5"),
    ((IMAGES, LABELS, [-1]), "rows must lie in 0 to 5"),
    ((IMAGES, LABELS, []), "at least one image"),
    ((IMAGES, LABELS, [1], [0.0, 1.0]), "1 rows have 2 angles"),
    ((IMAGES, LABELS - 1), "class indices from 0"),
])
def test_refuses(arguments, text):
    with pytest.raises(DataError, match=text):
        TrainingSet(*arguments)[0]


@pytest.mark.parametrize(("changes", "error"), [
    ({"attacked_copies": ATTACKED_COPIES[:3]}, DataError), ({"attacked_copies": ATTACKED_COPIES[:, :0]}, DataError),
    ({"attacked_copies": ATTACKED_COPIES[0]}, DataError),
    ({"attacked_copies": ATTACKED_COPIES[..., :8]}, DataError), ({"share": 1.5}, PlanError),
    ({"opacity": (0.9, 0.1)}, PlanError),
])
def test_refuses_a_mix(changes, error):
    with pytest.raises(error):
        mixed(**changes)
