"""What is known of films beside their pixels: kind by colour and true depth, modality."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_dicom import write as write_dicom
from test_identity import headed
from test_reading import GREY, raw_png

from radversary.data.characteristics import characteristics
from radversary.data.checks import check_data
from radversary.data.folders import ClassFolders
from radversary.data.prepare_folder import prepare_images
from radversary.data.preparing import Prepared, prepare_one
from radversary.data.splits import split_by_patient
from radversary.imaging.image import InputRule


def encoded(mode: str, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).convert(mode).save(file, kind)
    return file.getvalue()


def dicom(samples: np.ndarray, **tags: object) -> bytes:
    file = Path("film")
    return write_dicom(file, samples, **tags).read_bytes()


def test_the_kind_of_a_file_tells_colour_and_true_depth(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    wide = GREY.astype(int) * 257
    films = {
        "png 8 bit grey": encoded("L"), "png 8 bit rgb": encoded("RGB"), "png 8 bit rgb with alpha": encoded("RGBA"),
        "png 8 bit grey with alpha": encoded("LA"), "png 8 bit palette": encoded("P"), "png 1 bit grey": encoded("1"),
        "png 4 bit grey": raw_png(GREY >> 4, 4), "png 16 bit grey": raw_png(wide, 16),
        "png 16 bit rgb": raw_png(np.dstack([wide] * 3), 16, colour=2),
        "jpeg 8 bit grey": encoded("L", "JPEG"), "jpeg 8 bit rgb": encoded("RGB", "JPEG"),
        "jpeg 8 bit cmyk": encoded("CMYK", "JPEG"), "dicom 8 bit monochrome2": dicom(GREY),
        "dicom 8 bit monochrome1": dicom(GREY, PhotometricInterpretation="MONOCHROME1"),
        "dicom 12 bit monochrome2": dicom(GREY.astype(np.uint16) * 16),
        "dicom 10 bit monochrome2": dicom(GREY.astype(np.uint16), BitsStored=10),
    }
    facts = []
    for content in films.values():
        Path("film").write_bytes(content)
        prepared = prepare_one(Path("film"), 0.0, InputRule(size=8))
        assert isinstance(prepared, Prepared)
        assert prepared.facts["bits"] in range(8, 17)
        facts.append({"view": "", "sex": "", "age": np.nan, "source": "", **prepared.facts})
    assert characteristics(pd.DataFrame(facts))["file kind"].tolist() == list(films)


@pytest.mark.slow
def test_modality_is_looked_at(tmp_path) -> None:
    root = headed(tmp_path / "films", [
        (f"{label}/{number}.dcm", {"PatientID": f"{label}{number}", "Modality": modality})
        for label, modality in (("Normal", "CR"), ("Pneumonia", "DX")) for number in range(8)])
    report = check_data(prepare_images(split_by_patient(ClassFolders(root=root).table(tmp_path)), size=32,
                                       folder=tmp_path / "out"))
    assert report.estimates["modality"].value == 1
    assert report.counts["modality"]["test"] == {"CR": 2, "DX": 2}
    assert any("modality alone reaches 100.0 %" in text for text in report.warnings)
