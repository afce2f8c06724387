from __future__ import annotations

import inspect
import sys

import pytest

from radversary.attacks.registry import ATTACKS
from radversary.classifiers.networks import NETWORKS
from radversary.core.declared import declared
from radversary.core.errors import UnknownNameError
from radversary.core.registry import Registry
from radversary.data.registry import DATASETS
from radversary.defenses.registry import TRANSFORMS
from radversary.detectors.registry import DETECTORS, REFERENCE_FREE
from radversary.stylization.generators import GENERATORS
from radversary.training.data.augmentation import AUGMENTATIONS

FAMILIES = (ATTACKS, AUGMENTATIONS, DATASETS, DETECTORS, GENERATORS, NETWORKS, REFERENCE_FREE, TRANSFORMS)
PARTS = [pytest.param(family, name, id=f"{family.kind} {name}") for family in FAMILIES for name in family.names()]

PACKAGE = '''
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar
from somewhere import Unknown

raise ImportError("this module needs what is not here")

@dataclass(frozen=True)
class Base:
    """A base."""

    kind: ClassVar[str] = "base"
    first: int = 1

@dataclass
class Child(Base):
    """A child.

    More.
    """

    access = Access.SCORES
    second: float = 2.0

@dataclass
class OfStranger(Unknown):
    third: int = 3

class Plain:
    """Takes what its constructor takes."""

    def __init__(self, *, one: int) -> None: ...

class Loader:
    """A class without a constructor."""

def anything(**options): ...

made = partial(anything, first=1)
'''


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A module that cannot be imported, with parts in it."""
    (tmp_path / "broken_parts.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    return Registry("part", {name.lower(): f"broken_parts:{name}" for name in (
        "Base", "Child", "OfStranger", "Plain", "Loader", "anything", "made")}, group="radversary.none")


@pytest.mark.slow
@pytest.mark.parametrize(("family", "name"), PARTS)
def test_what_the_source_of_each_part_declares_is_what_it_takes(family, name):
    part = family.get(name)
    found = family.declared(name)
    assert found.summary == (part.__doc__ or "").strip().splitlines()[0]
    assert found.parameters == set(inspect.signature(part).parameters)


@pytest.mark.parametrize(("name", "parameters"), [
    ("Base", {"first"}), ("Child", {"first", "second"}), ("Plain", {"one"}), ("Loader", set()),
    ("OfStranger", None), ("anything", None)])
def test_parameters_are_read_where_the_source_tells_all_of_them(broken, name, parameters):
    assert declared(f"broken_parts:{name}").parameters == parameters


def test_a_part_that_cannot_be_imported_still_says_what_it_is(broken):
    found = broken.declared("child")
    assert found.summary == "A child."
    assert dict(found.constants) == {"access": "Access.SCORES", "second": "2.0"}
    assert "broken_parts" not in sys.modules


def test_unknown_names_and_parameters_are_refused_without_an_import(broken):
    broken.check("child", ["first", "second"])
    for free in ("ofstranger", "anything", "made"):
        broken.check(free, ["whatever"])
    with pytest.raises(UnknownNameError, match="unknown part 'chidl'; did you mean 'child'"):
        broken.check("chidl")
    with pytest.raises(UnknownNameError, match="parameter of part 'child' 'secnod'; did you mean 'second'"):
        broken.check("child", ["secnod"])


def test_places_without_a_source_declare_nothing():
    assert declared("nowhere.at.all:Thing") is None
    assert declared("sys:version") is None
    assert declared("radversary.core.types:UNKNOWN") is None
