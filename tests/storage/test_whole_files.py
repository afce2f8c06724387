from __future__ import annotations

import errno
import hashlib
import json
import os

import pytest

from radversary.core.errors import StorageError
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.files import storage_errors, write_text, write_whole
from radversary.storage.json_files import read_json, write_json


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_text(tmp_path / "deep" / "a.txt", "old")

    def half(part):
        part.write_text("ha")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_whole(path, half)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_a_refusing_disk_is_one_sentence(tmp_path, number):
    def full(part):
        part.write_text("ha")
        raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError, match=r"cannot write .*a\.bin: .*resumes"):
        write_whole(tmp_path / "a.bin", full)
    assert names(tmp_path) == []


def test_permission_is_one_sentence(tmp_path):
    with pytest.raises(StorageError, match="permission denied"), storage_errors(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_file_in_the_place_of_a_folder_is_one_sentence(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="taken"):
        write_text(tmp_path / "taken" / "a.txt", "x")
    with pytest.raises(StorageError, match="taken"):
        write_text(tmp_path / "taken" / "deeper" / "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="folder"):
        write_text(tmp_path / "folder", "x")


def test_other_errors_of_the_system_pass(tmp_path):
    with pytest.raises(InterruptedError), storage_errors(tmp_path):
        raise InterruptedError(errno.EINTR, "interrupted")


def test_files_are_readable_by_others(tmp_path):
    assert write_text(tmp_path / "a.txt", "x").stat().st_mode & 0o777 == 0o644


def test_json_is_sorted_finite_and_read_back(tmp_path):
    content = {"b": [1, 2.5], "a": "ä"}
    path = write_json(tmp_path / "a.json", content)
    assert read_json(path) == content
    assert list(json.loads(path.read_text())) == ["a", "b"]
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert names(tmp_path) == ["a.json"]


def test_hashes(tmp_path):
    path = write_text(tmp_path / "a.txt", "hello")
    assert sha256_file(path) == hashlib.sha256(b"hello").hexdigest()
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})
    assert sha256_json({"a": 1}) != sha256_json({"a": "1"})
