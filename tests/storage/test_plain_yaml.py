from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radversary.storage.plain_yaml import DEPTH, LIMIT, VALUES, parse_yaml


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "words"), [
    ("a: 1\nb: {c: 1, c: 2}", "line 2: key 'c' stands twice"),
    ("a: !!bool maybe", "line 1: 'maybe' is no bool"),
    ("a: !!int x", "'x' is no int"), ("a: !!int ''", "'' is no int"), ("a: 0x_", "'0x_' is no int"),
    ("a: !!float x", "'x' is no float"),
    ("a: !!timestamp 2020-13-45", "the tag 'timestamp' has no place here"),
    ("a: !!python/object/apply:os.system [true]", "has no place here"),
    ("a: !!binary x", "the tag 'binary'"), ("a: !!set {x}", "the tag 'set'"), ("a: !<tag:x> 1", "the tag 'tag:x'"),
    ("\n1: 2", "line 2: a key must be text, '1' is read as int; put it in quotes"),
    ("yes: 2", "'yes' is read as bool"), ("? [a]\n: b", "is read as seq"),
    ("a: .inf", "no finite number"), ("a: .NaN", "no finite number"), ("a: 1.0e+400", "no finite number"),
    ("a: 9223372036854775808", "beyond all range"), ("a: " + "9" * 5000, "too long for a number"),
    ("a: " + "1:" * 30 + "1", "too long for a number"),
    ("[" * 100_000, f"{DEPTH} levels"), ("- " * 20_000, f"{DEPTH} levels"), ("{a: " * 50_000, f"{DEPTH} levels"),
    ("- x\n" * (VALUES + 1), f"{VALUES} values"), (bomb(), "aliases followed"),
    ("a: &a [*a]", "inside what it is an alias of"), ("a: &a {b: *a}", "inside what it is an alias of"),
    ("<<: 3", "for merging"), ("a: *b", "undefined alias"), ("a: [", "line 1"), ("a: b\n---\nc: d", "another document"),
    ("a: \x1b", "special characters"), ('a: "\\0"', "no text may hold"), ('a: "\\ud800"', "no text may hold"),
    ("#" * (LIMIT + 1), "longer than"),
])
@pytest.mark.timeout(20)
def test_what_no_plan_needs_is_one_sentence(text, words):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the words are looked for below
        parse_yaml(text)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 400


def test_plans_are_read_as_they_always_were():
    assert parse_yaml("a: 2020-01-02\nb: [1, 2.5, yes, null, 010, '7', text]") == {
        "a": "2020-01-02", "b": [1, 2.5, True, None, 8, "7", "text"]}
    assert parse_yaml("x: &x {a: 1, c: 4}\ny:\n  <<: *x\n  a: 3\nz: [*x, *x]") == {
        "x": {"a": 1, "c": 4}, "y": {"a": 3, "c": 4}, "z": [{"a": 1, "c": 4}] * 2}
    assert parse_yaml("") is None
    assert parse_yaml("a: !!str 12") == {"a": "12"}


@pytest.mark.slow
@given(st.text("[]{}:,-?&*!|>'\"%@` \n\tab1.0e#<=~", max_size=60))
def test_whatever_is_written_it_is_values_or_a_sentence(text):
    with contextlib.suppress(ValueError):
        parse_yaml(text)
