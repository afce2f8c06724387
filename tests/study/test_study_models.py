from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_study import make_study, training

from radversary.classifiers.pretrained import PLACE
from radversary.core.errors import MissingPartError, ModelError, PlanError
from radversary.core.files import read_json, write_json
from radversary.data.prepared import PreparedImages
from radversary.data.table import ImageTable
from radversary.study import models as models_file
from radversary.study.models import make_model, model_key, seen_images, training_plan, training_set
from radversary.training.datasets import MixedTrainingSet
from random_parts import smooth_images, tiny_classifier


def images_of(bits: int, folder: Path) -> PreparedImages:
    """Twelve prepared images of some depth, as a folder of DICOM films gives them."""
    codes = (smooth_images(12) * (2**bits - 1)).round().numpy().astype(np.uint8 if bits == 8 else np.uint16)
    frame = pd.DataFrame({"image_id": [f"i{n}" for n in range(12)], "path": "x", "label": ["a", "b", "c"] * 4,
                          "patient_id": [f"p{n}" for n in range(12)], "split": ["train"] * 9 + ["test"] * 3})
    return PreparedImages(folder, ImageTable(frame), codes, bits, (), "hash")


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_training_sees_the_very_pixels_that_the_audit_reads(bits, tmp_path):
    images, plan = images_of(bits, tmp_path), make_study()
    entries = training_set(plan, plan.models["victim"], images, None, tmp_path)
    seen, labels = entries.fetch(range(9))
    assert torch.equal(seen, images.tensor(entries.rows[:9]))
    assert torch.equal(labels, images.labels[entries.rows[:9]])


@pytest.mark.parametrize("bits", [8, 12])
def test_the_adversarial_mix_is_as_bright_as_the_clean_images(bits, tmp_path):
    images, plan = images_of(bits, tmp_path), make_study()
    entries = training_set(plan, plan.models["hardened"], images, tiny_classifier(), tmp_path)
    assert isinstance(entries, MixedTrainingSet)
    mixed, _ = entries.fetch(range(9))
    draws = [entries.draw(entry)[0] for entry in range(9)]
    assert any(draws)
    assert not all(draws)
    clean = images.tensor(entries.rows[:9])
    for opacity, one, other in zip(draws, mixed, clean, strict=True):
        assert torch.equal(one, other) if not opacity else 0.3 < one.mean() / other.mean() < 3


def test_adversarial_training_needs_a_victim(tmp_path):
    plan = make_study()
    with pytest.raises(PlanError, match="needs the victim first"):
        training_set(plan, plan.models["hardened"], images_of(8, tmp_path), None, tmp_path)


@pytest.fixture
def films(finished_study) -> PreparedImages:
    return PreparedImages.load(finished_study[1] / "data" / "prepared")


def victim_in(folder: Path, films: PreparedImages, **changes) -> bool:
    """Make the victim and return whether it was trained."""
    plan = make_study(models={"victim": {"training": training(**changes)}}, defences=[])
    return make_model(plan, "victim", films, {}, folder, device="cpu")[1]


def test_a_folder_that_no_study_wrote_is_left_alone(films, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "inputs.json").write_text("{not json")
    with pytest.raises(PlanError, match="holds files that no study wrote; move them or choose another --out"):
        victim_in(tmp_path, films)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.txt", "inputs.json"}


def test_a_changed_training_removes_what_the_old_one_wrote_and_nothing_else(films, tmp_path):
    assert victim_in(tmp_path, films)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "best.ckpt").write_text("mine")
    assert not victim_in(tmp_path, films)
    phase = {"name": "other", "trunk": "trained", "epochs": 1, "learning_rate": 1e-2}
    assert victim_in(tmp_path, films, phases=[phase])
    assert (tmp_path / "notes" / "best.ckpt").read_text() == "mine"
    assert not (tmp_path / "all").exists()
    assert (tmp_path / "other").is_dir()


def test_a_removal_that_was_stopped_is_finished(films, tmp_path, monkeypatch):
    victim_in(tmp_path, films)
    whole = (tmp_path / "model.safetensors").read_bytes()

    def stopping(path: Path, **_options: object) -> None:
        if path.name == "curves.json":
            raise KeyboardInterrupt
        unlink(path, missing_ok=True)

    unlink = Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stopping)
        with pytest.raises(KeyboardInterrupt):
            victim_in(tmp_path, films, batch_size=16)
    assert victim_in(tmp_path, films)
    assert (tmp_path / "model.safetensors").read_bytes() == whole


def test_the_seed_of_a_training_is_that_of_the_study_and_the_name():
    seeds = {training_plan(make_study(seed=seed), name).seed for seed in (1, 2) for name in ("victim", "hardened")}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
    own = make_study(models={"victim": {"training": training(seed=5)}}, defences=[])
    assert training_plan(own, "victim").seed == 5


def test_a_model_tells_which_files_it_has_seen(finished_study, films, tmp_path):
    frame = films.table.frame
    seen = seen_images(finished_study[1] / "models" / "victim")
    assert seen == set(frame.loc[frame["split"] != "test", "file_sha256"])
    assert not seen & set(frame.loc[frame["split"] == "test", "file_sha256"])
    assert (finished_study[1] / "models" / "hardened" / "training_images.json").is_file()
    assert seen_images(tmp_path) is None
    for content in ([], {"file_sha256": "x"}):
        write_json(tmp_path / "training_images.json", content)
        with pytest.raises(ModelError, match="is damaged"):
            seen_images(tmp_path)
    assert seen == set(read_json(finished_study[1] / "models" / "victim" / "training_images.json")["file_sha256"])


def test_the_key_follows_start_weights_and_version(films, tmp_path, monkeypatch):
    plan = make_study(models={"victim": {"training": training("imagenet", architecture="resnet18")}}, defences=[])
    monkeypatch.setenv(PLACE, str(tmp_path))
    keys = []
    for content in (b"one", b"two"):
        (tmp_path / "resnet18_imagenet.safetensors").write_bytes(content)
        keys.append(model_key(plan, "victim", films, None))
    monkeypatch.setattr(models_file, "__version__", "other")
    keys.append(model_key(plan, "victim", films, None))
    assert len(set(keys)) == 3
    monkeypatch.setenv(PLACE, "")
    monkeypatch.setattr("radversary.classifiers.pretrained._download", lambda _repository: 1 / 0)
    with pytest.raises(MissingPartError, match="no ImageNet weights"):
        model_key(plan, "victim", films, None)
