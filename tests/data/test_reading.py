from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from radversary.core.errors import UnreadableImageError
from radversary.data import pictures, reading
from radversary.data.reading import LARGEST, read_image

GREY = (np.arange(48).reshape(6, 8) * 5).astype(np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(samples: np.ndarray, depth: int, *extra: bytes, colour: int = 0) -> bytes:
    """A PNG of samples (H, W) or (H, W, C) with further chunks, which Pillow would not write."""
    bits = np.unpackbits(samples.reshape(len(samples), -1, 1).astype(">u2").view(np.uint8), axis=-1)[..., -depth:]
    rows = [b"\0" + np.packbits(row).tobytes() for row in bits.reshape(len(samples), -1)]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, 0))
    return (b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
            + chunk(b"IEND", b""))


def png_header_only(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG that promises ``width × height`` pixels in a few bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("samples", "bits"), [(GREY, 8), (GREY.astype(np.uint16) * 1234, 16),
                                              (np.dstack([GREY, GREY // 2, 255 - GREY]), 8)])
def test_png_is_read_to_the_last_bit(tmp_path, samples, bits) -> None:
    path = tmp_path / "film.jpg"  # named wrong on purpose: the content decides
    Image.fromarray(samples).save(path, format="PNG")
    picture = read_image(path)
    assert (picture.bits, picture.pixels.dtype) == (bits, np.float32)
    codes = np.rint(picture.pixels * (2**bits - 1)).astype(int)
    expected = samples[None] if samples.ndim == 2 else samples.transpose(2, 0, 1)
    np.testing.assert_array_equal(codes, expected)
    assert picture.pixels.min() >= 0
    assert picture.pixels.max() <= 1
    assert picture.tags == {"kind": "PNG", "width": "8", "height": "6", "stored_bits": str(bits),
                            "colour": "grey" if samples.ndim == 2 else "rgb"}
    for source in (str(path), path.read_bytes()):
        np.testing.assert_array_equal(read_image(source).pixels, picture.pixels)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("CMYK", 3)])
def test_jpeg(tmp_path, mode, channels) -> None:
    path = tmp_path / "film.jpeg"
    Image.new("L", (40, 30), 77).convert(mode).save(path, quality=95)
    pixels = read_image(path).pixels
    assert pixels.shape == (channels, 30, 40)
    np.testing.assert_allclose(pixels * 255, 77, atol=2)


def test_exif_orientation_is_applied(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    Image.new("L", (40, 30), 9).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").pixels.shape == (1, 40, 30)


def test_palette_alpha_and_one_bit(tmp_path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(GREY).convert("P").save(path)
    assert read_image(path).pixels.shape == (3, 6, 8)
    np.testing.assert_array_equal(np.rint(read_image(path).pixels[0] * 255), GREY)
    clear = np.dstack([np.full_like(GREY, 200), np.where(GREY > 100, 255, 0).astype(np.uint8)])
    Image.fromarray(clear, mode=None).save(path)  # grey with alpha
    np.testing.assert_array_equal(np.rint(read_image(path).pixels * 255), np.where(GREY > 100, 200, 0)[None])
    Image.fromarray(GREY > 100).save(path)
    np.testing.assert_array_equal(read_image(path).pixels, (GREY > 100).astype(np.float32)[None])
    assert read_image(path).bits == 8


SIDEWAYS = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # an EXIF block: orientation 6


def test_a_deep_png_is_turned_and_its_transparent_value_is_black() -> None:
    for samples, depth in ((GREY.astype(int), 8), (GREY.astype(int) * 257, 16)):
        clear = chunk(b"tRNS", struct.pack(">H", samples[5, 7]))
        image = read_image(raw_png(samples, depth, chunk(b"eXIf", SIDEWAYS), clear))
        expected = np.rot90(np.where(samples == samples[5, 7], 0, samples), -1)
        np.testing.assert_array_equal(np.rint(image.pixels[0] * (2**depth - 1)), expected)
        assert image.tags["colour"] == "grey with a transparent value"


def test_a_png_of_twelve_significant_bits_is_as_bright_as_they_say() -> None:
    samples = GREY.astype(int) * 17
    image = read_image(raw_png(samples, 16, chunk(b"sBIT", b"\x0c")))
    np.testing.assert_allclose(image.pixels[0], samples / 4095, atol=1e-7)
    assert (image.bits, image.tags["stored_bits"]) == (12, "16")
    for stated in (b"\x0c", b"\0", b"\x63", b"\x0c\x0c"):  # samples beyond, or no number of bits
        image = read_image(raw_png(samples * 16, 16, chunk(b"sBIT", stated)))
        np.testing.assert_allclose(image.pixels[0], samples * 16 / 65535, atol=1e-7)
        assert image.bits == 16


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("garbage", [b"garbage", b"", b"II*\0\xff\xff\xff\xff", SIDEWAYS[:12],
                                     b"MM\0*\0\0\0\x08\xff\xff\1"])
def test_garbage_for_exif_is_passed_over(garbage) -> None:
    for samples, depth in ((GREY, 8), (GREY.astype(int) * 257, 16)):
        pixels = read_image(raw_png(samples, depth, chunk(b"eXIf", garbage))).pixels
        np.testing.assert_array_equal(np.rint(pixels[0] * 255), GREY)


@pytest.mark.parametrize(("content", "says"), [
    (b"", "the file is empty"),
    (b"this is a text, not a film", "neither PNG, JPEG nor DICOM"),
    (b"GIF89a" + b"\0" * 200, "neither PNG, JPEG nor DICOM"),
    (b"\x89PNG\r\n\x1a\n", "damaged or truncated"),
    (b"\xff\xd8\xff\xe0" + b"\0" * 50, "damaged or truncated"),
    (png_header_only(40_000, 40_000), "damaged or truncated|more than the"),
    (png_header_only(9_000, 9_000), f"9000x9000 pixels are more than the {LARGEST}"),
    (png_header_only(0, 5), "damaged or truncated"),
    (png_header_only(500, 500), "damaged or truncated"),
    (png_header_only(8_000, 8_000), "bytes cannot hold the 8000x8000 pixels that it declares"),
    (png_header_only(8_000, 1_000, depth=16, colour=6), "bytes cannot hold the 8000x1000 pixels"),
])
def test_bad_files_are_refused_by_name(tmp_path, content, says) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=says) as caught:
        read_image(path)
    assert caught.value.path == str(path)
    assert "\n" not in str(caught.value)


def test_no_file_a_folder_and_an_animation(tmp_path) -> None:
    with pytest.raises(UnreadableImageError, match="no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(UnreadableImageError, match="is a directory"):
        read_image(tmp_path)
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(UnreadableImageError, match="several frames"):
        read_image(tmp_path / "a.png")


@pytest.mark.slow
@given(st.data())
def test_a_file_cut_or_spoilt_anywhere_is_read_or_refused_never_more(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("cut")
    kind = data.draw(st.sampled_from(["PNG", "JPEG"]))
    Image.fromarray(np.tile(GREY, (4, 4))).save(folder / "whole", format=kind)
    whole = bytearray((folder / "whole").read_bytes())
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / "film").write_bytes(whole)
    try:
        pixels = read_image(folder / "film").pixels
    except UnreadableImageError:
        return
    assert pixels.ndim == 3
    assert 0 <= pixels.min() <= pixels.max() <= 1


def test_truncated_films_are_refused(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG"):
        path = tmp_path / kind
        Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(path, format=kind)
        path.write_bytes(path.read_bytes()[:-900])
        with pytest.raises(UnreadableImageError, match="truncated"):
            read_image(path)


@pytest.mark.parametrize("name", ["chest.nii", "chest.NII.gz", "chest.nrrd", "chest.mha"])
def test_a_volume_is_refused_as_one(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(b"\x5c\x01\x00\x00" + b"\0" * 400)
    with pytest.raises(UnreadableImageError, match="it is a volume by its name; one film a file is expected"):
        read_image(tmp_path / name)


def test_a_pipe_is_refused_at_once(tmp_path) -> None:
    os.mkfifo(tmp_path / "film.png")
    with pytest.raises(UnreadableImageError, match="no regular file"):
        read_image(tmp_path / "film.png")


def test_a_file_longer_than_any_film_is_refused_unread(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_FILE", 20)
    Image.fromarray(GREY).save(tmp_path / "film.png")
    with pytest.raises(UnreadableImageError, match="bytes are more than the 20 allowed"):
        read_image(tmp_path / "film.png")


def test_memory_that_is_not_there_is_one_sentence(tmp_path, monkeypatch) -> None:
    def none_left(*_: object) -> None:
        raise MemoryError

    Image.fromarray(GREY).save(tmp_path / "film.png")
    monkeypatch.setattr(pictures, "_scaled", none_left)
    with pytest.raises(UnreadableImageError, match="need more memory than there is"):
        read_image(tmp_path / "film.png")


@pytest.mark.parametrize("pixels", [
    np.full((1, 4, 4), np.nan, np.float32), np.full((1, 4, 4), 1.5, np.float32), np.full((1, 4, 4), -0.1, np.float32),
    np.zeros((8, 4, 4), np.float32), np.zeros((1, 4, 4)), np.zeros((4, 4), np.float32), np.zeros((1, 0, 4), np.float32),
    np.where(np.eye(4), np.inf, 0)[None].astype(np.float32)])
def test_pixels_outside_the_contract_never_leave_the_reader(tmp_path, monkeypatch, pixels) -> None:
    monkeypatch.setattr(reading, "read_picture", lambda *_, **__: reading.Image(pixels))
    Image.fromarray(GREY).save(tmp_path / "film.png")
    with pytest.raises(UnreadableImageError, match="its pixels come out"):
        read_image(tmp_path / "film.png")


def test_names_are_refused_as_names(tmp_path) -> None:
    for name in ("a\0b.png", "x" * 5000 + ".png"):
        with pytest.raises(UnreadableImageError):
            read_image(tmp_path / name)
    with pytest.raises(UnreadableImageError, match="cannot read the ward's film: the file is empty"):
        read_image(b"", name="the ward's film")
