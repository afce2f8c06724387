from __future__ import annotations

import json
import os
from typing import Literal

import pytest
from pydantic import Field

from radversary.core.errors import DataError, ModelError
from radversary.core.text import FAULT
from radversary.storage.documents import Document, Seed, Sha256, checked, find_document, read_document
from radversary.storage.json_files import parse_json, read_json, write_json


class Inner(Document):
    figures: tuple[float, ...] = ()
    kind: Literal["a", "b"] = "a"


class Outer(Document):
    name: str
    seed: Seed = 42
    sha256: Sha256 | None = None
    inner: Inner = Inner()
    counts: dict[str, int] = Field(default_factory=dict)


def read(path, **given):
    return read_document(path, Outer, what="a test's record", remedy="make it anew", **given)


def test_a_sound_document_is_read(tmp_path):
    path = write_json(tmp_path / "a.json", {"name": "x", "inner": {"figures": [1, 2.5]}, "counts": {"y": 1}})
    assert read(path) == Outer(name="x", inner=Inner(figures=(1, 2.5)), counts={"y": 1})


@pytest.mark.parametrize(("text", "words"), [
    ("", "it is not JSON, expecting value in line 1"),
    ('{"name": "x"', "it is not JSON"),
    ("[]", "it must hold one JSON object, got []"),
    ('{"name": 3}', "name: input should be a valid string (got 3)"),
    ("{}", "name: field required"),
    ('{"name": "x", "extra": 1}', "extra: extra inputs are not permitted"),
    ('{"name": "x", "name": "y"}', "key 'name' stands twice"),
    ('{"name": "x", "inner": {"figures": [NaN]}}', "NaN is no number"),
    ('{"name": "x", "inner": {"figures": [-Infinity]}}', "-Infinity is no number"),
    ('{"name": "x", "inner": {"figures": [1e400]}}', "the number 1e400 is beyond all range"),
    ('{"name": "x", "inner": {"figures": [true]}}', "inner.figures.0"),
    ('{"name": "x", "inner": {"kind": "c"}}', "inner.kind: input should be 'a' or 'b' (got 'c')"),
    ('{"name": "x", "seed": -1}', "seed: input should be greater than or equal to 0 (got -1)"),
    ('{"name": "x", "seed": 9223372036854775808}', "seed: input should be less than"),
    ('{"name": "x", "seed": "42"}', "seed: input should be a valid integer"),
    ('{"name": "x", "seed": ' + "9" * 5000 + "}", "digits"),
    ('{"name": "x", "sha256": "00"}', "sha256: string should match"),
    ('{"name": "\\ud800"}', "half a surrogate pair"),
    ("[" * 100_000, "nested"),
    ("[" * 300 + "]" * 300, "nested more than 64 deep"),
])
def test_a_damaged_document_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError) as refused:
        read(path)
    said = str(refused.value)
    assert said.startswith(f"{path} is not a test's record, or is damaged: ")
    assert said.endswith("; make it anew")
    assert words in said
    assert find_document(path, Outer) is None


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"name": "\xff"}')
    with pytest.raises(DataError, match="byte 10 is no UTF-8"):
        read(path)
    with pytest.raises(ModelError, match="longer than 4 bytes"):
        read(path, limit=4, error=ModelError)
    with pytest.raises(DataError, match="No such file"):
        read(tmp_path / "none.json")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path)


@pytest.mark.timeout(10)
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DataError, match="no regular file"):
        read(tmp_path / "pipe.json")


def test_a_sentence_stays_short_whatever_is_in_the_file(tmp_path):
    path = tmp_path / "a.json"
    for content in ({"name": ["x" * 70_000]}, {"x" * 70_000: 1}, {"name": "x", "counts": {"k" * 70_000: "\x1b"}}):
        path.write_text(json.dumps(content))
        with pytest.raises(DataError) as refused:
            read(path)
        assert len(str(refused.value)) <= 2 * FAULT + len(str(path)) + 100
        assert "\x1b" not in str(refused.value)


def test_not_a_number_is_one_where_a_document_may_hold_it():
    assert parse_json("[Infinity, -Infinity]", constants=True) == [float("inf"), -float("inf")]
    with pytest.raises(ValueError, match="beyond all range"):
        parse_json("[1e999]", constants=True)


def test_plain_values_are_checked_alike():
    assert checked({"name": "x", "inner": {"figures": (1, 2)}}, Outer, what="a record").inner.figures == (1, 2)
    with pytest.raises(ModelError, match=r"what was given is not a record, or is damaged: name: .* \(got 3\)"):
        checked({"name": 3}, Outer, what="a record", error=ModelError)
    with pytest.raises(ModelError, match="other than plain values"):
        checked({"name": object()}, Outer, what="a record", error=ModelError)


def test_raw_values_are_read_strictly_too(tmp_path):
    (tmp_path / "a.json").write_text("[" * 2000)
    with pytest.raises(ValueError, match="nested"):
        read_json(tmp_path / "a.json")
