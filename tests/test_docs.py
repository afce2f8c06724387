"""The documentation says what there is: names, verbs, links, and examples that run."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest
import torch
import typer

from radversary.attacks.registry import ATTACKS
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.registry import CLASSIFIERS
from radversary.cli.main import app
from radversary.data.registry import DATASETS
from radversary.defenses.registry import TRANSFORMS
from radversary.detectors.registry import DETECTORS, REFERENCE_FREE
from radversary.stylization.generators import GENERATORS

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SOURCE = ROOT / "src"
WITH_EXAMPLES = sorted(".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
                       for path in (SOURCE / "radversary").rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
FAMILIES = {"attack": ATTACKS, "generator": GENERATORS, "detector": DETECTORS,
            "reference-free detector": REFERENCE_FREE, "transform": TRANSFORMS,
            "dataset": DATASETS, "architecture": NETWORKS, "kind of model": CLASSIFIERS}
# Taken when the file is read: other tests register parts of their own while they run.
REGISTERED = [(family, name) for family, registry in FAMILIES.items() for name in registry.names()]
# The pages of one's own folder; decisions and results tell a story and need no names.
REFERENCE = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def shown(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_every_registered_name_is_on_a_page():
    assert REGISTERED
    assert not [(family, name) for family, name in REGISTERED if f"`{name}`" not in REFERENCE]


def verbs(command=None, path=()):
    command = command or typer.main.get_command(app)
    inner = getattr(command, "commands", {})
    return [words for name, part in inner.items() for words in verbs(part, (*path, name))] or [path]


def test_every_verb_is_on_a_page():
    text = REFERENCE + (ROOT / "README.md").read_text(encoding="utf-8")
    for words in verbs():
        group = f"radversary {words[0]}"
        assert group in text
        assert all(re.search(rf"{re.escape(group)}.*\b{re.escape(word)}\b", text) for word in words[1:]), words


def python_on_pages():
    """Every block of Python on a page, with the page's name."""
    return [(shown(page), code) for page in PAGES for language, code in FENCE.findall(page.read_text(encoding="utf-8"))
            if language == "python"]


def test_python_on_pages_compiles_and_its_imports_work():
    assert python_on_pages()
    for page, code in python_on_pages():
        compile(code, page, "exec")
        for module, names in re.findall(r"^from (radversary[\w.]*) import ([\w, ]+)", code, re.MULTILINE):
            for name in names.split(","):
                assert hasattr(importlib.import_module(module), name.strip()), f"{page}: {module} has no {name}"


def test_links_on_pages_lead_somewhere():
    missing = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        places = [target.partition("#")[0] for target in LINK.findall(text) if not re.match(r"[a-z]+:", target)]
        missing += [(shown(page), place) for place in places if place and not (page.parent / place).exists()]
    assert not missing


def test_nothing_on_pages_is_left_to_be_written():
    unwritten = re.compile(r"[A-Z]+_PLACEHOLDER|\bTODO\b|\bTBD\b|\bFIXME\b")
    assert not [shown(page) for page in PAGES if unwritten.search(page.read_text(encoding="utf-8"))]


def test_every_folder_is_on_a_page():
    folders = [path.name for path in (SOURCE / "radversary").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert not [folder for folder in folders
                if not (ROOT / "docs" / f"{folder}.md").is_file() and f"{folder}/" not in REFERENCE]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        with torch.random.fork_rng():
            runner.run(test, out=said.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(said)
