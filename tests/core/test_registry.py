from __future__ import annotations

import sys
from fractions import Fraction
from importlib.metadata import EntryPoint

import pytest

from radversary.core import registry as registry_file
from radversary.core.errors import MissingPartError, PlanError, UnknownNameError
from radversary.core.registry import Registry


@pytest.fixture
def numbers() -> Registry[object]:
    return Registry("number", {"fraction": "fractions:Fraction", "lazy": "colorsys:rgb_to_hsv"}, group="test.numbers")


def test_parts_are_imported_on_use(numbers, monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    numbers.get("fraction")
    assert "colorsys" not in sys.modules
    numbers.get("lazy")
    assert "colorsys" in sys.modules


def test_unknown_names_and_parameters_give_the_nearest(numbers):
    with pytest.raises(UnknownNameError, match="unknown number 'fractoin'; did you mean 'fraction'"):
        numbers.get("fractoin")
    with pytest.raises(UnknownNameError, match="unknown parameter of number 'fraction' 'numerater'; did you mean"):
        numbers.create("fraction", numerater=1)


def test_refused_values_are_plan_errors(numbers):
    with pytest.raises(PlanError, match="number 'fraction' cannot be built"):
        numbers.create("fraction", numerator="not a number")


def test_other_packages_add_names_but_replace_none(numbers, monkeypatch):
    points = [EntryPoint("decimal", "decimal:Decimal", "test.numbers"),
              EntryPoint("fraction", "decimal:Decimal", "test.numbers")]
    monkeypatch.setattr(registry_file, "entry_points", lambda group: points if group == "test.numbers" else [])
    assert numbers.names() == ["decimal", "fraction", "lazy"]
    assert numbers.get("fraction") is Fraction
    assert str(numbers.create("decimal", value="1.5")) == "1.5"


def test_a_part_of_another_package_that_cannot_be_imported_is_one_sentence(numbers, monkeypatch):
    points = [EntryPoint("broken", "no_such_package.parts:Part", "test.numbers"),
              EntryPoint("renamed", "decimal:Decimul", "test.numbers")]
    monkeypatch.setattr(registry_file, "entry_points", lambda group: points)
    for name in ("broken", "renamed"):
        with pytest.raises(MissingPartError, match=f"number '{name}'"):
            numbers.get(name)
