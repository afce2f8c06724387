"""Images for an audit from Python: what is given is what is written, and what is wrong is one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from radversary.core.errors import DataError
from radversary.data.reading import read_image
from radversary.study.dataset import Dataset

FILMS = np.random.default_rng(0).integers(0, 256, (4, 20, 24), dtype=np.uint8)


def written(data: Dataset, folder, classes=("Normal", "Sick")) -> pd.DataFrame:
    path = data.source(folder, classes)["options"]["path"]
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return frame.assign(file=[folder / path.split("/")[-2] / name for name in frame["path"]])


@pytest.mark.parametrize("given", [FILMS, FILMS[:, None], torch.from_numpy(FILMS), FILMS / np.float32(255)])
def test_images_in_memory_are_written_as_they_are(given, tmp_path):
    frame = written(Dataset(given, [0, 1, -1, 1], patients=list("ppqr")), tmp_path)
    assert frame["label"].tolist() == ["Normal", "Sick", "", "Sick"]
    assert frame["patient_id"].tolist() == list("ppqr")
    for film, file in zip(FILMS, frame["file"], strict=True):
        np.testing.assert_array_equal((read_image(file).pixels[0] * 255).round(), film)


def test_a_loader_gives_images_and_labels(tmp_path):
    batches = [(torch.from_numpy(FILMS[:3]), torch.tensor([0, 1, 1])), (torch.from_numpy(FILMS[3:]), torch.tensor([0]))]
    assert written(Dataset(batches), tmp_path)["label"].tolist() == ["Normal", "Sick", "Sick", "Normal"]


def test_findings_keep_what_is_not_known(tmp_path):
    frame = written(Dataset(FILMS, [[1, 0], [-1, 1], [0, -1], [0, 0]]), tmp_path, ("Mass", "Edema"))
    assert frame["finding:Mass"].tolist() == ["1", "", "0", "0"]
    assert frame["finding:Edema"].tolist() == ["0", "1", "", "0"]


def test_names_may_lack_where_nothing_is_known(tmp_path):
    assert written(Dataset(FILMS, ["Sick", None, "Normal", "Sick"]), tmp_path)["label"].tolist() == [
        "Sick", "", "Normal", "Sick"]


def test_a_path_is_recognised_as_on_the_command_line(tmp_path):
    assert Dataset("films", labels="none", patient_pattern="p(.)").source(tmp_path, ()) == {
        "name": "auto", "options": {"root": "films", "labels": "none", "options": {"patient_pattern": "p(.)"}}}


@pytest.mark.parametrize(("given", "labels", "words"), [
    (FILMS, 3, "one label an image is needed, got 1 for 4"), (FILMS, [0, 1], "got 2 for 4 images"),
    (FILMS, [0.5, 0, 1, 1], "class indices from 0 to 1"), (FILMS, [0, 1, 2, 0], "class indices from 0 to 1"),
    (FILMS.astype(np.int32), None, "unsigned integers of 8 or 16 bits"), (FILMS[0], None, "images are"),
    (np.full((1, 4, 4), np.nan), None, "floats in"), ([], None, "no batch")])
def test_what_is_wrong_is_one_sentence(given, labels, words, tmp_path):
    with pytest.raises(DataError, match=words):
        Dataset(given, labels).source(tmp_path, ("Normal", "Sick"))


def test_what_is_said_of_a_path_in_the_wrong_place_is_refused():
    with pytest.raises(DataError, match="its table names them"):
        Dataset("films", patients=["p"])
