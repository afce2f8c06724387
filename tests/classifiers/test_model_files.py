from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from radversary.classifiers.card import ModelCard
from radversary.classifiers.files import load_classifier, refuse_unsafe, save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import ModelError, StorageError, UnknownNameError, UnsafeModelError
from radversary.storage.checksums import sha256_file

CARD = ModelCard(name="mine", architecture="resnet18", classes=("a", "b", "c"), size=32, licence="MIT")
IMAGES = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "mine"
    save_classifier(TorchClassifier(build_network("resnet18", classes=3), CARD), folder)
    return folder


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def edit(model: Path, **changes: object) -> None:
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps({**card, **changes}))


def replace(model: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, model / "model.safetensors")
    edit(model, sha256=sha256_file(model / "model.safetensors"))


@pytest.mark.slow
def test_loads_what_was_saved(saved):
    original = TorchClassifier(build_network("resnet18", classes=3), CARD)
    for path in (saved, saved / "model.safetensors"):
        loaded = load_classifier(path)
        assert torch.equal(loaded.logits(IMAGES), original.logits(IMAGES))
        assert loaded.card.sha256 == sha256_file(saved / "model.safetensors")
        assert loaded.card.model_copy(update={"sha256": ""}) == CARD
        assert all(not weights.is_meta for weights in (*loaded.module.parameters(), *loaded.module.buffers()))


@pytest.mark.slow
def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    save_classifier(load_classifier(saved), tmp_path / "again")
    for name in ("model.safetensors", "card.json"):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.slow
def test_half_precision_weights_become_float32(model):
    replace(model, {key: value.half() if value.is_floating_point() else value
                    for key, value in load_file(model / "model.safetensors").items()})
    assert load_classifier(model).logits(IMAGES).dtype == torch.float32


@pytest.mark.parametrize("ending", [".pt", ".pth", ".pkl", ".ckpt", ".bin", ".joblib", ".PT"])
def test_refuses_by_name_with_the_way_out(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"anything")
    with pytest.raises(UnsafeModelError, match="save_file") as caught:
        load_classifier(path)
    assert len([line for line in str(caught.value).splitlines() if line.startswith("  ")]) == 2


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "pickle", "legacy", "hdf5"])
def test_refuses_by_content(model, kind):
    path = model / "model.safetensors"
    if kind in ("zip", "legacy"):
        torch.save({"a": Bomb()}, path, _use_new_zipfile_serialization=kind == "zip")
    else:
        path.write_bytes(pickle.dumps(Bomb()) if kind == "pickle" else b"\x89HDF\r\n\x1a\n" + bytes(20))
    with pytest.raises(UnsafeModelError):
        load_classifier(model)


def test_a_header_length_that_looks_like_a_pickle_is_fine(tmp_path):
    path = tmp_path / "model.safetensors"
    for padding in range(300):
        save_file({"a": torch.zeros(1)}, path, metadata={"pad": "x" * padding})
        if path.read_bytes().startswith(b"\x80"):
            break
    else:
        pytest.fail("no padding gave the byte")
    refuse_unsafe(path)


