from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_study import FOURIER, make_study, training

from radversary.attacks.registry import ATTACKS as ATTACK_NAMES
from radversary.classifiers.pretrained import PLACE
from radversary.core.errors import MissingPartError, ModelError, PlanError
from radversary.core.types import Access
from radversary.data.prepared import PreparedImages
from radversary.data.table import ImageTable
from radversary.defenses.registry import TRANSFORMS
from radversary.imaging.image import InputRule
from radversary.storage.json_files import read_json, write_json
from radversary.study import models as models_file
from radversary.study.model_folders import claim, known_key, seen_images, training_record
from radversary.study.models import make_model, model_key, training_plan
from radversary.study.training_sets import training_set
from radversary.training.classifier import train as train_file
from radversary.training.data.datasets import MixedTrainingSet
from radversary.training.data.views import ViewedTrainingSet
from random_parts import Climbing, smooth_images, tiny_classifier


def images_of(bits: int | list[int], folder: Path) -> PreparedImages:
    """Twelve prepared images of some depth, or of one each, as a folder of DICOM films gives them."""
    depths = torch.as_tensor(bits).expand(12)
    top = (2**depths - 1).reshape(-1, 1, 1, 1)
    codes = (smooth_images(12) * top).round().numpy().astype(np.uint8 if depths.max() == 8 else np.uint16)
    frame = pd.DataFrame({"image_id": [f"i{n}" for n in range(12)], "path": "x", "label": ["a", "b", "c"] * 4,
                          "patient_id": [f"p{n}" for n in range(12)], "split": ["train"] * 9 + ["test"] * 3,
                          "bits": depths.tolist()})
    return PreparedImages(folder, ImageTable(frame), codes, InputRule(size=codes.shape[-1]), (), "hash")


MIXED = [8, 12, 16] * 4


@pytest.mark.parametrize("bits", [8, 12, 16, MIXED])
def test_training_sees_the_very_pixels_that_the_audit_reads(bits, tmp_path):
    images, plan = images_of(bits, tmp_path), make_study()
    entries = training_set(plan, plan.models["victim"], images, {}, tmp_path)
    seen, labels = entries.fetch(range(9))
    assert torch.equal(seen, images.tensor(entries.rows[:9]))
    assert torch.equal(labels, images.labels[entries.rows[:9]])


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 12, MIXED])
def test_the_adversarial_mix_is_as_bright_as_the_clean_images(bits, tmp_path):
    images, plan = images_of(bits, tmp_path), make_study()
    entries = training_set(plan, plan.models["hardened"], images, {"victim": tiny_classifier()}, tmp_path)
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
    with pytest.raises(PlanError, match="needs model 'victim' first"):
        training_set(plan, plan.models["hardened"], images_of(8, tmp_path), {}, tmp_path)


ATTACKS = [{"label": "styles", "name": "style-transfer", "options": {**FOURIER, "styles": "train"}},
           {"label": "climb", "name": "climbing", "copies": 1, "model": "surrogate"}]


def transfer_study(**changes):
    """A defence trained on styles and on an attack that looks at a surrogate."""
    models = {"victim": {"training": training()}, "surrogate": {"training": training(), "input": ["flip"]},
              "hardened": {"training": training(), "adversarial": {"attacks": ATTACKS, **changes}}}
    return make_study(models=models, defences=[])


@pytest.fixture
def _parts(monkeypatch):
    monkeypatch.setitem(ATTACK_NAMES._own, "climbing", "random_parts:Climbing")
    monkeypatch.setitem(TRANSFORMS._own, "flip", "random_parts:Flip")


