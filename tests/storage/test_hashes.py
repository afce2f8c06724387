"""A part's key follows the code that it is written in, also where that stands in another file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from radversary.detectors.registry import REFERENCE_FREE
from radversary.storage import hashes
from radversary.storage.hashes import code_hash

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
