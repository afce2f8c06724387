"""What viewers tolerate is read as they show it, or refused by a reason that names the tag."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import BasicTextSRStorage, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian
from test_dicom import CODES, shown, table, write

from radversary.core.errors import UnreadableImageError
from radversary.data.reading import read_image, read_tags

FULL = CODES / 4095.0
SQUARES = [code * code // 4095 for code in range(4096)]  # a table that is not the identity, up to 4095


@pytest.mark.parametrize(("entries", "declared"), [
    (SQUARES, 16), (SQUARES, 14), (SQUARES, 13), ([entry // 16 for entry in SQUARES], 16),
    ([entry * 8 for entry in SQUARES], 16), ([entry // 16 for entry in SQUARES], 10)])
def test_a_voi_table_of_fewer_bits_than_declared_is_as_bright_as_it_should_be(tmp_path, entries, declared) -> None:
    top = 2 ** max(entries).bit_length() - 1
    right = write(tmp_path / "a.dcm", VOILUTSequence=table("voi", entries, max(entries).bit_length()))
    narrow = write(tmp_path / "b.dcm", VOILUTSequence=table("voi", entries, declared))
    np.testing.assert_allclose(shown(narrow), np.array(entries)[CODES] / top, atol=1e-6)
    np.testing.assert_array_equal(shown(narrow), shown(right))


@pytest.mark.parametrize("declared", [8, 9, 10, 1])
def test_a_voi_table_of_more_bits_than_declared_is_not_cut(tmp_path, declared) -> None:
    path = write(tmp_path / "a.dcm", VOILUTSequence=table("voi", SQUARES, declared))
    np.testing.assert_allclose(shown(path), np.array(SQUARES)[CODES] / 4095, atol=1e-6)


def test_tables_of_one_byte_an_entry_and_of_another_length_than_declared(tmp_path) -> None:
    eight = (CODES // 16).astype(np.uint8)
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 8])
    item.add_new("LUTData", "OW", bytes(255 - code for code in range(256)))
    path = write(tmp_path / "a.dcm", eight, VOILUTSequence=[item])
    np.testing.assert_allclose(shown(path), 1 - eight / 255, atol=1e-6)
    item.LUTDescriptor = [65535, 0, 12]  # more entries than there are
    item.add_new("LUTData", "OW", np.array(SQUARES, "<u2").tobytes())
    np.testing.assert_allclose(shown(write(tmp_path / "b.dcm", VOILUTSequence=[item])), np.array(SQUARES)[CODES] / 4095,
                               atol=1e-6)


def test_a_negative_first_value_written_without_its_sign(tmp_path) -> None:
    signed = CODES.astype(np.int16) - 2048
    item = table("voi", SQUARES, 12, first=2**16 - 2048)
    path = write(tmp_path / "a.dcm", signed, VOILUTSequence=item)
    np.testing.assert_allclose(shown(path), np.array(SQUARES)[CODES] / 4095, atol=1e-6)


def test_a_modality_table_of_any_depth(tmp_path) -> None:
    for depth in (12, 13, 16):
        path = write(tmp_path / "a.dcm", ModalityLUTSequence=table("modality", SQUARES, depth))
        values = np.array(SQUARES)[CODES].astype(float)
        np.testing.assert_allclose(shown(path), values / values.max(), atol=1e-6)


@pytest.mark.parametrize("item", [
    Dataset(), table("voi", [7] * 4096, 12)[0], table("voi", SQUARES, 12, first=60000)[0]])
def test_a_table_that_says_nothing_of_these_values_gives_way_to_the_window(tmp_path, item) -> None:
    path = write(tmp_path / "a.dcm", VOILUTSequence=[item], WindowCenter=2000, WindowWidth=1000)
    np.testing.assert_array_equal(shown(path), shown(write(tmp_path / "b.dcm", WindowCenter=2000, WindowWidth=1000)))
    np.testing.assert_allclose(shown(write(tmp_path / "c.dcm", VOILUTSequence=[item])), FULL, atol=1e-6)


@pytest.mark.parametrize("window", [
    {"WindowCenter": 0, "WindowWidth": 0}, {"WindowCenter": 2000, "WindowWidth": 0},
    {"WindowCenter": 2000, "WindowWidth": -5}, {"WindowCenter": [], "WindowWidth": []}, {"WindowCenter": 40},
    {"WindowWidth": 400}, {"WindowCenter": 30000, "WindowWidth": 100}, {"WindowCenter": -5000, "WindowWidth": 100},
    {"WindowCenter": 0.5, "WindowWidth": 0.95}, {"WindowCenter": 2000, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"},
    {"WindowCenter": 2000, "WindowWidth": 0, "VOILUTFunction": "LINEAR_EXACT"},
    {"WindowCenter": [0, 0], "WindowWidth": [0, 0]}])
def test_without_a_usable_window_the_full_range_is_shown(tmp_path, window) -> None:
    np.testing.assert_allclose(shown(write(tmp_path / "a.dcm", **window)), FULL, atol=1e-6)


@pytest.mark.parametrize("text", [b"abc ", b"1e999 ", b"nan ", b"\xff\xfe", b"12,5 ", b"\\"])
@pytest.mark.parametrize("tag", ["WindowCenter", "WindowWidth", "RescaleSlope"])
def test_garbage_in_a_number_counts_as_absent(tmp_path, tag, text) -> None:
    path = write(tmp_path / "a.dcm", WindowCenter="2000", WindowWidth="1000", RescaleSlope="1111", RescaleIntercept="0")
    film = dcmread(path)
    for name in ("WindowCenter", "WindowWidth", "RescaleSlope"):
        film[name].value  # noqa: B018 - converted, so that the others are written as they were
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = path.read_bytes()
        old = {"WindowCenter": b"2000", "WindowWidth": b"1000", "RescaleSlope": b"1111"}[tag]
        place = content.index({"WindowCenter": b"\x28\x00\x50\x10DS", "WindowWidth": b"\x28\x00\x51\x10DS",
                               "RescaleSlope": b"\x28\x00\x53\x10DS"}[tag])
        assert content[place + 8:place + 12] == old
        path.write_bytes(content[:place + 8] + text.ljust(4)[:4] + content[place + 12:])
        pixels = read_image(path).pixels
    assert pixels.max() == 1
    assert pixels.min() == 0


def test_a_width_below_one_is_linear_exact(tmp_path) -> None:
    """PS3.3 C.11.2.1.3.2, computed here by hand."""
    path = write(tmp_path / "a.dcm", RescaleSlope="0.000244200244", RescaleIntercept="0", WindowCenter="0.5",
                 WindowWidth="0.95")
    expected = np.clip((CODES * 0.000244200244 - 0.5) / 0.95 + 0.5, 0, 1)
    np.testing.assert_allclose(shown(path), expected, atol=1e-6)
    exact = write(tmp_path / "b.dcm", WindowCenter=2000, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(shown(exact), np.clip((CODES - 2000.0) / 1000 + 0.5, 0, 1), atol=1e-6)


def test_the_first_window_that_shows_the_film_is_taken(tmp_path) -> None:
    one = shown(write(tmp_path / "a.dcm", WindowCenter=2000, WindowWidth=1000))
    for centres, widths in (([0, 2000], [0, 1000]), ([90000, 2000, 5], [10, 1000, 7]), ([2000, 1], [1000, 2]),
                            ([2000, 1, 2], [1000])):
        path = write(tmp_path / "b.dcm", WindowCenter=centres, WindowWidth=widths)
        np.testing.assert_array_equal(shown(path), one)


@pytest.mark.parametrize("function", ["", "linear", "LOGARITHMIC", "LINEAR "])
def test_an_unknown_function_is_linear(tmp_path, function) -> None:
    path = write(tmp_path / "a.dcm", WindowCenter=2000, WindowWidth=1000, VOILUTFunction=function)
    np.testing.assert_array_equal(shown(path), shown(write(tmp_path / "b.dcm", WindowCenter=2000, WindowWidth=1000)))


def test_a_narrow_slice_of_air_is_not_stretched_to_noise(tmp_path) -> None:
    """A window that shows one level is right where the film holds little but one level."""
    air = (CODES % 7).astype(np.uint16)
    assert not shown(write(tmp_path / "a.dcm", air, WindowCenter=2000, WindowWidth=400)).any()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_samples_beyond_bits_stored_are_shown_as_they_are(tmp_path, photometric) -> None:
    """pydicom blanks the bits above Bits Stored, so that a 12-bit film declared as 8 or 10 wraps around."""
    for stored in (8, 10, 11):
        path = write(tmp_path / "a.dcm", BitsStored=stored, PhotometricInterpretation=photometric)
        expected = FULL if photometric == "MONOCHROME2" else 1 - FULL
        np.testing.assert_allclose(shown(path), expected, atol=1e-6)
        assert read_image(path).bits == 12


def test_samples_in_the_upper_bits_are_those_that_high_bit_says(tmp_path) -> None:
    path = write(tmp_path / "a.dcm", CODES << 4, WindowCenter=2000, WindowWidth=1000)
    film = dcmread(path)
    film.HighBit = 15
    film.save_as(path)
    np.testing.assert_array_equal(shown(path), shown(write(tmp_path / "b.dcm", WindowCenter=2000, WindowWidth=1000)))
    assert read_image(path).bits == 12


def test_an_overlay_in_the_unused_bits_is_no_part_of_the_film(tmp_path) -> None:
    marked = CODES | np.uint16(0x8000)
    path = write(tmp_path / "a.dcm", marked)
    film = dcmread(path)
    film.add_new((0x6000, 0x0102), "US", 15)
    film.save_as(path)
    np.testing.assert_allclose(shown(path), FULL, atol=1e-6)
    assert read_image(path).bits == 12


@pytest.mark.parametrize("stored", [12, 16])
def test_signed_films_are_read_whether_their_sign_is_extended_or_not(tmp_path, stored) -> None:
    signed = CODES.astype(np.int16) - 2048
    np.testing.assert_allclose(shown(write(tmp_path / "a.dcm", signed, BitsStored=stored)), FULL, atol=1e-6)
    if stored == 12:
        bare = (signed & 0xFFF).astype(np.int16)
        np.testing.assert_allclose(shown(write(tmp_path / "b.dcm", bare)), FULL, atol=1e-6)


def test_a_negative_slope_turns_the_film_over(tmp_path) -> None:
    path = write(tmp_path / "a.dcm", RescaleSlope=-1, RescaleIntercept=4095, WindowCenter=2048, WindowWidth=4096)
    np.testing.assert_allclose(shown(path), 1 - FULL, atol=1e-3)


@pytest.mark.parametrize(("absent", "reads"), [
    ("SamplesPerPixel", True), ("PixelRepresentation", True), ("BitsStored", True), ("HighBit", True),
    ("BitsAllocated", "Bits Allocated"), ("PhotometricInterpretation", "Photometric Interpretation"),
    ("Rows", "without an image"), ("PixelData", "pixel")])
def test_what_a_header_leaves_out_is_filled_in_or_named(tmp_path, absent, reads) -> None:
    path = write(tmp_path / "a.dcm", CODES // 16 * 16)
    film = dcmread(path)
    del film[absent]
    film.save_as(path)
    if reads is True:
        np.testing.assert_allclose(shown(path), (CODES // 16 * 16) / 4080, atol=1e-6)
        return
    with pytest.raises(UnreadableImageError, match=f"(?i){reads}") as caught:
        read_image(path)
    assert "damaged or truncated" not in str(caught.value)


@pytest.mark.parametrize("frames", [0, ""])
def test_no_number_of_frames_is_one(tmp_path, frames) -> None:
    np.testing.assert_allclose(shown(write(tmp_path / "a.dcm", NumberOfFrames=frames)), FULL, atol=1e-6)


def test_a_data_set_is_read_like_its_file_and_not_changed(tmp_path) -> None:
    path = write(tmp_path / "a.dcm", WindowCenter=2000, WindowWidth=1000, NumberOfFrames=0, PatientID="7",
                 PixelSpacing=[0.2, 0.3], ViewPosition="PA ")
    film = dcmread(path)
    before = film.to_json()
    image = read_image(film)
    assert film.to_json() == before
    np.testing.assert_array_equal(image.pixels, read_image(path).pixels)
    assert image.spacing == (0.2, 0.3)
    assert (image.tags["PatientID"], image.tags["ViewPosition"], image.tags["kind"]) == ("7", "PA", "DICOM")
    plain = Dataset()  # as it comes from a network, without file meta information
    plain.update(film)
    np.testing.assert_array_equal(read_image(plain).pixels, image.pixels)


def test_implicit_encoding_with_ambiguous_tables_reads_the_same(tmp_path) -> None:
    path = write(tmp_path / "a.dcm", CODES.astype(np.int16) - 2048, VOILUTSequence=table("voi", SQUARES, 16, first=0),
                 PixelPaddingValue=0)
    film = dcmread(path)
    film.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    film.save_as(tmp_path / "b.dcm")
    np.testing.assert_array_equal(shown(tmp_path / "b.dcm"), shown(path))


def deflated(path: Path) -> Path:
    film = dcmread(path)
    film.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    film.save_as(path)
    return path


def test_the_header_of_a_deflated_film_is_read_and_no_bomb_is_unpacked(tmp_path, monkeypatch) -> None:
    path = deflated(write(tmp_path / "a.dcm", PatientID="P7", ViewPosition="AP", Modality="CR"))
    assert (read_tags(path)["PatientID"], read_tags(path)["ViewPosition"]) == ("P7", "AP")
    assert read_tags(path).items() <= read_image(path).tags.items()
    monkeypatch.setattr("radversary.data.dicom._HEADER", 1000)
    assert read_tags(path)["PatientID"] == "P7"
    head = path.read_bytes()
    start = 144 + int.from_bytes(head[140:144], "little")
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    path.write_bytes(head[:start] + deflate.compress(b"\0" * 10**6) + deflate.flush())
    assert read_tags(path) == {}
    path.write_bytes(head[:start] + b"no deflated data")
    assert read_tags(path) == {}


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch) -> None:
    path = deflated(write(tmp_path / "a.dcm"))
    np.testing.assert_allclose(shown(path), FULL, atol=1e-6)
    monkeypatch.setattr("radversary.data.reading.LARGEST", 100)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    head = path.read_bytes()
    start = 144 + int.from_bytes(head[140:144], "little")
    path.write_bytes(head[:start] + deflate.compress(b"\0" * 10**6) + deflate.flush())
    with pytest.raises(UnreadableImageError, match="unpacks to more than the 1200 bytes allowed"):
        read_image(path)


@pytest.mark.parametrize("change", [
    {"PixelRepresentation": 1, "PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0},
    {"RescaleSlope": "1e307", "RescaleIntercept": "0"}, {"SamplesPerPixel": 8}, {"SamplesPerPixel": 0},
    {"PixelPaddingValue": 4095}, {"BitsAllocated": 12}, {"BitsAllocated": 64}, {"HighBit": 40}])
def test_whatever_a_header_says_pixels_keep_their_contract_or_are_refused(tmp_path: Path, change) -> None:
    samples = CODES.astype(np.int16) - 2000
    if change.get("SamplesPerPixel") == 3:
        samples = np.dstack([samples] * 3)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = read_image(write(tmp_path / "a.dcm", samples, **change)).pixels
    except UnreadableImageError:
        return
    assert pixels.dtype == np.float32
    assert pixels.shape == (1, 8, 8)
    assert np.isfinite(pixels).all()
    assert 0 <= pixels.min() <= pixels.max() <= 1


def smooth(top: int, side: int = 48) -> np.ndarray:
    """A film without edges, from 0 to ``top``."""
    rows, columns = np.mgrid[:side, :side] / side
    hill = np.sin(2.5 * rows) * np.cos(3 * columns - 1) + 0.2 * rows
    return np.rint(top * (hill - hill.min()) / np.ptp(hill)).astype(np.uint16)


def test_a_range_of_padding_is_left_out_of_the_range_that_is_shown(tmp_path) -> None:
    film = smooth(1000)
    border = film.copy()
    border[:4], border[-4:] = 4090, 4095
    path = write(tmp_path / "a.dcm", border, PixelPaddingValue=4090, PixelPaddingRangeLimit=4095)
    np.testing.assert_allclose(shown(path)[4:-4], shown(write(tmp_path / "b.dcm", film[4:-4])), atol=1e-6)
    turned = write(tmp_path / "c.dcm", border, PixelPaddingValue=4095, PixelPaddingRangeLimit=4090)
    np.testing.assert_array_equal(shown(turned), shown(path))
    beyond = border.copy()
    beyond[:4] = 0xF000  # padding beyond Bits Stored is none of its bits
    path = write(tmp_path / "d.dcm", beyond, PixelPaddingValue=0xF000, PixelPaddingRangeLimit=4090)
    assert read_image(path).bits == 12


@pytest.mark.parametrize("marks", [
    np.tile([0, 0x1000], (48, 24)), np.tile([0, 0x8000], (48, 24)), np.full((48, 48), 0x4000),
    np.pad(np.full((6, 10), 0x1000), ((20, 22), (3, 35))), np.tile([0, 0x1000, 0x2000, 0x3000], (48, 12))])
def test_marks_beyond_bits_stored_are_no_part_of_the_film_though_their_overlay_group_is_gone(tmp_path, marks) -> None:
    film = smooth(4095)
    path = write(tmp_path / "a.dcm", film | marks.astype(np.uint16))
    np.testing.assert_allclose(shown(path), film / 4095, atol=1e-6)
    assert read_image(path).bits == 12


@pytest.mark.parametrize("bits", [13, 14, 15, 16])
def test_a_film_of_more_bits_than_stored_keeps_them(tmp_path, bits) -> None:
    for film in (smooth(2**bits - 1), np.random.default_rng(0).integers(0, 2**bits, (48, 48), dtype=np.uint16)):
        image = read_image(write(tmp_path / "a.dcm", film))
        assert image.bits == bits
        span = film.max() - film.min().astype(float)
        np.testing.assert_allclose(image.pixels[0], (film - film.min()) / span, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize(("centre", "width"), [
    (b"2000\\30 ", b"1000\\"), (b"2000\\30 ", b"1000\\abc"), (b"abc\\2000", b"7\\1000"), (b"nan\\2000", b"500\\1000"),
    (b"\\2000 ", b"4\\1000"), (b"2000 ", b"1000\\1e999")])
def test_a_window_that_is_garbage_leaves_the_others(tmp_path, centre, width) -> None:
    centre, width = (text + b" " * (len(text) % 2) for text in (centre, width))
    path = write(tmp_path / "a.dcm", WindowCenter="1" * len(centre), WindowWidth="2" * len(width))
    content = path.read_bytes()
    for tag, new in ((b"\x28\x00\x50\x10DS", centre), (b"\x28\x00\x51\x10DS", width)):
        place = content.index(tag) + 8
        content = content[:place] + new + content[place + len(new):]
    path.write_bytes(content)
    np.testing.assert_array_equal(shown(path), shown(write(tmp_path / "b.dcm", WindowCenter=2000, WindowWidth=1000)))


@pytest.mark.parametrize("length", [140, 200, 300, 400, 500])
def test_a_film_cut_before_its_image_is_damaged_and_a_document_is_no_image(tmp_path, length) -> None:
    path = write(tmp_path / "a.dcm", PatientID="7")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UnreadableImageError, match="damaged or truncated"):
        read_image(path)
    document = Dataset()
    document.SOPClassUID, document.Modality = BasicTextSRStorage, "SR"
    document.file_meta = dcmread(write(path)).file_meta
    with pytest.raises(UnreadableImageError, match="it is DICOM without an image"):
        read_image(document)


@pytest.mark.parametrize("tail", [b"\xff" * 1000, b"\0" * 1000, b"7" * 999, b"\xff", b"\xe0\x7f\x10\0OW"])
def test_bytes_behind_the_pixels_are_passed_over(tmp_path, tail) -> None:
    path = write(tmp_path / "a.dcm", PatientID="7")
    path.write_bytes(path.read_bytes() + tail)
    np.testing.assert_allclose(shown(path), FULL, atol=1e-6)
    assert read_image(path).tags["PatientID"] == "7"
