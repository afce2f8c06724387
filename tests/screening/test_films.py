from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from radversary.classifiers.card import ModelCard
from radversary.core.errors import DataError, InputError, MissingColumnError
from radversary.core.files import sha256_file
from radversary.data.folders import ClassFolders
from radversary.data.prepared import prepare_images
from radversary.imaging.png import encode_png
from radversary.screening.films import ATTACKED, read_films
from radversary.screening.heat import draw_heat_maps, overlay
from radversary.screening.screen import screen_place

CARD = ModelCard(name="m", architecture="tiny", classes=("a", "b"), size=32)


@pytest.fixture
def folder(tmp_path, clean):
    for row in range(4):
        (tmp_path / f"f{row}.png").write_bytes(encode_png(clean[row]))
    return tmp_path


def test_a_folder_s_films_come_sorted_at_the_classifier_s_size(folder, clean):
    (folder / "notes.txt").write_text("not a film")
    films = read_films(folder, CARD)
    assert films.names == ("f0.png", "f1.png", "f2.png", "f3.png")
    assert films.patients == films.names
    assert torch.allclose(films.images, clean[:4], atol=1 / 500)
    assert read_films(folder, CARD.model_copy(update={"size": 16})).images.shape == (4, 1, 16, 16)


def test_a_table_knows_patients_views_and_age_bands(folder):
    pd.DataFrame({"file": ["f0.png", "f1.png", "f2.png"], "patient_id": ["x", "x", "y"],
                  "View Position": ["AP", "PA", ""], "age": ["61", "79", ""]}).to_csv(folder / "films.csv", index=False)
    films = read_films(folder / "films.csv", CARD)
    assert films.patients == ("x", "x", "y")
    assert films.groups("view") == ["AP", "PA", "unknown"]
    assert films.groups("age") == ["60-79", "60-79", "unknown"]
    assert films.groups(None) is None
    with pytest.raises(InputError, match="known of them: view, age"):
        films.groups("sex")


def test_what_cannot_be_read_is_left_out_and_named(folder, guard):
    (folder / "f1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    films = read_films(folder, CARD)
    assert len(films.names) == 3
    assert "f1.png" in films.left_out[0]
    left_out: list[str] = []
    assert len(list(screen_place(guard, folder, left_out=left_out))) == 3
    assert "f1.png" in left_out[0]


def dicom(path: Path, **tags: str) -> None:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID, film.SOPClassUID = ExplicitVRLittleEndian, DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID, film.Rows, film.Columns = generate_uid(), 32, 32
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    film.PixelData = np.random.default_rng(0).integers(256, size=1024, dtype=np.uint8).tobytes()
    for name, value in tags.items():
        setattr(film, name, value)
    film.save_as(path, enforce_file_format=True)


def test_dicom_headers_say_whose_a_film_is_and_how_it_was_made(tmp_path):
    dicom(tmp_path / "a.dcm", PatientID="P1", ViewPosition="PA", PatientSex="F", PatientAge="061Y", Modality="DX")
    dicom(tmp_path / "b.dcm", PatientID="P1", ViewPosition="AP", PatientSex="F", PatientAge="061Y", Modality="CR")
    dicom(tmp_path / "c.dcm")
    films = read_films(tmp_path, CARD)
    assert films.patients == ("P1", "P1", "c.dcm")
    assert films.groups("view") == ["PA", "AP", "unknown"]
    assert films.groups("modality") == ["DX", "CR", "unknown"]
    assert films.groups("age") == ["60-79", "60-79", "unknown"]
    assert films.groups("sex") == ["F", "F", "unknown"]


def test_a_table_goes_before_the_header(tmp_path):
    dicom(tmp_path / "a.dcm", PatientID="P1", ViewPosition="PA", Modality="DX")
    pd.DataFrame({"file": ["a.dcm"], "patient_id": ["x"], "view": ["AP"]}).to_csv(tmp_path / "films.csv", index=False)
    films = read_films(tmp_path / "films.csv", CARD)
    assert (films.patients, films.groups("view"), films.groups("modality")) == (("x",), ["AP"], ["DX"])
    pd.DataFrame({"file": ["a.dcm"], "Modality": ["cr"]}).to_csv(tmp_path / "films.csv", index=False)
    films = read_films(tmp_path / "films.csv", CARD)
    assert (films.patients, films.groups("view"), films.groups("modality")) == (("P1",), ["PA"], ["CR"])


def test_attacked_films_are_never_taken_for_clean(folder):
    (folder / ATTACKED).write_text(json.dumps([sha256_file(folder / "f2.png")]))
    assert len(read_films(folder, CARD).names) == 4
    with pytest.raises(DataError, match=r"f2\.png was attacked by radversary"):
        read_films(folder, CARD, clean=True)


def test_bad_places_are_one_sentence(tmp_path, guard):
    with pytest.raises(DataError, match="does not exist"):
        read_films(tmp_path / "none", CARD)
    with pytest.raises(DataError, match="no image in"):
        read_films(tmp_path, CARD)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MissingColumnError):
        read_films(tmp_path / "t.csv", CARD)
    (tmp_path / "x.png").write_bytes(b"no picture")
    for ask in (lambda: read_films(tmp_path / "x.png", CARD),
                lambda: list(screen_place(guard, tmp_path / "x.png", left_out=[]))):
        with pytest.raises(DataError, match="could be read; the first"):
            ask()


def test_pictures_of_what_is_suspicious(folder, guard, tmp_path, monkeypatch):
    detector = guard.detectors["energy"]
    monkeypatch.setattr(type(detector), "heat_map", lambda self, images, reading: images[:, 0, ::4, ::4])
    written = list(draw_heat_maps(guard, [folder], {"f1.png", "f3.png"}, tmp_path / "heat"))
    assert [path.name for path in written] == ["f1.png.heat.png", "f3.png.heat.png"]
    assert all(path.is_file() for path in written)


def test_no_picture_where_no_detector_can_tell(folder, guard, tmp_path):
    assert list(draw_heat_maps(guard, [folder], {"f1.png"}, tmp_path / "heat")) == []


def test_an_overlay_leaves_what_is_not_suspicious(clean):
    heat = torch.zeros(1, 32, 32)
    heat[:, 8:, :] = 1.0
    pictures = overlay(clean[:1], heat)
    assert pictures.shape == (1, 3, 32, 64)
    assert torch.equal(pictures[..., :8, 32:], clean[:1].expand(-1, 3, -1, -1)[..., :8, :])
    assert not torch.allclose(pictures[..., 8:, 32:], clean[:1].expand(-1, 3, -1, -1)[..., 8:, :])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_is_screened_with_the_very_pixels_that_it_was_prepared_with(tmp_path, channels):
    """In a folder of several depths it had 3,834 grey levels when a guard was fitted and 175 when it was screened."""
    rng = np.random.default_rng(0)
    for number, (top, kind) in enumerate([(256, np.uint8), (65536, np.uint16)] * 3):
        path = tmp_path / "films" / ("Normal", "Pneumonia")[number // 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, top, (50, 30)).astype(kind)).save(path)
    card = CARD.model_copy(update={"size": 24, "channels": channels})
    films = read_films(tmp_path / "films", card)
    with pytest.warns(UserWarning, match="own patient"):
        table = ClassFolders(root=tmp_path / "films").table(tmp_path)
    prepared = prepare_images(table, size=24, channels=channels, folder=tmp_path / "out")
    assert [Path(name).stem for name in films.names] == prepared.image_ids
    assert films.images.equal(prepared.tensor(range(6)))
    assert set(prepared.bits) == ({8, 16} if channels == 1 else {8})
