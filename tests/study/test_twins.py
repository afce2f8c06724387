"""A model with another card reads images as that card says, whatever its kind; the model is left as it was."""

from __future__ import annotations

import copy

import pytest
import torch

from model_server import ModelServer
from programs_on_disk import exported, scripted, small
from programs_on_disk import write_card as written
from radversary.classifiers.card import ModelCard
from radversary.classifiers.http_files import Served
from radversary.classifiers.http_model import HttpClassifier
from radversary.classifiers.keras_model import keras_on_torch
from radversary.classifiers.registry import load
from radversary.classifiers.torch_module import wrap
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from radversary.study.model_check.subject import with_card
from random_parts import smooth_images
from tiny_onnx import export, tiny_network

IMAGES = smooth_images(3)
OTHER = {"input_range": (-1.0, 1.0), "mean": (0.1,) * 3, "std": (0.5,) * 3}


def keras_file(folder, **card):
    keras = keras_on_torch("the tests")
    keras.utils.set_random_seed(0)
    path = folder / "m.keras"
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 3, activation="relu"),
                      keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]).save(path)
    return written(path, **card)


KINDS = {"exported": lambda folder, **card: exported(small(), folder / "m.pt2", batch=torch.export.Dim("n"), **card),
         "torchscript": lambda folder, **card: scripted(small(), folder / "m.ts", **card),
         "onnx": lambda folder, **card: export(tiny_network(), folder / "m.onnx", **card),
         "keras": keras_file}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_twin_answers_as_the_model_with_that_card_does(tmp_path, kind):
    model = load(KINDS[kind](tmp_path))
    before = model.logits(IMAGES)
    twin = with_card(model, model.card.model_copy(update=OTHER))
    (tmp_path / "other").mkdir()
    wanted = load(KINDS[kind](tmp_path / "other", input_range=[-1, 1], mean=[0.1] * 3, std=[0.5] * 3)).logits(IMAGES)
    assert torch.equal(twin.logits(IMAGES), wanted)
    assert not torch.allclose(wanted, before)
    assert torch.equal(model.logits(IMAGES), before)
    copied = copy.copy(model)
    copied.card = twin.card
    assert torch.equal(copied.logits(IMAGES), wanted)


def test_a_twin_of_a_module_answers_likewise_also_behind_a_defence():
    model = wrap(small(), classes=("a", "b", "c"), size=32)
    wanted = wrap(model.module, classes=("a", "b", "c"), size=32, **OTHER)
    assert torch.equal(with_card(model, wanted.card).logits(IMAGES), wanted.logits(IMAGES))
    behind = Defended(model, JpegCompression(quality=75))
    twin = with_card(behind, wanted.card)
    assert torch.equal(twin.logits(IMAGES), Defended(wanted, JpegCompression(quality=75)).logits(IMAGES))
    assert behind.classifier is model
    assert model.card.mean != wanted.card.mean


def test_a_twin_of_a_served_model_sends_what_its_card_says():
    def answer(asked):
        means = [float(torch.tensor(image).float().mean()) for image in asked.content["instances"]]
        return {"predictions": [[mean, 0.0] for mean in means]}
    card = ModelCard(name="m", architecture="served", classes=("a", "b"), size=4, input_range=(0, 1), mean=(0.0,),
                     std=(1.0,))
    with ModelServer(answer) as server:
        model = HttpClassifier(Served(url=f"http://127.0.0.1:{server.port}/predict", card=card))
        white = torch.ones(1, 1, 4, 4)
        twin = with_card(model, card.model_copy(update={"input_range": (0.0, 255.0)}))
        assert (twin.logits(white)[0, 0].item(), model.logits(white)[0, 0].item()) == (255, 1)
