"""JPEG and PNG against Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from radversary.core.errors import InputError, TensorError, UnreadableImageError
from radversary.imaging.codec import to_picture
from radversary.imaging.intensity import quantise
from radversary.imaging.jpeg import differentiable_jpeg, jpeg
from radversary.imaging.png import decode_png, encode_png, png_round_trip


def smooth(*shape: int) -> torch.Tensor:
    blurred = ndimage.gaussian_filter(np.random.default_rng(0).random(shape), (0, 0, 3, 3))
    return quantise(torch.from_numpy((blurred - blurred.min()) / (blurred.max() - blurred.min())).float(), 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(channels: int) -> None:
    images = smooth(2, channels, 37, 50)
    codes = (images[1] * 255).round().movedim(0, -1).numpy().astype(np.uint8).squeeze()
    file = io.BytesIO()
    Image.fromarray(codes).save(file, format="JPEG", quality=60)
    expected = np.asarray(Image.open(file), dtype=np.float32) / 255
    found = jpeg(images, quality=60)
    assert found.shape == images.shape
    assert np.array_equal(found[1].movedim(0, -1).numpy().squeeze(), expected)
    assert quantise(found, 8).equal(found)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [50, 75, 95])
def test_the_differentiable_codec_is_close_to_the_real_one(channels: int, quality: int) -> None:
    images = smooth(2, channels, 45, 50)
    real, close = jpeg(images, quality=quality), differentiable_jpeg(images, quality=quality)
    assert close.shape == images.shape
    assert 0.0 <= float(close.min()) <= float(close.max()) <= 1.0
    assert float((real - close).abs().mean()) < 1.6 / 255
    assert float((real - close).abs().mean()) < float((real - images).abs().mean())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gradient_flows_through_the_differentiable_codec(channels: int) -> None:
    images = smooth(1, channels, 20, 24).requires_grad_()
    differentiable_jpeg(images, quality=75).square().sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert float((images.grad != 0).float().mean()) > 0.5


@pytest.mark.parametrize("codec", [jpeg, differentiable_jpeg])
@pytest.mark.parametrize("quality", [0, 101])
def test_impossible_qualities_are_refused(codec, quality: int) -> None:
    with pytest.raises(InputError, match="1 to 100"):
        codec(torch.zeros(1, 1, 16, 16), quality=quality)


def test_jpeg_leaves_its_input_alone_and_takes_no_image() -> None:
    images = smooth(1, 1, 16, 16)
    before = images.clone()
    jpeg(images)
    assert images.equal(before)
    assert jpeg(images[:0]).shape == (0, 1, 16, 16)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(bits=st.integers(1, 16), height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 999))
def test_grey_on_its_grid_survives_any_depth_bit_for_bit(bits: int, height: int, width: int, seed: int) -> None:
    images = quantise(torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(seed)), bits)
    assert png_round_trip(images, bits).equal(images)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_every_code_survives(bits: int) -> None:
    grid = (torch.arange(2**bits, dtype=torch.float32) / (2**bits - 1)).reshape(1, 1, -1, 16)
    assert png_round_trip(grid, torch.tensor([bits])).equal(grid)


def test_colour_of_8_bits_and_mixed_depths_survive() -> None:
    colour = quantise(torch.rand(2, 3, 7, 5), 8)
    assert png_round_trip(colour, [8, 8]).equal(colour)
    mixed = quantise(torch.rand(3, 1, 7, 5), torch.tensor([8, 10, 16]))
    assert png_round_trip(mixed, [8, 10, 16]).equal(mixed)
    assert png_round_trip(mixed[:0], []).shape == (0, 1, 7, 5)


def test_off_the_grid_the_round_trip_is_rounding() -> None:
    images = torch.rand(2, 1, 8, 8)
    assert png_round_trip(images, 8).equal(quantise(images, 8))


def test_16_bit_files_hold_16_bits_for_other_readers() -> None:
    image = quantise(torch.rand(1, 6, 6), 16)
    picture = Image.open(io.BytesIO(encode_png(image, bits=16)))
    assert np.array_equal(np.asarray(picture), (image[0] * 65535).round().numpy())


def test_what_cannot_be_stored_is_refused() -> None:
    with pytest.raises(InputError, match="colour at 16 bits"):
        encode_png(torch.zeros(3, 4, 4), bits=16)
    with pytest.raises(InputError, match="colour at 16 bits"):
        png_round_trip(torch.zeros(1, 3, 4, 4), 12)
    with pytest.raises(InputError, match="8 or 16"):
        encode_png(torch.zeros(1, 4, 4), bits=12)
    with pytest.raises(TensorError, match="shape"):
        to_picture(torch.zeros(1, 1, 4, 4))
    with pytest.raises(InputError, match="one an image"):
        png_round_trip(torch.zeros(2, 1, 4, 4), [8])


def palette_png() -> bytes:
    file = io.BytesIO()
    Image.new("P", (4, 4)).save(file, format="PNG")
    return file.getvalue()


@pytest.mark.parametrize("data", [b"", b"not a picture", encode_png(torch.rand(1, 64, 64))[:200], palette_png()])
def test_damaged_files_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImageError, match="PNG data"):
        decode_png(data)
