"""Small DICOM films with a header of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid


def dicom(path: Path, *, seed: int = 0, **tags: str) -> None:
    """Write noise under a header with some tags."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID, film.SOPClassUID = ExplicitVRLittleEndian, DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID, film.Rows, film.Columns = generate_uid(), 32, 32
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    film.PixelData = np.random.default_rng(seed).integers(256, size=1024, dtype=np.uint8).tobytes()
    for name, value in tags.items():
        setattr(film, name, value)
    film.save_as(path, enforce_file_format=True)
