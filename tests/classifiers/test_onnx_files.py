"""ONNX files read without a library, against the onnx package; damaged ones, and data files beside them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

from radversary.classifiers.onnx_files import data_files, external_tensors
from radversary.classifiers.registry import load
from radversary.core.errors import ModelError
from random_parts import smooth_images
from tiny_onnx import export, tiny_network, with_card, write_graph

IMAGES = smooth_images(3)
GIVEN = ("given", TensorProto.FLOAT, ("n", 3, 8, 8))
SCORES = ("scores", TensorProto.FLOAT, ("n", 3))


def dense(path):
    """A dense layer over all numbers of an image."""
    weights = np.random.default_rng(2).normal(size=(192, 3)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["given"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["scores"])]
    return write_graph(path, nodes, [GIVEN], [SCORES], [numpy_helper.from_array(weights, "w")], size=8)


def moved(path, location, **entries):
    """The same file whose weights are said to lie elsewhere."""
    model = onnx.load(path, load_external_data=False)
    (tensor,) = model.graph.initializer
    content = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    path.write_bytes(model.SerializeToString())
    return content


@pytest.mark.slow
def test_weights_beside_the_file_as_pytorch_writes_them(tmp_path):
    inside = load(export(tiny_network(), tmp_path / "inside.onnx", dynamo=True))
    path = export(tiny_network(), tmp_path / "beside.onnx", dynamo=True, inside=False)
    data = tmp_path / "beside.onnx.data"
    beside = load(path)
    assert data_files(path) == (data,)
    assert torch.equal(beside.logits(IMAGES), inside.logits(IMAGES))
    content = bytearray(data.read_bytes())
    content[-1] ^= 1  # a bit of one weight
    data.write_bytes(content)
    assert load(path).fingerprint() != beside.fingerprint()
    data.write_bytes(content[:-1])
    with pytest.raises(ModelError, match=r"beside\.onnx\.data is cut: beside\.onnx reads \d+ bytes of it, it has \d+"):
        load(path)
    data.unlink()
    with pytest.raises(ModelError, match=r"keeps weights in 'beside\.onnx\.data', and no such file lies beside it"):
        load(path)


@pytest.mark.parametrize("how", ["../w.bin", "absolute", "link", "sub/../../w.bin", "C:/w.bin", "", "folder"])
def test_no_file_outside_the_folder_is_read(tmp_path, how):
    folder = tmp_path / "model"
    folder.mkdir()
    path = dense(folder / "x.onnx")
    location = str(tmp_path / "w.bin") if how == "absolute" else how
    (tmp_path / "w.bin").write_bytes(moved(path, location))
    (folder / "folder").mkdir()
    if how == "link":
        (folder / "link").symlink_to(tmp_path / "w.bin")
    with pytest.raises(ModelError, match="which is not in its own folder" if how != "folder" else "no such file"):
        load(path)


@pytest.mark.slow
def test_a_folder_below_its_own_is_read(tmp_path):
    path = dense(tmp_path / "x.onnx")
    images = torch.rand(2, 1, 8, 8)
    expected = load(path).logits(images)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(b"1234" * 1024 + moved(path, "data/w.bin", offset=4096, length=2304))
    assert torch.equal(load(path).logits(images), expected)


@pytest.mark.parametrize("length", [10**15, "-1", "many", "9" * 30])
def test_a_length_that_no_file_has(tmp_path, length):
    path = dense(tmp_path / "x.onnx")
    (tmp_path / "w.bin").write_bytes(moved(path, "w.bin", offset=0, length=length))
    with pytest.raises(ModelError, match=r"is cut|is no number"):
        load(path)


def test_weights_are_found_wherever_a_file_may_have_them(tmp_path):
    """In branches, attributes, functions and sparse tensors, as the onnx package finds them."""
    def tensor(name):
        made = numpy_helper.from_array(np.zeros(3, dtype=np.float32), name)
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
        entry = made.external_data.add()
        entry.key, entry.value = "location", f"{name}.bin"
        return made

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    branch = helper.make_graph([helper.make_node("Constant", [], ["x"], value=tensor("branch"))], "b", [], [value],
                               [tensor("inner")])
    sparse = onnx.SparseTensorProto(values=tensor("values"), indices=tensor("indices"), dims=[3])
    nodes = [helper.make_node("If", ["c"], ["x"], then_branch=branch, else_branch=branch),
             helper.make_node("Constant", [], ["s"], sparse_value=sparse)]
    graph = helper.make_graph(nodes, "g", [], [value], [tensor("outer")], sparse_initializer=[sparse])
    function = helper.make_function("mine", "f", [], ["x"], [helper.make_node("Constant", [], ["x"],
                                                                              value=tensor("function"))], [])
    model = helper.make_model(graph, functions=[function])
    found = {each.location for each in external_tensors(memoryview(model.SerializeToString()))}
    assert found == {f"{name}.bin" for name in ("branch", "inner", "values", "indices", "outer", "function")}


def test_the_same_files_as_the_onnx_package_writes(tmp_path):
    path = export(tiny_network(), tmp_path / "x.onnx")
    model = onnx.load(path)
    convert_model_to_external_data(model, all_tensors_to_one_file=False, size_threshold=0, convert_attribute=True)
    (tmp_path / "many").mkdir()
    onnx.save(model, tmp_path / "many" / "x.onnx")
    written = {place.name for place in (tmp_path / "many").iterdir() if place.name != "x.onnx"}
    assert len(written) > 3
    assert {place.name for place in data_files(tmp_path / "many" / "x.onnx")} == written


@pytest.mark.slow
def test_what_is_no_onnx_file_is_one_sentence(tmp_path):
    path = with_card(tmp_path / "x.onnx")
    whole = dense(tmp_path / "whole.onnx").read_bytes()
    for content in (b"", b"hello " * 50, b"\x80\x04pickle", b"\x89HDF\r\n\x1a\n" + bytes(99), bytes(99), whole[:-9],
                    whole[:40], whole[:7] + b"\xff" * 400, b"\x0a" * 5000):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"x\.onnx") as caught:
            load(path)
        assert "\n" not in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelError, match="is no file"):
        load(path)


@pytest.mark.slow
def test_weights_that_do_not_fit_their_shape(tmp_path):
    path = dense(tmp_path / "x.onnx")
    model = onnx.load(path)
    model.graph.initializer[0].dims[0] = 2**40
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"ONNX Runtime .* cannot load"):
        load(path)


def test_deep_nesting_ends_in_a_sentence(tmp_path):
    graph = b""
    for _ in range(300):  # graph in attribute in node in graph
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            graph = tag + varint(len(graph)) + graph
    path = tmp_path / "x.onnx"
    path.write_bytes(b"\x3a" + varint(len(graph)) + graph)
    with pytest.raises(ModelError, match="nested more than 100 deep"):
        data_files(path)


def varint(number):
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


@pytest.mark.slow
@given(place=st.integers(0, 399), byte=st.integers(0, 255), cut=st.integers(0, 400))
def test_any_byte_may_be_damaged(tmp_path_factory, place, byte, cut):
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    if not (kept := tmp_path_factory.getbasetemp() / "kept.onnx").exists():
        dense(kept)
    content = bytearray(kept.read_bytes()[:400] if cut > 200 else kept.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content)
    said = "damaged.onnx"
    try:
        data_files(path)
    except ModelError as error:
        said = str(error)
    assert "damaged.onnx" in said
