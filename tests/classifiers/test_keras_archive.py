"""Keras archives that could run code, reach files or unpack without end are refused before Keras opens them."""

from __future__ import annotations

import json
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from late import Late
from radversary.classifiers import keras_archive
from radversary.classifiers.files import load_classifier
from radversary.classifiers.keras_archive import check_archive, parts
from radversary.classifiers.keras_model import keras_on_torch
from radversary.classifiers.registry import load
from radversary.core.errors import ModelError, RadversaryError, UnsafeModelError

keras = Late(lambda: keras_on_torch("the tests"))
layers = Late(lambda: keras.layers)
CARD = {"name": "m", "architecture": "keras", "classes": ["a", "b"], "size": 8, "mean": [0] * 3, "std": [1] * 3}


def dense(*more):
    return keras.Sequential([keras.Input((8, 8, 3)), *more, layers.Flatten(), layers.Dense(2)])


def saved(model, folder, name="m"):
    model.save(folder / f"{name}.keras")
    (folder / f"{name}.card.json").write_text(json.dumps(CARD))
    return folder / f"{name}.keras"


@pytest.fixture
def path(tmp_path):
    return saved(dense(), tmp_path)


def rewritten(path, change=None, **members):
    """The same archive with another configuration, or with other members."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        config = json.loads(content["config.json"])
        change(config)
        content["config.json"] = json.dumps(config).encode()
    content |= {name.replace("__", "."): value for name, value in members.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            if value is not None:
                archive.writestr(name, value)
    return path


@pytest.mark.slow
def test_an_ordinary_model_passes(path):
    check_archive(path)
    load(path)
    check_archive(rewritten(path))  # packed anew, as by another program
    load(path)


def test_a_lambda_is_refused_by_name(tmp_path):
    path = saved(dense(layers.Lambda(lambda x: x * 2, name="double")), tmp_path)
    with pytest.raises(UnsafeModelError, match=r"has a Lambda \('double'\), which can run code .* export it to ONNX"):
        load(path)


def test_a_pytorch_module_in_it_is_refused(tmp_path):
    """Keras keeps one as a pickle."""
    import torch

    path = saved(dense(layers.TorchModuleWrapper(torch.nn.ReLU())), tmp_path)
    with pytest.raises(UnsafeModelError, match="has a TorchModuleWrapper"):
        load(path)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("part", [
    {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "l"}, "registered_name": None},
    {"module": None, "class_name": "Lambda", "config": {}},
    {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
    {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/somewhere"}},
    {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
    {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"},
    {"module": "keras.models", "class_name": "function", "config": "load_model", "registered_name": "load_model"},
    {"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"},
    {"module": "keras.src.utils.python_utils", "class_name": "function", "config": "func_load"},
    {"module": "keras.src.backend.torch.core", "class_name": "function", "config": "convert_to_tensor"},
])
def test_what_can_run_code_or_read_files_is_refused_wherever_it_hides(path, part, depth):
    def hide(config):
        place = config["config"]["layers"][-1]["config"]
        place["activation" if depth else "kernel_initializer"] = {"deep": [part]} if depth else part

    with pytest.raises(UnsafeModelError) as caught:
        load(rewritten(path, hide))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("part", "says"), [
    ({"module": "my_code.layers", "class_name": "Attention", "config": {}, "registered_name": "mine>Attention"},
     "needs 'mine>Attention', which is not Keras' own"),
    ({"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}, "needs 'system'"),
    ({"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": "mine>Dense"}, "'mine>Dense'"),
    ({"module": "keras_hub.layers", "class_name": "X", "config": {}, "registered_name": None}, "'keras_hub.layers.X'"),
])
def test_what_is_not_keras_own_is_named(path, part, says):
    def put(config):
        config["config"]["layers"][1] = part

    with pytest.raises(ModelError, match=says):
        load(rewritten(path, put))


def test_a_custom_class_is_named(tmp_path):
    @keras.saving.register_keras_serializable(package="clinic")
    class Windowing(layers.Layer):
        def call(self, inputs):
            return inputs * 2

    with pytest.raises(ModelError, match=r"needs 'clinic>Windowing', which is not Keras' own: its code is not in the"):
        load(saved(dense(Windowing()), tmp_path))


def test_how_it_was_trained_does_not_matter(tmp_path):
    model = dense()
    model.compile("adam", loss=lambda truth, said: said, metrics=["accuracy"])
    load(saved(model, tmp_path))


@pytest.mark.slow
def test_a_model_in_a_model_that_was_compiled(tmp_path):
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1)])
    inner.compile("adam", "mse")
    load(saved(dense(inner), tmp_path))


def test_weights_that_lie_in_another_file(path, tmp_path):
    """HDF5 files can lead to others; Keras refuses them."""
    (tmp_path / "other.bin").write_bytes(np.ones((192, 2), dtype=np.float32).tobytes())
    with zipfile.ZipFile(path) as archive:
        (tmp_path / "w.h5").write_bytes(archive.read("model.weights.h5"))
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        group = file["layers/dense/vars"]
        del group["0"]
        group.create_dataset("0", (192, 2), dtype="f4", external=[(str(tmp_path / "other.bin"), 0, 1536)])
    with pytest.raises(ModelError, match=r"Keras .* cannot load .*m\.keras.*external"):
        load(rewritten(path, model__weights__h5=(tmp_path / "w.h5").read_bytes()))


def test_sizes_that_no_model_has(path, monkeypatch):
    monkeypatch.setattr(keras_archive, "EXPANSION", (10**6, 20))
    with pytest.raises(UnsafeModelError, match="unpack to 2000000, as no weights do"):
        load(rewritten(path, model__weights__h5=bytes(2_000_000)))
    with pytest.raises(UnsafeModelError, match="which leads outside the archive"):
        load(rewritten(path, model__weights__h5=None, **{"../../evil": b"x"}))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" + bytes(50), b"anything" * 99])
def test_what_is_no_archive_is_one_sentence(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.keras is no Keras 3 archive, or is damaged"):
        load(path)


@pytest.mark.parametrize("config", [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 5000, b'{"class_name": 3}',
                                    b'{"class_name": "Nothing", "module": "keras.layers", "config": {}}',
                                    b'{"class_name": "Sequential", "module": "keras", "config": {"layers": 1}}'])
def test_a_damaged_configuration_is_one_sentence(path, config):
    with pytest.raises(ModelError, match=r"m\.keras") as caught:
        load(rewritten(path, config__json=config))
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ModelError, match=r"expected config\.json"):
        load(rewritten(path, config__json=None))


def test_missing_things_are_named(path, tmp_path):
    with pytest.raises(ModelError, match=r"there is no model at .*absent\.keras"):
        load(tmp_path / "absent.keras")
    (tmp_path / "m.card.json").unlink()
    with pytest.raises(ModelError, match=r"m\.keras has no card \(m\.card\.json\) beside it"):
        load(path)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
       keep=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_any_byte_may_be_damaged(tmp_path_factory, places, keep):
    folder = tmp_path_factory.getbasetemp() / "damage"
    if not folder.exists():
        folder.mkdir()
        (folder / "whole").write_bytes(saved(dense(), folder).read_bytes())
    content = bytearray((folder / "whole").read_bytes())
    for place, byte in places:
        content[int(place * len(content))] = byte
    (folder / "m.keras").write_bytes(content[:int(keep * len(content))])
    said = ""
    try:
        load(folder / "m.keras")
    except RadversaryError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


def test_parts_are_found_in_lists_and_objects():
    inner = {"class_name": "B"}
    assert [part["class_name"] for part in parts([{"x": {"class_name": "A", "config": {"y": [[inner]]}}}, 3])] == [
        "A", "B"]


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "M.H5"])
def test_an_older_keras_file_is_refused_with_the_way_out(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    with pytest.raises(UnsafeModelError, match=r"Keras 3 archive .* or convert it to ONNX with tf2onnx") as caught:
        load(tmp_path / name)
    assert f"keras.saving.load_model({name!r}).save('{name[0]}.keras')" in str(caught.value)
    with pytest.raises(UnsafeModelError, match=r"[mM]\.(h5|hdf5|H5)"):
        load_classifier(tmp_path)


def test_a_saved_model_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(UnsafeModelError, match="is a TensorFlow SavedModel") as caught:
        load(tmp_path / "served")
    assert "python -m tf2onnx.convert --saved-model 'served' --output 'served.onnx'" in str(caught.value)
