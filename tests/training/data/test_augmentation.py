from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from skimage.transform import rotate as turn

from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.training.data import augmix as augmix_file
from radversary.training.data.affine import Affine, warp
from radversary.training.data.augmentation import AUGMENTATIONS
from radversary.training.data.augmix import OPERATIONS, AugMix
from random_parts import smooth_images


def streams(count: int, seed: int = 1) -> Streams:
    return Streams.for_images([f"i{number}" for number in range(count)], seed=seed, step="augment")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_every_augmentation_keeps_the_contract(name, channels):
    augment, images = AUGMENTATIONS.create(name), smooth_images(5, channels=channels)
    before = images.clone()
    changed = augment(images, streams(5))
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert torch.equal(images, before)
    assert torch.equal(augment(images, streams(5)), changed)
    assert not torch.allclose(augment(images, streams(5, seed=2)), changed, atol=1e-2)
    for place in range(5):
        alone = augment(images[place:place + 1], streams(5)[place:place + 1])
        torch.testing.assert_close(alone[0], changed[place], atol=1e-6, rtol=0)


def test_warp_turns_as_scikit_image_and_shifts_by_a_share_of_the_side():
    smooth = np.outer(np.hanning(33), np.hanning(33) ** 2).astype(np.float32)
    image = torch.from_numpy(smooth)[None, None]
    np.testing.assert_allclose(warp(image, angle=torch.tensor([25.0]))[0, 0], turn(smooth, 25), atol=5e-3)
    images = smooth_images(2)
    torch.testing.assert_close(warp(images), images, atol=1e-4, rtol=0)
    shifted = warp(images, shift=torch.tensor([[0.25, 0.0], [0.0, -0.5]]))
    torch.testing.assert_close(shifted[0, :, :, 8:], images[0, :, :, :-8], atol=1e-4, rtol=0)
    torch.testing.assert_close(shifted[1, :, :16], images[1, :, 16:], atol=1e-4, rtol=0)
    larger = warp(images, scale=torch.tensor([2.0, 1.0]))
    assert larger[0].std() != pytest.approx(float(images[0].std()), abs=1e-3)


def test_affine_stays_within_its_angles(monkeypatch):
    images, found = smooth_images(200), {}
    monkeypatch.setattr("radversary.training.data.affine.warp", lambda images, **given: found.update(given) or images)
    Affine(degrees=5, scale=(0.8, 1.2))(images, streams(200))
    assert -5 <= found["angle"].min() < -4 < 4 < found["angle"].max() <= 5
    assert 0.8 <= found["scale"].min() < 0.85 < 1.15 < found["scale"].max() <= 1.2


@pytest.mark.parametrize(("name", "reference"), [
    ("solarize", lambda image: ImageOps.solarize(image, 128)),
    ("posterize", lambda image: ImageOps.posterize(image, 2)),
    ("autocontrast", ImageOps.autocontrast), ("equalize", ImageOps.equalize),
])
def test_operations_are_those_of_pillow(name, reference):
    pixels = (smooth_images(1)[0, 0] * 255).round().numpy().astype(np.uint8)
    found = OPERATIONS[name](torch.from_numpy(pixels)[None, None].float() / 255, torch.tensor([0.5]))[0, 0] * 255
    # Libraries differ in how they round a histogram's steps; an operation that is another one differs by far more.
    assert np.abs(found.numpy() - np.asarray(reference(Image.fromarray(pixels)), float)).mean() < 3


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.split()[0] in ("rotate", "shear", "translate")])
def test_geometry_follows_its_sign_and_strength(name):
    images = smooth_images(1)
    weak, strong, other = (OPERATIONS[name](images, torch.tensor([amount])) for amount in (0.1, 0.9, -0.9))
    assert (weak - images).abs().mean() < (strong - images).abs().mean()
    assert not torch.allclose(strong, other, atol=1e-2)


def test_augmix_mixes_chains_of_the_operations_it_drew(monkeypatch):
    """With operations that double, k of them in a chain give 2 ** k: the mix must lie between 1 and 2 ** depth."""
    images, calls = torch.full((300, 1, 2, 2), 0.1), []
    doubled = {"double": lambda images, amount: calls.append(amount) or images * 2}
    monkeypatch.setattr(augmix_file, "OPERATIONS", doubled)
    chains = AugMix().chains(images, streams(300))[:, :, 0, 0, 0] / 0.1
    assert chains.shape == (300, 3)
    assert chains.unique().tolist() == pytest.approx([2, 4, 8])
    assert all(float((chains == value).float().mean()) == pytest.approx(1 / 3, abs=0.06) for value in chains.unique())
    amounts = torch.cat(calls)
    assert 0.01 <= amounts.abs().min() < 0.02 < 0.29 < amounts.abs().max() <= 0.3
    assert (amounts < 0).float().mean() == pytest.approx(0.5, abs=0.05)
    mixed = AugMix()(images, streams(300)) / 0.1
    assert 1 <= mixed.min() < 1.3
    assert 4 < mixed.max() <= 8


@pytest.mark.parametrize(("name", "options", "error"), [
    ("affine", {"degrees": -1}, PlanError), ("affine", {"scale": [1.1, 0.9]}, PlanError),
    ("affine", {"scale": [0.0, 1.0]}, PlanError), ("augmix", {"width": 0}, PlanError),
    ("augmix", {"depth": 0}, PlanError), ("augmix", {"severity": 11}, PlanError), ("augmix", {"views": -1}, PlanError),
    ("augmix", {"strength": 1}, UnknownNameError), ("augmux", {}, UnknownNameError),
])
def test_refuses(name, options, error):
    with pytest.raises(error):
        AUGMENTATIONS.create(name, **options)
