from __future__ import annotations

import sys
from decimal import Decimal
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


def test_a_script_adds_a_name_that_nobody_has(numbers):
    numbers.add("decimal", "decimal:Decimal")
    numbers.add("decimal", "decimal:Decimal")
    assert str(numbers.create("decimal", value="1.5")) == "1.5"
    for taken in ("fraction", "decimal"):
        with pytest.raises(PlanError, match=f"number '{taken}' is .* already; choose another name"):
            numbers.add(taken, "statistics:NormalDist")


def test_a_script_may_add_the_class_itself(numbers):
    numbers.add("decimal", Decimal)
    assert numbers.get("decimal") is Decimal
    for nowhere in ("decimal", type("Hidden", (), {"__qualname__": "test.<locals>.Hidden"})):
        with pytest.raises(PlanError, match="expected a class at the head of its module"):
            numbers.add("other", nowhere)


def test_a_part_of_another_package_that_cannot_be_imported_is_one_sentence(numbers, monkeypatch):
    points = [EntryPoint("broken", "no_such_package.parts:Part", "test.numbers"),
              EntryPoint("renamed", "decimal:Decimul", "test.numbers")]
    monkeypatch.setattr(registry_file, "entry_points", lambda group: points)
    for name in ("broken", "renamed"):
        with pytest.raises(MissingPartError, match=f"number '{name}'"):
            numbers.get(name)


def test_numbers_that_no_part_can_have_are_refused_before_it_is_built():
    for value in (-1, 2**63, 0.5, True, "7"):
        with pytest.raises(PlanError, match="seed: a seed is a whole number from 0 to below 2\\^63"):
            PARTS.create("counted", seed=value)
    with pytest.raises(PlanError, match=r"steps: at most 1000000 \(got 1000000000000\)"):
        PARTS.create("counted", steps=10**12)
    assert PARTS.create("counted", seed=2**63 - 1, steps=10**6) == {"seed": 2**63 - 1, "steps": 10**6}
    with pytest.raises(PlanError, match="cannot be built"):
        PARTS.create("counted", steps=0)


def counted(*, seed: int = 0, steps: int = 1) -> dict[str, int]:
    1 / steps
    return {"seed": seed, "steps": steps}


PARTS: Registry[dict] = Registry("part", {"counted": f"{__name__}:counted"}, group="radversary.test_parts")
