from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import torch

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.controls.noise import Noise
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import StorageError
from radversary.training.data import attacked_copies as copies_file
from radversary.training.data.attacked_copies import make_attacked_copies
from radversary.training.data.datasets import TrainingSet
from random_parts import smooth_images, tiny_classifier

COUNT = 7
NAMES = [f"film-{index}" for index in range(COUNT)]
ATTACK = StyleTransferAttack(generator="fourier", styles="train", count=3, style_size=32, opacity=0.6)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(copies_file, "BATCH", 3)


def entries(bits: int = 8) -> TrainingSet:
    codes = (smooth_images(COUNT) * (2**bits - 1)).round().numpy().astype(np.uint8 if bits == 8 else np.uint16)
    return TrainingSet(codes, np.arange(COUNT) % 2, degrees=np.linspace(-10, 10, COUNT), bits=bits)


def attacked_copies_of(path, training=None, attack=ATTACK, seed=1, copies=2):
    return make_attacked_copies(attack, tiny_classifier(), training or entries(), names=NAMES, copies=copies, seed=seed,
                                path=path / "attacked-copies.npy")


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_copy_is_the_attack_on_the_entry_as_the_network_sees_it(tmp_path, bits):
    training = entries(bits)
    attacked_copies = attacked_copies_of(tmp_path, training)
    assert (attacked_copies.shape, attacked_copies.dtype) == ((COUNT, 2, 1, 32, 32), training.images.dtype)
    images, labels = training.fetch([4])
    batch = Batch(images=images, labels=labels, image_ids=("film-4#4",), bits=bits)
    (outcome,) = run_attack(ATTACK, tiny_classifier(), batch, seed=1, step="twin 1", strengths=[0.6])
    found = torch.from_numpy(attacked_copies[4, 1].astype(np.float32)) / np.iinfo(attacked_copies.dtype).max
    torch.testing.assert_close(found, outcome.images[0], atol=1e-4, rtol=0)


def test_copies_differ_and_are_those_of_the_seed(tmp_path):
    first, second, third = (np.array(attacked_copies_of(tmp_path / name, attack=Noise(), seed=seed))
                            for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)
    assert (first[:, 0] != first[:, 1]).any((1, 2, 3)).all()


@pytest.mark.slow
def test_stopped_it_goes_on_after_the_last_whole_batch(tmp_path, monkeypatch):
    whole, real, calls = np.array(attacked_copies_of(tmp_path / "whole")), copies_file.attack_entries, []

    def stopping(*given, **options):
        calls.append(1)
        if len(calls) == 5:  # the shape, two copies of the first batch, one of the second
            raise KeyboardInterrupt
        return real(*given, **options)

    monkeypatch.setattr(copies_file, "attack_entries", stopping)
    with pytest.raises(KeyboardInterrupt):
        attacked_copies_of(tmp_path)
    calls.clear()
    monkeypatch.setattr(copies_file, "attack_entries", lambda *given, **options: calls.append(1) or real(
        *given, **options))
    assert np.array_equal(attacked_copies_of(tmp_path), whole)
    assert len(calls) == 1 + 2 * 2
    calls.clear()
    assert np.array_equal(attacked_copies_of(tmp_path), whole)
    assert len(calls) == 1


def test_another_attack_starts_anew(tmp_path):
    first = np.array(attacked_copies_of(tmp_path))
    assert not np.array_equal(attacked_copies_of(tmp_path, attack=Noise(deviation=0.2)), first)


def test_colour_styles_make_colour_copies(tmp_path):
    attack = StyleTransferAttack(generator="fourier", count=3, style_size=32, colour="rgb")
    assert attacked_copies_of(tmp_path, attack=attack).shape == (COUNT, 2, 3, 32, 32)


def test_a_full_disk_is_one_sentence_and_known_before_anything_is_attacked(tmp_path, monkeypatch):
    def full(*_given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match=r"attacked-copies\.npy: no space left on device"):
        attacked_copies_of(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert len(attacked_copies_of(tmp_path)) == COUNT


@pytest.mark.slow
@pytest.mark.parametrize(("name", "change"), [
    ("attacked-copies.json", lambda content: b"{"),
    ("attacked-copies.json", lambda content: content.replace(b'"done": 7', b'"done": -7')),
    ("attacked-copies.json", lambda content: content.replace(b'"done": 7', b'"done": 700')),
    ("attacked-copies.npy", lambda content: content[:-1]), ("attacked-copies.npy", lambda content: content[:20]),
    ("attacked-copies.npy", lambda content: content.replace(b"(7, 2", b"(9, 2"))])
def test_damaged_copies_are_made_anew(tmp_path, name, change):
    expected = np.array(attacked_copies_of(tmp_path))
    path = tmp_path / name
    assert change(path.read_bytes()) != path.read_bytes()
    path.write_bytes(change(path.read_bytes()))
    assert np.array_equal(attacked_copies_of(tmp_path), expected)


@pytest.mark.slow
def test_other_labels_and_another_card_beside_the_same_weights_start_anew(tmp_path):
    attack = PGD(epsilon=30 / 255, steps=2, goal="untargeted")
    ready, victim = entries(), tiny_classifier()
    turned = TrainingSet(ready.images, 1 - np.arange(COUNT) % 2, degrees=np.linspace(-10, 10, COUNT))
    card = victim.card.model_copy(update={"mean": (0.0,) * 3, "std": (9.0,) * 3})
    for folder, model, training in (("labels", victim, turned), ("card", TorchClassifier(victim.module, card), ready)):
        made = {name: np.array(make_attacked_copies(attack, one, held, names=NAMES, copies=1, seed=1,
                                                    path=tmp_path / folder / f"{name}.npy"))
                for name, one, held in (("copies", victim, ready), ("fresh", model, training))}
        again = make_attacked_copies(attack, model, training, names=NAMES, copies=1, seed=1,
                                     path=tmp_path / folder / "copies.npy")
        assert not np.array_equal(made["copies"], made["fresh"])
        assert np.array_equal(again, made["fresh"])