@pytest.mark.slow
@pytest.mark.usefixtures("_parts")
def test_each_attack_has_its_copies_its_strength_and_its_model(tmp_path, monkeypatch):
    plan, images, looked_at = transfer_study(views=2, opacity=[1.0, 1.0]), images_of(8, tmp_path), []
    perturb = Climbing.perturb
    monkeypatch.setattr(Climbing, "perturb",
                        lambda self, classifier, *given: looked_at.append(classifier.classifier) or perturb(
                            self, classifier, *given))
    made = {"victim": tiny_classifier(), "surrogate": tiny_classifier(seed=1)}
    entries = training_set(plan, plan.models["hardened"], images, made, tmp_path)
    assert isinstance(entries, ViewedTrainingSet)
    assert [copies.shape[:2] for copies in entries.families] == [(9, 2), (9, 1)]
    assert {path.name for path in tmp_path.iterdir()} == {f"attacked-copies-{label}.{suffix}"
                                                          for label in ("styles", "climb")
                                                          for suffix in ("npy", "json")}
    (surrogate,) = {id(classifier): classifier for classifier in looked_at}.values()
    assert (surrogate.classifier, surrogate.access) == (made["surrogate"], Access.GRADIENTS)
    views, _ = entries.fetch(range(9))
    darker = [(entry, view) for entry in range(9) for view in range(2) if entries.draw(entry, view).family]
    assert darker
    for entry, view in darker:  # an attack of strength 0.5 takes half of the light
        torch.testing.assert_close(views[entry, 1 + view], views[entry, 0] / 2, atol=3e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.usefixtures("_parts")
def test_the_key_follows_the_models_that_are_looked_at(films):
    plan, cards = transfer_study(), {"victim": "1", "surrogate": "2"}

    def key(name: str, **changes: str) -> str:
        made = {other: tiny_classifier() for other in cards}
        for other, classifier in made.items():
            classifier.card = classifier.card.model_copy(update={"sha256": (cards | changes)[other]})
        return model_key(plan, name, films, made)

    assert key("hardened") == key("hardened")
    assert len({key("hardened"), key("hardened", victim="x"), key("hardened", surrogate="x")}) == 3
    assert key("surrogate") == key("surrogate", victim="x")
    with pytest.raises(PlanError, match="'hardened' needs model 'surrogate', which is not made yet"):
        model_key(plan, "hardened", films, {"victim": tiny_classifier()})


@pytest.mark.slow
@pytest.mark.usefixtures("_parts")
def test_what_stands_before_a_network_stands_there_in_training_and_validation(films, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(train_file, "train", lambda _network, **given: seen.update(given))
    plan = make_study(models={"victim": {"training": training(), "input": ["flip"]}}, defences=[])
    make_model(plan, "victim", films, {}, tmp_path, device="cpu")
    for part, name in (("training", "train"), ("validation", "validation")):
        images, _ = seen[part].fetch([0])
        row = seen[part].inner.rows[:1]
        assert row in films.rows(name)
        assert torch.equal(images, films.tensor(row).flip(-1))
    assert "images go through Flip() first" in seen["card"].notes


@pytest.mark.slow
@pytest.mark.usefixtures("_parts")
def test_all_that_a_plan_can_ask_for_trains_and_is_loaded_again(films, tmp_path):
    models = {"victim": {"training": training()},
              "hardened": {"training": training("victim"), "input": ["flip"], "oracle": True,
                           "augmentation": {"name": "affine"}, "adversarial": {"attacks": ATTACKS[:1], "views": 1}}}
    plan = make_study(models=models, defences=[])
    made = {"victim": make_model(plan, "victim", films, {}, tmp_path / "victim", device="cpu")[0]}
    hardened, trained = make_model(plan, "hardened", films, made, tmp_path / "hardened", device="cpu")
    assert trained
    assert hardened.card.notes.startswith("ORACLE")
    again, trained = make_model(plan, "hardened", films, made, tmp_path / "hardened", device="cpu")
    assert (again.card, trained) == (hardened.card, False)
    changed = plan.models["hardened"].model_copy(update={"oracle": False})
    plan = plan.model_copy(update={"models": plan.models | {"hardened": changed}})
    assert make_model(plan, "hardened", films, made, tmp_path / "hardened", device="cpu")[1]


@pytest.fixture
def films(finished_study) -> PreparedImages:
    return PreparedImages.load(finished_study[1] / "data" / "prepared")


def victim_in(folder: Path, films: PreparedImages, **changes) -> bool:
    """Make the victim and return whether it was trained."""
    plan = make_study(models={"victim": {"training": training(**changes)}}, defences=[])
    return make_model(plan, "victim", films, {}, folder, device="cpu")[1]


@pytest.mark.slow
def test_a_folder_that_no_study_wrote_is_left_alone(films, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "inputs.json").write_text("{not json")
    with pytest.raises(PlanError, match="holds files that no study wrote; move them or choose another --out"):
        victim_in(tmp_path, films)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.txt", "inputs.json"}


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_seed_of_a_training_is_that_of_the_study_and_the_name():
    seeds = {training_plan(make_study(seed=seed), name).seed for seed in (1, 2) for name in ("victim", "hardened")}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
    own = make_study(models={"victim": {"training": training(seed=5)}}, defences=[])
    assert training_plan(own, "victim").seed == 5


@pytest.mark.slow
def test_a_model_tells_which_images_it_has_seen(finished_study, films, tmp_path):
    frame, victim = films.table.frame, finished_study[1] / "models" / "victim"
    seen, known = seen_images(victim), frame["split"] != "test"
    assert (set(seen.file_sha256), set(seen.pixels_sha256)) == (set(frame.loc[known, "file_sha256"]),
                                                                set(frame.loc[known, "pixels_sha256"]))
    assert (seen.among(frame), seen.among(frame[~known])) == (known.sum(), 0)
    assert (finished_study[1] / "models" / "hardened" / "training_images.json").is_file()
    assert seen_images(tmp_path) is None
    for content in ([], {"file_sha256": "x"}):
        write_json(tmp_path / "training_images.json", content)
        with pytest.raises(ModelError, match="is damaged"):
            seen_images(tmp_path)
    assert list(seen.file_sha256) == read_json(victim / "training_images.json")["file_sha256"]


@pytest.mark.slow
def test_the_key_follows_start_weights_and_version(films, tmp_path, monkeypatch):
    plan = make_study(models={"victim": {"training": training("imagenet", architecture="resnet18")}}, defences=[])
    monkeypatch.setenv(PLACE, str(tmp_path))
    keys = []
    for content in (b"one", b"two"):
        (tmp_path / "resnet18_imagenet.safetensors").write_bytes(content)
        keys.append(model_key(plan, "victim", films, {}))
    monkeypatch.setattr(models_file, "__version__", "other")
    keys.append(model_key(plan, "victim", films, {}))
    assert len(set(keys)) == 3
    monkeypatch.setenv(PLACE, "")
    monkeypatch.setattr("radversary.classifiers.pretrained._download", lambda _repository: 1 / 0)
    with pytest.raises(MissingPartError, match="no ImageNet weights"):
        model_key(plan, "victim", films, {})


def test_a_folder_whose_notes_are_damaged_is_nobody_s(tmp_path):
    for content in ("{", '"x"', "3", '{"plan": {"phases": [{"name": "../up"}]}, "card": {}, "images": {}}'):
        for name in ("inputs.json", "training.json"):
            (tmp_path / name).write_text(content)
        assert known_key(tmp_path) is None
        assert training_record(tmp_path) is None
        with pytest.raises(PlanError, match="holds files that no study wrote"):
            claim(tmp_path, "0" * 64)
