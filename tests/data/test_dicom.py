from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from radversary.core.errors import MissingPartError, UnreadableImageError
from radversary.data.reading import read_image

CODES = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65  # 0 .. 4095


def write(path: Path, samples: np.ndarray = CODES, **tags: object) -> Path:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID, film.SOPInstanceUID = CTImageStorage, generate_uid()
    film.Rows, film.Columns = samples.shape[-2:] if samples.ndim == 2 else samples.shape[:2]
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.PixelRepresentation = int(samples.dtype.kind == "i")
    film.BitsAllocated = 8 * samples.dtype.itemsize
    film.BitsStored, film.PixelData = (8 if samples.dtype.itemsize == 1 else 12), samples.tobytes()
    film["PixelData"].VR = "OW"
    for name, value in tags.items():
        setattr(film, name, value)
    film.HighBit = film.BitsStored - 1
    film.save_as(path, enforce_file_format=True)
    return path


def table(kind: str, entries: list[int], bits: int, first: int = 0) -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    if kind == "modality":
        item.ModalityLUTType = "US"
    return [item]


def shown(path: Path) -> np.ndarray:
    return read_image(path).pixels[0].astype(float)


def test_window_follows_the_standards_formula(tmp_path) -> None:
    """PS3.3 C.11.2.1.2.1, computed here by hand."""
    centre, width = 2000.0, 1000.0
    expected = np.clip((CODES - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
    path = write(tmp_path / "a.dcm", WindowCenter=centre, WindowWidth=width)
    np.testing.assert_allclose(shown(path), expected, atol=1e-6)
    both = write(tmp_path / "b.dcm", WindowCenter=[centre, 1], WindowWidth=[width, 2])
    np.testing.assert_allclose(shown(both), expected, atol=1e-6)
    assert read_image(path).bits == 12
    assert read_image(path).tags["kind"] == "DICOM"


def test_rescaled_and_signed_values_are_windowed_in_their_own_unit(tmp_path) -> None:
    signed = CODES.astype(np.int16) - 2048
    path = write(tmp_path / "a.dcm", signed, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=0, WindowWidth=2001)
    expected = np.clip((2.0 * signed - 100 + 0.5) / 2000 + 0.5, 0, 1)
    np.testing.assert_allclose(shown(path), expected, atol=1e-6)


def test_sigmoid_window(tmp_path) -> None:
    path = write(tmp_path / "a.dcm", WindowCenter=2000, WindowWidth=1000, VOILUTFunction="SIGMOID")
    np.testing.assert_allclose(shown(path), 1 / (1 + np.exp(-4 * (CODES - 2000.0) / 1000)), atol=1e-6)


def test_voi_table_goes_before_the_window(tmp_path) -> None:
    entries = [(4095 - code) // 4 for code in range(4096)]
    path = write(tmp_path / "a.dcm", VOILUTSequence=table("voi", entries, 10), WindowCenter=1, WindowWidth=2)
    np.testing.assert_allclose(shown(path), np.array(entries)[CODES] / 1023, atol=1e-6)


def test_modality_table(tmp_path) -> None:
    entries = [int(code**2 // 256) for code in range(4096)]
    path = write(tmp_path / "a.dcm", ModalityLUTSequence=table("modality", entries, 16))
    values = np.array(entries)[CODES].astype(float)
    np.testing.assert_allclose(shown(path), values / values.max(), atol=1e-6)


def test_without_a_window_eight_bits_keep_their_range_and_more_are_stretched(tmp_path) -> None:
    eight = (CODES // 32).astype(np.uint8)
    np.testing.assert_allclose(shown(write(tmp_path / "a.dcm", eight)), eight / 255, atol=1e-6)
    turned = write(tmp_path / "t.dcm", eight, RescaleSlope=-1, RescaleIntercept=255)
    np.testing.assert_allclose(shown(turned), 1 - eight / 255, atol=1e-6)
    padded = CODES // 4 + 100
    padded[0] = 0
    values = shown(write(tmp_path / "b.dcm", padded, PixelPaddingValue=0))
    np.testing.assert_allclose(values[1:], (padded[1:] - padded[1:].min()) / np.ptp(padded[1:]), atol=1e-6)
    assert (values[0] == 0).all()


def test_monochrome1_is_turned_over_after_the_window(tmp_path) -> None:
    plain = write(tmp_path / "a.dcm", WindowCenter=2000, WindowWidth=1000)
    inverse = write(tmp_path / "b.dcm", WindowCenter=2000, WindowWidth=1000, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(shown(inverse), 1 - shown(plain), atol=1e-6)


def test_colour_is_read_as_three_channels(tmp_path) -> None:
    samples = np.dstack([CODES // 32, CODES // 64, CODES // 128]).astype(np.uint8)
    path = write(tmp_path / "a.dcm", samples, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    np.testing.assert_allclose(read_image(path).pixels, samples.transpose(2, 0, 1) / 255, atol=1e-6)


@pytest.mark.slow
def test_a_real_film_and_its_monochrome1_copy(shared_data) -> None:
    """Same pixel data, opposite headers: the copy shows the negative, exactly."""
    plain, inverse = sorted((shared_data / "modality" / "cxr_dicom").iterdir())
    film, negative = read_image(plain), read_image(inverse)
    np.testing.assert_allclose(film.pixels, 1 - negative.pixels, atol=1e-6)
    np.testing.assert_allclose(film.pixels[0] * 255, dcmread(plain).pixel_array, atol=1e-4)
    assert (film.bits, film.pixels.shape) == (8, (1, 1024, 1024))


@pytest.mark.slow
def test_a_real_compressed_slice_with_two_windows(shared_data) -> None:
    path = min((shared_data / "modality" / "ct_dicom_series").iterdir())
    values = dcmread(path).pixel_array - 1024.0
    expected = np.clip((values - 39.5) / 299 + 0.5, 0, 1)
    np.testing.assert_allclose(shown(path), expected, atol=1e-6)


@pytest.mark.parametrize(("tags", "says"), [
    ({"NumberOfFrames": 20}, "20 frames; one film a file"),
    ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR is no radiograph's"),
    ({"Rows": 60_000, "Columns": 60_000}, "60000x60000 pixels are more"),
    ({"Rows": 0}, "no pixels"),
    ({"Rows": 16}, "damaged or truncated"),
    ({"BitsStored": 32, "BitsAllocated": 32}, "at most 16"),
])
def test_films_refused(tmp_path, tags, says) -> None:
    with pytest.raises(UnreadableImageError, match=says):
        read_image(write(tmp_path / "a.dcm", **tags))


def test_no_image_damage_and_missing_decoders(tmp_path) -> None:
    path = write(tmp_path / "a.dcm")
    film = dcmread(path)
    del film.PixelData, film.Rows
    film.save_as(tmp_path / "b.dcm")
    with pytest.raises(UnreadableImageError, match="without an image"):
        read_image(tmp_path / "b.dcm")
    for cut in (140, 200, 400):
        (tmp_path / "c.dcm").write_bytes(path.read_bytes()[:cut])
        with pytest.raises(UnreadableImageError):
            read_image(tmp_path / "c.dcm")
    film = dcmread(path)
    film.file_meta.TransferSyntaxUID = JPEGLSLossless
    film["PixelData"].is_undefined_length = True
    from pydicom.encaps import encapsulate

    film.PixelData = encapsulate([b"\xff\xd8\xff\xf7nothing."])
    film.save_as(tmp_path / "d.dcm")
    with pytest.raises(UnreadableImageError, match="pip install pylibjpeg"):
        read_image(tmp_path / "d.dcm")


def test_without_pydicom_the_way_to_it_is_told(tmp_path, monkeypatch) -> None:
    path = write(tmp_path / "a.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingPartError, match=r"pip install 'radversary\[dicom\]'"):
        read_image(path)