def test_a_folder_with_a_pickle_only(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(UnsafeModelError, match=r"pytorch_model\.bin"):
        load_classifier(tmp_path)


@pytest.mark.slow
def test_missing_things_are_named(tmp_path, model):
    with pytest.raises(ModelError, match="there is no model at"):
        load_classifier(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"holds no model\.safetensors"):
        load_classifier(tmp_path / "empty")
    (model / "card.json").unlink()
    with pytest.raises(ModelError, match=r"no card \(model\.card\.json\) beside it"):
        load_classifier(model)


@pytest.mark.parametrize(("content", "text"), [("{", "is not JSON"), ("[]", "one JSON object"),
                                               ("{}", "field required")])
def test_broken_card(model, content, text):
    (model / "card.json").write_text(content)
    with pytest.raises(ModelError, match=text):
        load_classifier(model)


@pytest.mark.slow
def test_changed_weights_are_noticed(model):
    path = model / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged or was changed"):
        load_classifier(model)


def test_truncated_weights(model):
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    edit(model, sha256="")
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        load_classifier(model)


@pytest.mark.slow
def test_unknown_architecture_names_the_nearest(model, tmp_path):
    edit(model, architecture="resnet19")
    with pytest.raises(UnknownNameError, match="did you mean 'resnet18'"):
        load_classifier(model)
    with pytest.raises(ModelError, match="'Flatten' is an unknown architecture; its weights fit no network"):
        save_classifier(wrap(torch.nn.Flatten(), classes=("a", "b"), size=1), tmp_path / "foreign")
    assert not (tmp_path / "foreign").exists()


@pytest.mark.slow
def test_classes_that_are_not_the_heads(model):
    edit(model, classes=["a", "b"])
    with pytest.raises(ModelError, match="names 2 classes, its network gives 3"):
        load_classifier(model)


@pytest.mark.slow
def test_weights_of_another_network(model):
    state = load_file(model / "model.safetensors")
    for change, text in (({"head.0.weight": torch.zeros(2, 2)}, r"'head.0.weight' has shape \(2, 2\)"),
                         ({"extra": torch.zeros(1)}, "'extra' is left over")):
        replace(model, {**state, **change})
        with pytest.raises(ModelError, match=text):
            load_classifier(model)
    replace(model, {key: value for key, value in state.items() if key != "trunk.conv1.weight"})
    with pytest.raises(ModelError, match=r"'trunk.conv1.weight' is missing$"):
        load_classifier(model)


@pytest.mark.slow
def test_full_disk_leaves_no_card(model, monkeypatch):
    classifier = load_classifier(model)

    def full(self: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="no space left"):
        save_classifier(classifier, model)
    assert not (model / "card.json").exists()


def test_a_card_of_one_class_is_refused(model):
    edit(model, classes=["Pneumonia"])
    with pytest.raises(ModelError, match=r"the card of .* is wrong: a classifier needs two classes at least, got Pneu"):
        load_classifier(model)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_names_that_parallel_and_compiled_training_prefix_are_read(model, prefix):
    before = load_classifier(model).logits(IMAGES)
    state = load_file(model / "model.safetensors")
    replace(model, {prefix + name: value for name, value in state.items()})
    assert torch.equal(load_classifier(model).logits(IMAGES), before)
    first = next(iter(state))
    replace(model, {(prefix if name != first else "") + name: value for name, value in state.items()})
    with pytest.raises(ModelError, match=r"layers 'trunk\..* are missing"):
        load_classifier(model)


@pytest.mark.slow
def test_weights_that_are_no_numbers_or_of_another_kind_are_refused(model):
    state = load_file(model / "model.safetensors")
    name = next(key for key, value in state.items() if value.is_floating_point())
    for value, words in ((torch.full_like(state[name], float("nan")), "not a number"),
                         (state[name].long(), r"is of torch\.int64, not of torch\.float32")):
        save_file({**state, name: value}, model / "model.safetensors")
        card = json.loads((model / "card.json").read_text())
        card["sha256"] = sha256_file(model / "model.safetensors")
        (model / "card.json").write_text(json.dumps(card))
        with pytest.raises(ModelError, match=words):
            load_classifier(model)


@pytest.mark.parametrize("content", ['{"name": "a", "name": "b"}', '{"name": NaN}', "[" * 9000, '{"name": "\\ud800"}'])
def test_a_card_that_is_no_strict_json_is_one_sentence(model, content):
    (model / "card.json").write_text(content)
    with pytest.raises(ModelError, match="is not the card of a model, or is damaged"):
        load_classifier(model)


def test_a_card_of_huge_images_is_refused_before_memory_is_taken(model):
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps({**card, "size": 10**6}))
    with pytest.raises(ModelError, match="1000000 pixels a side, more than 4096"):
        load_classifier(model)
