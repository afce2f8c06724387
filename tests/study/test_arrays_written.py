"""Images in memory are written once, and other images are never taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from radversary.data.registry import DATASETS
from radversary.study.dataset import Dataset


@pytest.mark.slow
def test_the_same_images_in_another_order_are_other_images(tmp_path):
    """Radiographs begin with black rows, and a changed order changes no sum."""
    images = np.zeros((4, 16, 16), dtype=np.uint8)
    images[:, 8:] = np.arange(1, 5, dtype=np.uint8)[:, None, None] * 40
    given = [Dataset(pixels, [0, 1, 0, 1], classes=("Normal", "Sick")) for pixels in (images, images[::-1].copy())]
    paths = []
    for data in (*given, given[0]):
        source = data.source(tmp_path / "work", ("Normal", "Sick"))
        table = DATASETS.create(source["name"], **source["options"]).table(tmp_path / "work")
        paths.append(table.frame["path"].tolist())
    assert paths[0] == paths[2]
    assert not set(paths[0]) & set(paths[1])
