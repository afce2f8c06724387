"""Drafts of cards: what each kind of file tells, what is asked, and that a drafted model loads and answers the same."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from model_server import Asked, ModelServer
from programs_on_disk import Small, exported, scripted, small
from radversary.classifiers.describe import describe
from radversary.classifiers.draft import write_card
from radversary.classifiers.networks import build_network
from radversary.classifiers.registry import CLASSIFIERS, load
from radversary.core.errors import ModelError, UnknownNameError, UnsafeModelError
from random_parts import smooth_images
from tiny_onnx import export, tiny_network

pytestmark = pytest.mark.slow

ANSWERS = {"classes": ("a", "b", "c"), "size": 32, "input_range": (0, 255)}
IMAGES = smooth_images(4)


def weights(classes):
    state = build_network("resnet18", classes=classes).state_dict()
    return {name: value.contiguous() for name, value in state.items()}


def origins(draft):
    return {field.name: field.origin for field in draft.fields}


def without_card(path):
    path.with_name(f"{path.stem}.card.json").unlink()
    return path


class Ending(nn.Module):
    """A network and what it ends in."""

    def __init__(self, function, network=None):
        super().__init__()
        self.network, self.function = network or small(), function

    def forward(self, inputs):
        return self.function(self.network(inputs))


def test_weights_tell_architecture_outputs_and_channels(tmp_path):
    path = tmp_path / "lungs.safetensors"
    save_file(weights(3), path)
    draft = describe(path)
    assert (draft.kind, draft.count, draft.value("architecture")) == ("folder", 3, "resnet18")
    assert list(draft.missing) == ["size", "classes", "input_range"]
    assert origins(draft)["output"] == "probed"
    assert write_card(describe(path, {**ANSWERS, "input_range": "imagenet"})) == tmp_path / "lungs.card.json"
    card = load(path).card
    assert (card.classes, card.mean, card.output) == (("a", "b", "c"), (0.485, 0.456, 0.406), "logits")
    assert len(card.sha256) == 64


def test_weights_of_no_known_network_name_the_nearest(tmp_path):
    state = weights(3)
    del state[next(iter(state))]
    save_file(state, tmp_path / "model.safetensors")
    draft = describe(tmp_path, ANSWERS)
    assert list(draft.missing) == ["architecture", "output"]
    assert "resnet18 is nearest" in draft.remarks[0]


@pytest.mark.parametrize(("function", "output", "missing"), [
    (lambda logits: logits, "logits", []), (lambda logits: logits.softmax(1), "probabilities", []),
    (torch.sigmoid, "probabilities", ["task"])], ids=["logits", "softmax", "sigmoid"])
def test_an_exported_program_tells_its_shape_and_its_last_function(tmp_path, function, output, missing):
    path = without_card(exported(Ending(function), tmp_path / "m.pt2", batch=torch.export.Dim("n")))
    draft = describe(path, {"classes": ANSWERS["classes"], "input_range": (0, 255)})
    assert (draft.count, draft.value("size"), draft.value("output")) == (3, 32, output)
    assert list(draft.missing) == missing
    given = {"classes": ANSWERS["classes"], "input_range": (0, 255), **({"task": "multilabel"} if missing else {})}
    write_card(describe(path, given))
    inputs = (255 * IMAGES).expand(-1, 3, -1, -1)
    assert torch.allclose(load(path).logits(IMAGES), small()(inputs), atol=1e-4)


def test_torchscript_is_tried(tmp_path):
    fixed = without_card(scripted(small(), tmp_path / "free.pt"))
    assert describe(fixed).value("size") is None
    assert describe(fixed).count == 3
    flat = nn.Sequential(nn.Conv2d(1, 2, 3, stride=4), nn.Flatten(), nn.Linear(2 * 24 * 24, 1), nn.Sigmoid())
    draft = describe(without_card(scripted(flat.eval(), tmp_path / "flat.ts")), {"input_range": (-1, 1)})
    assert (draft.count, draft.value("size"), draft.value("output")) == (1, 96, "probabilities")
    assert list(draft.missing) == ["classes", "task"]
    assert tuple(draft.value("mean")) == (0.0,)
    known = describe(tmp_path / "flat.ts", {"input_range": (-1, 1), "classes": ("Normal", "Pneumonia")})
    assert known.value("task") == "binary"
    write_card(known)
    assert load(tmp_path / "flat.ts").logits(torch.rand(2, 1, 96, 96)).shape == (2, 2)


def test_onnx_tells_shape_last_operation_and_labels_of_its_metadata(tmp_path):
    import onnx

    path = without_card(export(nn.Sequential(tiny_network(), nn.Softmax(1)), tmp_path / "m.onnx"))
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"names": "{0: 'x', 1: 'y', 2: 'z'}", "license": "MIT"})
    onnx.save(model, path)
    draft = describe(path, {"input_range": (0, 1)})
    assert draft.value("classes") == ["x", "y", "z"]
    assert (draft.value("output"), draft.value("size")) == ("probabilities", 32)
    assert (draft.value("licence"), origins(draft)["classes"], list(draft.missing)) == ("MIT", "read", [])
    write_card(draft)
    assert load(path).card.classes == ("x", "y", "z")


def test_keras_tells_shape_activation_and_its_own_rescaling(tmp_path):
    from radversary.classifiers.keras_model import keras_on_torch

    keras = keras_on_torch("the tests")
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(2, 3),
                              keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax")])
    model.save(tmp_path / "m.keras")
    draft = describe(tmp_path / "m.keras", {"classes": ("a", "b", "c")})
    assert list(draft.missing) == []
    assert (draft.value("size"), draft.value("output"), draft.value("input_range")) == (
        32, "probabilities", [0.0, 255.0])
    write_card(draft)
    assert load(tmp_path / "m.keras").card.task == "multiclass"


def test_probabilities_are_seen_where_the_file_does_not_say(tmp_path):
    def hidden(logits):
        made = logits.exp()
        return made / made.sum(1, keepdim=True)
    path = without_card(exported(Ending(hidden), tmp_path / "m.pt2"))
    draft = describe(path, {**ANSWERS, "input_range": (0, 1)})
    assert draft.value("output") == "probabilities"
    assert origins(draft)["output"] == "probed"
    assert "sum to 1" in next(field.why for field in draft.fields if field.name == "output")


def test_files_of_the_hub_beside_a_model_are_read(tmp_path):
    save_file(weights(2), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "Normal", "1": "Pneumonia"}, "image_size": 64}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({
        "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3, "do_rescale": True,
        "rescale_factor": 1 / 255, "resample": 3}))
    draft = describe(tmp_path)
    assert list(draft.missing) == []
    card = draft.card()
    assert (card.classes, card.size, card.mean, card.std) == (("Normal", "Pneumonia"), 64, (0.5,) * 3, (0.25,) * 3)
    assert (card.input_range, card.interpolation) == ((0, 1), "bicubic")


def test_what_a_person_says_wins_and_the_contradiction_is_shown(tmp_path):
    path = without_card(exported(small(), tmp_path / "m.pt2"))
    draft = describe(path, {**ANSWERS, "size": 48})
    (size,) = (field for field in draft.fields if field.name == "size")
    assert (size.value, size.origin, size.why) == (48, "answered", "the file says 32")


def test_classes_that_are_not_as_many_as_the_outputs_are_refused(tmp_path):
    path = without_card(exported(small(), tmp_path / "m.pt2"))
    with pytest.raises(ModelError, match=r"has 3 outputs.*--classes or.*--outputs"):
        describe(path, {**ANSWERS, "classes": ("a", "b")}).card()


def test_what_is_missing_is_refused_by_its_option(tmp_path):
    path = without_card(exported(small(), tmp_path / "m.pt2"))
    with pytest.raises(ModelError, match=r"must be given: --classes, --input-range \(the network has 3 outputs\)"):
        describe(path).card()


def test_a_card_is_never_written_over_without_force(tmp_path):
    path = exported(small(), tmp_path / "m.pt2")
    before = (tmp_path / "m.card.json").read_text()
    with pytest.raises(ModelError, match="--force"):
        write_card(describe(path, ANSWERS))
    assert (tmp_path / "m.card.json").read_text() == before
    write_card(describe(path, ANSWERS), force=True)
    assert json.loads((tmp_path / "m.card.json").read_text())["input_range"] == [0.0, 255.0]


def test_what_cannot_be_described_is_refused(tmp_path):
    torch.save(Small().state_dict(), tmp_path / "m.pt")
    with pytest.raises(UnsafeModelError, match="can run code"):
        describe(tmp_path / "m.pt")
    with pytest.raises(ModelError, match="there is no model"):
        describe(tmp_path / "none.pt2")
    with pytest.raises(ModelError, match="Python code"):
        describe("package.module:build")
    with pytest.raises(UnknownNameError, match="did you mean 'classes'"):
        describe(exported(small(), tmp_path / "m.pt2"), {"clases": ("a",)})


def test_a_kind_of_another_package_is_described_by_answers_alone(tmp_path, monkeypatch):
    class Others:
        def recognises(self, reference):
            return reference.endswith(".other")

        def load(self, reference):
            raise AssertionError
    monkeypatch.setattr("test_describe.Others", Others, raising=False)
    monkeypatch.setitem(CLASSIFIERS._own, "other", "test_describe:Others")
    (tmp_path / "m.other").write_bytes(b"x")
    draft = describe(tmp_path / "m.other", {**ANSWERS, "architecture": "o", "output": "logits"})
    assert draft.card().classes == ("a", "b", "c")


def served(asked: Asked):
    if asked.content is None:
        return {"name": "lungs", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 32, 32]}],
                "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]}
    (given,) = asked.content["inputs"]
    means = torch.tensor(given["data"]).float().reshape(given["shape"]).mean((1, 2, 3))
    data = torch.stack([-means, means], 1).flatten().tolist()
    return {"outputs": [{"name": "y", "datatype": "FP32", "shape": [given["shape"][0], 2], "data": data}]}


def test_a_served_model_gets_its_file_from_what_the_server_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ModelServer(served) as server:
        url = f"http://127.0.0.1:{server.port}/v2/models/lungs"
        draft = describe(url, {"classes": ("Normal", "Pneumonia"), "input_range": (0, 255)})
        assert (draft.kind, draft.count, draft.value("size"), draft.value("mean")) == ("http", 2, 32, (0.0,))
        path = write_card(draft)
        assert path.name == "lungs.http.json"
        assert load(path).logits(torch.ones(1, 1, 32, 32)).tolist() == [[-255.0, 255.0]]


def test_a_file_with_an_address_alone_is_completed_and_keeps_what_it_says(tmp_path):
    with ModelServer(served) as server:
        path = tmp_path / "lungs.http.json"
        path.write_text(json.dumps({"url": f"http://127.0.0.1:{server.port}/v2/models/lungs", "timeout": 7.0}))
        write_card(describe(str(path), {"classes": ("Normal", "Pneumonia"), "input_range": (0, 1)}))
        content = json.loads(path.read_text())
        assert (content["timeout"], content["card"]["classes"]) == (7.0, ["Normal", "Pneumonia"])
        assert load(path).card.name == "lungs"
        with pytest.raises(ModelError, match="--force"):
            write_card(describe(str(path), {"classes": ("a", "b"), "input_range": (0, 1)}))
