"""The public surface: what ``radversary.__all__`` names stays, is documented, and costs nothing until it is used."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import radversary

SOURCE = Path(__file__).parents[1] / "src"
PUBLIC = ["ATTACKS", "AuditPlan", "AuditResult", "CLASSIFIERS", "Classifier", "DATASETS", "Dataset", "ModelCard",
          "Progress", "RadversaryError", "StudyPlan", "TRANSFORMS", "attacks", "audit", "evaluate_guard", "fit_guard",
          "load_guard", "load_model", "read_image", "run_study", "save_guard", "save_model", "screen", "wrap",
          "write_report"]
"""A name goes only with a warning first, and together with its place here."""


def test_the_public_names_are_these():
    assert sorted(radversary.__all__) == PUBLIC
    assert set(PUBLIC) <= set(dir(radversary))


def test_each_is_documented_and_where_it_says():
    for name in PUBLIC:
        value = getattr(radversary, name)
        assert getattr(value, "__doc__", None), name
    page = (SOURCE.parent / "docs" / "python.md").read_text(encoding="utf-8")
    assert not [name for name in PUBLIC if f"`{name}`" not in page]


def test_another_name_is_refused_with_those_that_exist():
    with pytest.raises(AttributeError, match=r"has no attribute 'lod'; public are .*, load_guard,"):
        _ = radversary.lod


def test_type_checkers_see_what_is_imported():
    """The table by which names are imported and the imports that type checkers read say the same."""
    source = (SOURCE / "radversary" / "__init__.py").read_text(encoding="utf-8")
    found = re.findall(r"^    from radversary\.?([\w.]*) import (\w+) as (\w+)", source, re.MULTILINE)
    assert {name: (module, own) for module, own, name in found} == {
        name: tuple(place.split(":")) if ":" in place else ("", place) for name, place in radversary._PLACES.items()}


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, radversary; sys.exit(bool({'torch', 'pandas', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_runs_an_audit_imports_no_library_that_it_may_not_need():
    """On two busy cores the imports of an audit took 20 s with them and 4.4 without."""
    heavy = {"monai", "lightning", "torchmetrics", "sklearn", "scipy.stats"}
    code = ("import sys, radversary.auditing.run, radversary.study.audit_model, radversary.study.run; "
            f"print(*{heavy} & set(sys.modules))")
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not ended.stdout.split()


def test_every_module_can_be_imported():
    for path in sorted((SOURCE / "radversary").rglob("*.py")):
        importlib.import_module(".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"))
