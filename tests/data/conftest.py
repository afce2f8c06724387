"""Small sets of films on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from radversary.data.table import ImageTable

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")


def film(seed: int, side: int = 48) -> np.ndarray:
    """A random blotchy 8-bit picture, unlike that of any other seed."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 2.0)
    return np.uint8(255 * (noise - noise.min()) / np.ptp(noise))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # these films are too small to share out


@pytest.fixture
def make_table(tmp_path: Path) -> Callable[..., ImageTable]:
    """Write ``patients`` × ``each`` films a class as PNG and return their table."""

    def make(patients: int = 6, each: int = 2, classes: tuple[str, ...] = CLASSES, side: int = 48) -> ImageTable:
        rows = []
        for label in classes:
            for patient in range(patients):
                for number in range(each):
                    name = f"{label}_{patient}_{number}"
                    path = tmp_path / "films" / label / f"{name}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(film(len(rows), side)).save(path)
                    rows.append({"image_id": name, "path": str(path), "label": label, "view": "PA", "sex": "F",
                                 "patient_id": f"{label}{patient}", "age": 50.0, "source": "test"})
        return ImageTable(pd.DataFrame(rows))

    return make
