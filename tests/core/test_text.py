from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radversary.core.errors import DataError, UnknownNameError
from radversary.core.text import HIDDEN, SENTENCE, marked_file_name, printable, quoted, sentence, shortened

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def test_what_a_terminal_obeys_is_written_as_escapes():
    assert printable("\x1b]0;owned\x07") == "\\x1b]0;owned\\x07"
    assert printable("a\u202etxt.exe") == "a\\u202etxt.exe"  # a bidirectional override
    assert printable("a\nerror: b\r\t\u2028") == "a\\nerror: b\\r\\t\\u2028"
    assert printable(b"film\xff.png".decode("utf-8", "surrogateescape")) == "film\\xff.png"
    assert printable("\U000e0041") == "\\U000e0041"  # an invisible tag


def test_names_that_people_have_stay_as_they_are():
    for name in ("Łódź 12 µm", "肺炎", "91.4\N{NARROW NO-BREAK SPACE}%", "ε ≤ 8/255"):
        assert printable(name) == name


@pytest.mark.slow
@given(ANY_TEXT)
def test_nothing_hidden_is_left_and_the_text_can_be_encoded(text):
    shown = sentence(text, 100)
    assert len(shown) <= 100
    assert not [mark for mark in shown if unicodedata.category(mark) in HIDDEN]
    shown.encode("utf-8")


def test_long_text_keeps_its_beginning_and_its_end():
    assert shortened("a" * 10, 10) == "a" * 10
    assert shortened("begin" + "x" * 90_000 + "end", 60).startswith("begin")
    assert shortened("begin" + "x" * 90_000 + "end", 60).endswith("end")


@pytest.mark.slow
def test_values_are_quoted_at_a_sane_length_whatever_they_are():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    for value in (nested, "x" * 10**6, 10**5000, list(range(10**5)), {str(n): n for n in range(10**5)}, {"\x1b": 1}):
        assert len(quoted(value)) <= 80
        assert "\x1b" not in quoted(value)


def test_every_error_is_one_sentence_of_a_sane_length():
    assert str(DataError("a\x1b[31m\nb")) == "a\\x1b[31m\\nb"
    long = UnknownNameError("column", "x" * 70_000, [f"column {number}" for number in range(10_000)])
    assert len(str(long)) <= SENTENCE


def test_no_two_texts_have_one_marked_file_name():
    texts = ["N 1.png", "N_1.png", "n_1.png", "N/1.png", "../N 1.png", "9" * 300, "8" + "9" * 299, "", "..", "\udcff"]
    names = {marked_file_name(text).casefold() for text in texts}
    assert len(names) == len(texts)
    for name in names:
        assert len(name.encode()) <= 90
        assert not set(name) & set("/\\ \0")
