from __future__ import annotations

import inspect

import pytest

from radversary.core import errors
from radversary.core.errors import (
    DataError,
    InputError,
    MissingColumnError,
    RadversaryError,
    UnknownNameError,
    UnreadableImageError,
)


def test_the_tree_at_the_head_of_the_file_is_the_tree_in_it():
    classes = {name: kind for name, kind in vars(errors).items()
               if inspect.isclass(kind) and issubclass(kind, RadversaryError)}
    drawn, path = {}, []
    for line in errors.__doc__.splitlines():
        words = line.lstrip("│├└─ ").split()
        if words and words[0].endswith("Error"):
            path = [*path[: line.index(words[0]) // 4], words[0]]
            drawn[words[0]] = path[-2] if len(path) > 1 else "Exception"
    assert drawn == {name: kind.__bases__[0].__name__ for name, kind in classes.items()}


@pytest.mark.parametrize(("given", "hint"), [("stlye", "did you mean 'style'?"), ("IDENTITY", "Known: identity, style"),
                                             ("zzz", "Known: identity, style"), ("", "unknown attack ''")])
def test_unknown_name_gives_the_nearest_or_all(given, hint):
    error = UnknownNameError("attack", given, iter(["style", "identity"]))
    assert hint in str(error)
    assert error.known == ("identity", "style")


def test_unknown_name_without_any_known():
    assert str(UnknownNameError("attack", "x", [])) == "unknown attack 'x'. Known: none"


def test_missing_column_names_table_column_and_nearest():
    text = str(MissingColumnError("films.csv", "lable", ["path", "label"]))
    assert text == "films.csv has no column 'lable'; did you mean 'label'? (columns: path, label)"
    assert "did you mean" not in str(MissingColumnError("films.csv", "label", ["x"]))


def test_unreadable_image_is_a_data_error_that_knows_its_file():
    error = UnreadableImageError("a.png", "truncated")
    assert isinstance(error, DataError)
    assert isinstance(error, InputError)
    assert (error.path, error.reason, str(error)) == ("a.png", "truncated", "cannot read a.png: truncated")
