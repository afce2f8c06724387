"""Look-up tables, rescaling and samples whose header says something else of them than they are."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset
from test_dicom import CODES, shown, table, write

from radversary.data.reading import read_image

RAMP = np.arange(4096)
FULL = CODES / 4095.0
EIGHT = (CODES // 16).astype(np.uint8)


def packed(entries: np.ndarray, declared: int, count: int | None = None) -> list[Dataset]:
    """A table of one byte an entry."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [count or len(entries), 0, declared])
    item.add_new("LUTData", "OW", entries.astype(np.uint8).tobytes() + b"\0" * (len(entries) % 2))
    return [item]


def through(tmp_path, entries: np.ndarray, declared: int, **tags: object) -> np.ndarray:
    return shown(write(tmp_path / "a.dcm", VOILUTSequence=table("voi", entries.tolist(), declared), **tags))


@pytest.mark.parametrize("declared", [8, 10, 12, 16])
@pytest.mark.parametrize("as_words", [False, True])
def test_as_many_bytes_as_entries_are_one_byte_each_whatever_depth_is_declared(tmp_path, declared, as_words) -> None:
    """PS3.3 C.11.2.1.1, and C.7.6.3.1.5 in the same words."""
    item = packed(255 - RAMP // 16, declared)
    if as_words:
        item[0].add_new("LUTData", "US", np.frombuffer(item[0].LUTData, "<u2").tolist())
    path = write(tmp_path / "a.dcm", VOILUTSequence=item)
    np.testing.assert_allclose(shown(path), 1 - CODES // 16 / 255, atol=1e-6)
    film = write(tmp_path / "b.dcm", EIGHT, VOILUTSequence=packed(255 - np.arange(255), declared))
    np.testing.assert_allclose(shown(film), 1 - np.minimum(EIGHT, 254) / 255, atol=1e-6)
    modality = write(tmp_path / "c.dcm", ModalityLUTSequence=item, WindowCenter=128, WindowWidth=256)
    np.testing.assert_allclose(shown(modality), 1 - CODES // 16 / 255, atol=1e-6)


def test_half_of_a_table_of_words_is_not_taken_for_one_of_bytes(tmp_path) -> None:
    item = table("voi", (RAMP[:2048] * 2).tolist(), 12)
    item[0].LUTDescriptor = [4096, 0, 12]
    path = write(tmp_path / "a.dcm", VOILUTSequence=item)
    np.testing.assert_allclose(shown(path), np.minimum(CODES * 2, 4094) / 4095, atol=1e-6)


@pytest.mark.parametrize("declared", [12, 16])
@pytest.mark.parametrize("strays", [1, 40])
def test_single_stray_entries_do_not_choose_white(tmp_path, declared, strays) -> None:
    within = RAMP.copy()
    within[-strays:] = 65535
    np.testing.assert_allclose(through(tmp_path, within, declared), np.minimum(within[CODES], 4095) / 4095, atol=1e-6)
    beyond = np.concatenate([RAMP, np.full(strays, 65535)])  # no sample reaches them
    np.testing.assert_allclose(through(tmp_path, beyond, declared), FULL, atol=1e-6)
    small = np.arange(256) * 16 + 15
    small[7] = 65535
    film = write(tmp_path / "b.dcm", EIGHT, VOILUTSequence=table("voi", small.tolist(), declared))
    np.testing.assert_allclose(shown(film)[EIGHT != 7], (EIGHT * 16.0 + 15)[EIGHT != 7] / 4095, atol=1e-6)


@pytest.mark.slow
def test_entries_beyond_what_bits_stored_can_reach_do_not_choose_white(tmp_path) -> None:
    np.testing.assert_allclose(through(tmp_path, np.arange(65535), 16), FULL, atol=1e-6)
    ten = np.concatenate([np.arange(1024) * 4 + 3, np.full(3072, 65535)])
    path = write(tmp_path / "b.dcm", CODES // 4, BitsStored=10, VOILUTSequence=table("voi", ten.tolist(), 16))
    np.testing.assert_allclose(shown(path), (CODES // 4 * 4 + 3) / 4095, atol=1e-6)


@pytest.mark.parametrize(("top", "declared"), [(4096, 12), (256, 8), (1024, 10), (4100, 12), (4096, 16)])
def test_entries_a_little_beyond_the_declared_range_are_white(tmp_path, top, declared) -> None:
    entries = np.round(RAMP * top / 4095)
    white = 2 ** min(declared, 12) - 1
    np.testing.assert_allclose(through(tmp_path, entries.astype(int), declared),
                               np.minimum(entries[CODES], white) / white, atol=1e-6)


@pytest.mark.parametrize(("top", "declared"), [
    (2047, 12), (1000, 12), (1023, 12), (500, 12), (127, 8), (200, 8), (511, 10), (30000, 16), (9000, 14)])
def test_a_table_that_is_dark_on_purpose_stays_dark(tmp_path, top, declared) -> None:
    entries = RAMP * top // 4095
    np.testing.assert_allclose(through(tmp_path, entries, declared), entries[CODES] / (2**declared - 1), atol=1e-6)


@pytest.mark.parametrize(("top", "declared", "bits"), [
    (4000, 16, 12), (1023, 16, 10), (255, 12, 8), (200, 12, 8), (8191, 12, 13), (65535, 12, 16), (4095, 0, 12)])
def test_a_table_that_is_far_from_its_declared_range_has_its_own(tmp_path, top, declared, bits) -> None:
    entries = RAMP * top // 4095
    np.testing.assert_allclose(through(tmp_path, entries, declared), entries[CODES] / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize(("rescale", "window"), [
    ({"RescaleSlope": 2}, (4096, 8191)), ({"RescaleIntercept": -1024}, (1024, 4096)),
    ({"RescaleSlope": -1}, (-2047, 4096)), ({"RescaleSlope": "", "RescaleIntercept": 50}, (2098, 4096))])
def test_slope_and_intercept_count_alone(tmp_path, rescale, window) -> None:
    path = write(tmp_path / "a.dcm", **rescale, WindowCenter=window[0], WindowWidth=window[1])
    expected = 1 - FULL if rescale.get("RescaleSlope") == -1 else FULL
    np.testing.assert_allclose(shown(path), expected, atol=1e-3)


@pytest.mark.parametrize("tags", [
    {"ModalityLUTSequence": table("modality", [7] * 4096, 16)},
    {"ModalityLUTSequence": table("modality", list(range(4096)), 16, first=60000)},
    {"RescaleSlope": "1e-300"}, {"RescaleSlope": "1e-300", "RescaleIntercept": "-1024"},
    {"RescaleSlope": "1e306"}])
def test_a_modality_table_or_rescale_that_leaves_nothing_gives_way(tmp_path, tags) -> None:
    np.testing.assert_allclose(shown(write(tmp_path / "a.dcm", **tags)), FULL, atol=1e-6)
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    np.testing.assert_allclose(shown(write(tmp_path / "b.dcm", **tags, **window)), FULL, atol=1e-3)
    eight = shown(write(tmp_path / "c.dcm", EIGHT, **tags))
    np.testing.assert_allclose(eight, EIGHT / 255, atol=1e-6)


@pytest.mark.parametrize(("kind", "hot"), [(np.uint16, 65535), (np.uint16, 4096), (np.int16, 32767), (np.int16, -9999)])
def test_single_samples_beyond_bits_stored_are_cut_off(tmp_path, kind, hot) -> None:
    """PS3.5 8.1.1: what is beyond Bits Stored is no part of a sample's value."""
    signed = np.iinfo(kind).min < 0
    samples = np.kron(CODES, np.ones((8, 8))).astype(kind) - (2048 if signed else 0)
    clean = shown(write(tmp_path / "a.dcm", samples))
    samples[5, 5] = hot
    path = write(tmp_path / "b.dcm", samples)
    clean[5, 5] = float(hot > 0)
    np.testing.assert_allclose(shown(path), clean, atol=1e-6)
    assert read_image(path).bits == 12


def test_padding_beyond_bits_stored_stays_padding(tmp_path) -> None:
    samples = np.kron(CODES, np.ones((8, 8))).astype(np.uint16) // 2 + 500
    samples[:8], samples[9, 9] = 60000, 50000
    path = write(tmp_path / "a.dcm", samples, PixelPaddingValue=60000)
    pixels = shown(path)[8:]
    assert pixels.min() == 0
    assert pixels[9 - 8, 9] == 1
    assert read_image(path).bits == 12
