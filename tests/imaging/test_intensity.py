"""Grey, grids, sizes and angles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from radversary.core.errors import InputError, TensorError
from radversary.imaging.intensity import levels, quantise, resize, rotate, to_grey


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_equal_channels_project_to_grey_bit_for_bit() -> None:
    grey = random_images(3, 1, 33, 17)
    assert to_grey(grey.expand(-1, 3, -1, -1)).equal(grey)
    assert to_grey(grey) is grey


def test_grey_is_the_luma_pillow_computes() -> None:
    codes = (random_images(1, 3, 32, 32) * 255).round()
    picture = Image.fromarray(codes[0].movedim(0, -1).numpy().astype(np.uint8)).convert("L")
    assert np.abs(to_grey(codes / 255)[0, 0].numpy() * 255 - np.asarray(picture)).max() <= 0.51


def test_grey_stays_in_range_and_has_a_gradient() -> None:
    images = random_images(2, 3, 64, 64).requires_grad_()
    grey = to_grey(images)
    assert 0.0 <= float(grey.detach().min()) <= float(grey.detach().max()) <= 1.0
    grey.sum().backward()
    assert images.grad is not None
    assert torch.allclose(images.grad[0, :, 0, 0], torch.tensor([0.299, 0.587, 0.114]))


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 2, 8, 8), (1, 4, 8, 8)])
def test_grey_refuses_other_channel_counts(shape: tuple[int, ...]) -> None:
    with pytest.raises(TensorError, match="shape"):
        to_grey(torch.zeros(shape))


@settings(deadline=None, max_examples=40)
@given(bits=st.integers(1, 16), seed=st.integers(0, 99))
def test_quantising_twice_is_quantising_once(bits: int, seed: int) -> None:
    images = random_images(1, 1, 16, 16, seed=seed)
    once = quantise(images, bits)
    assert quantise(once, bits).equal(once)
    assert float((once - images).abs().max()) <= 0.5 / (2**bits - 1) + 1e-6
    assert 0.0 <= float(once.min()) <= float(once.max()) <= 1.0


@pytest.mark.parametrize("bits", range(1, 17))
def test_every_code_is_on_the_grid(bits: int) -> None:
    grid = (torch.arange(2**bits, dtype=torch.float32) / (2**bits - 1)).reshape(1, 1, 1, -1)
    assert quantise(grid, bits).equal(grid)
    assert levels(bits).item() == 2**bits - 1


def test_each_image_may_have_a_depth_of_its_own() -> None:
    images = random_images(3, 1, 8, 8)
    mixed = quantise(images, torch.tensor([1, 8, 12]))
    for index, bits in enumerate((1, 8, 12)):
        assert mixed[index].equal(quantise(images[index:index + 1], bits)[0])


@pytest.mark.parametrize("bits", [0, 17, -1, torch.tensor([8, 0])])
def test_impossible_depths_are_refused(bits: int | torch.Tensor) -> None:
    with pytest.raises(InputError, match="1 to 16"):
        quantise(torch.zeros(2, 1, 4, 4), bits)


def test_depths_must_be_one_an_image() -> None:
    with pytest.raises(InputError, match="one an image"):
        quantise(torch.zeros(2, 1, 4, 4), torch.tensor([8, 8, 8]))


def test_shrinking_is_pillows_bilinear() -> None:
    images = random_images(1, 1, 97, 64)
    picture = Image.fromarray(images[0, 0].numpy()).resize((30, 41), Image.Resampling.BILINEAR)
    assert np.abs(resize(images, (41, 30))[0, 0].numpy() - np.asarray(picture)).max() < 1e-5


def test_resize_keeps_flat_images_and_equal_sizes() -> None:
    flat = torch.full((2, 3, 40, 30), 0.25)
    assert torch.allclose(resize(flat, 17), torch.full((2, 3, 17, 17), 0.25))
    assert resize(flat, (40, 30)) is flat
    with pytest.raises(InputError, match="at least 1"):
        resize(flat, 0)


def test_rotation_by_nothing_is_exact_and_per_image() -> None:
    images = random_images(2, 1, 20, 31)
    turned = rotate(images, torch.tensor([0.0, 10.0]))
    assert turned[0].equal(images[0])
    assert torch.allclose(turned[1], rotate(images[1:], torch.tensor([10.0]))[0])
    assert not torch.allclose(turned[1], images[1])


def test_quarter_turns_are_rot90() -> None:
    images = random_images(1, 1, 24, 24)
    assert torch.allclose(rotate(images, torch.tensor([90.0])), torch.rot90(images, 1, (-2, -1)), atol=1e-4)


@pytest.mark.parametrize("angle", [-30.0, 5.0, 15.0, 145.0])
def test_rotation_of_an_oblong_image_is_rigid(angle: float) -> None:
    image = torch.zeros(1, 1, 64, 40)
    image[..., 22:42, 14:26] = random_images(20, 12)
    expected = ndimage.rotate(image[0, 0].numpy(), angle, reshape=False, order=1, mode="nearest")
    assert np.abs(rotate(image, torch.tensor([angle]))[0, 0].numpy() - expected).max() < 1e-4


def test_rotation_needs_one_angle_an_image() -> None:
    with pytest.raises(InputError, match="one an image"):
        rotate(torch.zeros(2, 1, 4, 4), torch.tensor([1.0]))
