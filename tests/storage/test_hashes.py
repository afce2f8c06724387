"""A part's key follows the code that it is written in, also where that stands in another file."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from radversary.attacks.registry import ATTACKS
from radversary.detectors.registry import REFERENCE_FREE
from radversary.storage import hashes
from radversary.storage.hashes import code_hash, component_hash, made_of
from radversary.stylization.generators import GENERATORS, Fourier

PARTS = {"direct": "from {helper} import constant\nclass Part: pass\n",
         "lazy": "class Part:\n    def go(self):\n        import {helper}\n"}


def hash_now(module: str) -> str:
    """Return the hash of a module's ``Part`` as a fresh process would."""
    importlib.invalidate_caches()
    hashes._source.cache_clear()
    hashes._imports.cache_clear()
    return code_hash(importlib.import_module(module).Part)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0].startswith("hashed_")]:
        del sys.modules[name]


@pytest.mark.parametrize("written", PARTS.values(), ids=PARTS)
def test_the_file_beside_a_lone_file_counts(path: Path, written: str):
    (path / "hashed_helper.py").write_text("constant = 1\n")
    (path / "hashed_lone.py").write_text(written.format(helper="hashed_helper"))
    before = hash_now("hashed_lone")
    assert hash_now("hashed_lone") == before
    (path / "hashed_helper.py").write_text("constant = 2\n")
    assert hash_now("hashed_lone") != before


@pytest.mark.parametrize("named", ["from .deep.constants import constant", "from hashed_package.deep import constants",
                                   "import hashed_package.deep.constants", "from .deep import constants"])
def test_a_module_of_the_same_package_counts_however_it_is_imported(path: Path, named: str):
    deep = path / "hashed_package" / "deep"
    deep.mkdir(parents=True)
    (path / "hashed_package" / "__init__.py").write_text("")
    (deep / "__init__.py").write_text("")
    (deep / "constants.py").write_text("constant = 1\n")
    (path / "hashed_package" / "unrelated.py").write_text("x = 1\n")
    (path / "hashed_package" / "part.py").write_text(f"{named}\nclass Part: pass\n")
    before = hash_now("hashed_package.part")
    (path / "hashed_package" / "unrelated.py").write_text("x = 2\n")
    assert hash_now("hashed_package.part") == before
    (deep / "constants.py").write_text("constant = 2\n")
    assert hash_now("hashed_package.part") != before


def test_modules_that_import_each_other_end(path: Path):
    (path / "hashed_one.py").write_text("class Part: pass\nimport hashed_two\n")
    (path / "hashed_two.py").write_text("import hashed_one\n")
    assert len(hash_now("hashed_one")) == 64


def test_a_detector_of_ours_draws_on_its_statistics_and_not_on_the_whole_house():
    drawn_on = hashes._with_imports({REFERENCE_FREE.get("integrity").__module__})
    assert "radversary.detectors.traces" in drawn_on
    assert {name.split(".")[1] for name in drawn_on} == {"detectors"}


@dataclass(frozen=True)
class Whole:
    """A part made of others, whose repr does not show them."""

    held: Any = field(repr=False)


@dataclass(frozen=True)
class Builder:
    """A part that builds another by name when it runs."""

    module: str

    def built_parts(self) -> tuple[Any, ...]:
        return (importlib.import_module(self.module).Part(),)


HOLDERS = {
    "attribute": lambda part: Whole(part()), "list": lambda part: Whole([part()]),
    "mapping": lambda part: Whole({"one": (part(),)}), "class": Whole, "deeper": lambda part: Whole(Whole(part())),
    "method": lambda part: Whole(part().go), "partial": lambda part: Whole(partial(part().go)),
    "network": lambda part: Whole(nn.Sequential(nn.Identity(), part()))}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_the_code_of_a_part_counts_in_what_holds_it(path: Path, holder):
    def hashed(body: int) -> str:
        (path / "hashed_held.py").write_text("from torch import nn\nclass Part(nn.Module):\n"
                                             f"    def go(self):\n        return {body}\n")
        hash_now("hashed_held")
        return component_hash(holder(importlib.import_module("hashed_held").Part))

    assert hashed(1) == hashed(1) != hashed(2)


def test_the_code_of_what_a_part_builds_by_name_counts(path: Path):
    def hashed(body: int) -> str:
        (path / "hashed_built.py").write_text(f"class Part:\n    size = {body}\n")
        hash_now("hashed_built")
        return component_hash(Builder("hashed_built"))

    assert hashed(1) == hashed(1) != hashed(2)


def test_attacks_name_the_generator_and_the_attack_that_they_build(monkeypatch):
    style = ATTACKS.create("style-transfer", generator="fourier")
    assert Fourier in made_of(style)
    assert Fourier in made_of(ATTACKS.create("equal-noise", like={"name": "style-transfer",
                                                                  "options": {"generator": "fourier"}}))
    for name in ("stm", "style-code"):
        assert GENERATORS.get("adain") in made_of(ATTACKS.create(name))


def test_parts_that_hold_each_other_end():
    ring: list[Any] = []
    ring.append(Whole(ring))
    assert made_of(ring) == [list, Whole]
