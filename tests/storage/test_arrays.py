from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from radversary.core.errors import DataError, ModelError
from radversary.storage.arrays import open_array, read_tensors

CODES = np.arange(48, dtype=np.uint8).reshape(3, 1, 4, 4)


@pytest.fixture
def array(tmp_path):
    np.save(tmp_path / "a.npy", CODES)
    return tmp_path / "a.npy"


def opened(path, dtypes=("uint8", "uint16"), shape=(3, 1, 4, 4)):
    return open_array(path, dtypes=dtypes, shape=shape, remedy="make it anew")


def test_a_whole_array_is_mapped(array):
    assert np.array_equal(opened(array), CODES)
    np.save(array, CODES.astype(np.uint16))
    assert opened(array).dtype == np.uint16


def header(text: str) -> bytes:
    padded = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode()


@pytest.mark.parametrize(("change", "words"), [
    (lambda content: content[:-1], "175 bytes"),
    (lambda content: content + b"\0", "177 bytes"),
    (lambda content: content[:100], "no array"),
    (lambda content: b"", "no array"),
    (lambda content: b"PK\x03\x04" + content, "no array"),
    (lambda content: content[:6] + b"\x09" + content[7:], "no array"),
    (lambda content: header("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 1, 4, 4), }"), "of shape"),
    (lambda content: header("{'descr': '|u1', 'fortran_order': True, 'shape': (3, 1, 4, 4), }") + bytes(48), "shape"),
    (lambda content: header("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 1, 4, 4), }"), "'float64' numbers"),
    (lambda content: header("{'descr': '|O', 'fortran_order': False, 'shape': (3, 1, 4, 4), }"), "'object' numbers"),
    (lambda content: header("{'descr': '|u1', 'fortran_order': False, 'shape': (-3, 1, 4, 4), }"), "of shape"),
    (lambda content: header("((((((("), "no array"),
    (lambda content: header("{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (3, 1, 4, 4), }"), "numbers"),
])
def test_an_array_other_than_its_header_is_refused_before_it_is_mapped(array, change, words):
    array.write_bytes(change(array.read_bytes()))
    with pytest.raises(DataError, match=words) as refused:
        opened(array)
    assert str(refused.value).endswith("; make it anew")


def test_an_absent_array_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        opened(tmp_path / "none.npy")


@pytest.fixture
def tensors(tmp_path):
    save_file({"a": torch.ones(3), "b": torch.zeros(2, 2, dtype=torch.int64)}, tmp_path / "t.safetensors")
    return tmp_path / "t.safetensors"


def test_whole_tensors_are_read(tensors):
    assert sorted(read_tensors(tensors, error=ModelError)) == ["a", "b"]


def declared(size: int, shape: list[int]) -> bytes:
    text = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


@pytest.mark.parametrize("change", [
    lambda content: content[:-1], lambda content: content + b"\0", lambda content: b"", lambda content: b"\xff" * 40,
    lambda content: struct.pack("<Q", 2**50) + content[8:], lambda content: content[:8] + b"[" * (len(content) - 8),
    lambda content: declared(2**42, [2**40]), lambda content: declared(8, [2**62, 2**62]),
    lambda content: declared(8, [-2]), lambda content: declared(8, [1]),
    lambda content: declared(8, [1]).replace(b"[0, 8]", b"[    ]"),
    lambda content: declared(8, [1]).replace(b"8]", b"x]")])
def test_damaged_tensors_are_refused(tensors, change):
    tensors.write_bytes(change(tensors.read_bytes()))
    with pytest.raises(ModelError, match="is not a readable safetensors file"):
        read_tensors(tensors, error=ModelError)


def test_tensors_that_are_not_numbers_are_refused(tensors):
    save_file({"weight": torch.tensor([1.0, float("nan")])}, tensors)
    with pytest.raises(ModelError, match=r"not a number, in 'weight'; train anew"):
        read_tensors(tensors, error=ModelError, remedy="train anew")


def test_tensors_in_a_folder_whose_name_is_not_utf8_are_read(tmp_path):
    folder = tmp_path / os.fsdecode(b"model\xfe")
    folder.mkdir()
    (folder / "w.safetensors").write_bytes(save({"a": torch.arange(6.0).reshape(2, 3)}))
    read = read_tensors(folder / "w.safetensors", error=ModelError)
    assert read["a"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    (folder / "w.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(ModelError, match="is not a readable safetensors file"):
        read_tensors(folder / "w.safetensors", error=ModelError)
