from __future__ import annotations

import json

import pytest
import torch
from tiny_study import training

from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import ModelError
from radversary.defenses.defended import Defended
from radversary.study.model_plan import ModelPlan
from radversary.study.placing import INPUT, load_alone, load_model, note_input, placed


@pytest.fixture
def saved(tmp_path):
    network = build_network("tiny", classes=2, seed=3)
    model = wrap(network, classes=("a", "b"), size=48, name="m", architecture="tiny")
    return save_classifier(model, tmp_path), tmp_path


def test_a_saved_model_stands_behind_the_transforms_of_its_training(saved):
    model, folder = saved
    plan = ModelPlan.model_validate({"training": training(), "input": [{"name": "jpeg", "options": {"quality": 20}}]})
    note_input(plan, folder)
    images = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    loaded = load_model(folder)
    assert isinstance(loaded, Defended)
    assert torch.equal(loaded.scores(images), placed(plan, model).scores(images))
    assert not torch.equal(loaded.scores(images), model.scores(images))


@pytest.mark.slow
def test_a_model_behind_transforms_is_not_looked_into(saved):
    model, folder = saved
    assert load_alone(folder).card == model.card
    note_input(ModelPlan.model_validate({"input": [{"name": "jpeg", "options": {"quality": 20}}]}), folder)
    with pytest.raises(ModelError, match=r"trained behind transforms \(.*JpegCompression\(quality=20.*noted in input"):
        load_alone(folder)


def test_a_model_without_transforms_is_loaded_as_it_is(saved):
    model, folder = saved
    note_input(ModelPlan.model_validate({"input": ["canonical"]}), folder)
    note_input(ModelPlan(), folder)
    assert not (folder / INPUT).exists()
    assert load_model(folder).card == model.card


@pytest.mark.parametrize("note", ["{", "[1]", "{\"name\": 1}"])
def test_a_damaged_note_is_refused(saved, note):
    _, folder = saved
    (folder / INPUT).write_text(note)
    with pytest.raises(ModelError, match="is damaged"):
        load_model(folder)


def test_the_note_names_the_transforms(saved):
    _, folder = saved
    note_input(ModelPlan.model_validate({"input": ["canonical"]}), folder)
    assert [part["name"] for part in json.loads((folder / INPUT).read_text())] == ["canonical"]
