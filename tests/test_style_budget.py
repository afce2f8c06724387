"""The style budget of docs/developers.md, measured with the standard library's parser."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).parents[1] / "src" / "radversary"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions() -> list[ast.FunctionDef]:
    return [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, Function)]


def code_lines(node: ast.FunctionDef) -> int:
    length = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node, clean=False) is None:
        return length
    return length - (node.body[0].end_lineno - node.body[0].lineno + 1)


def test_functions_are_short():
    lengths = [code_lines(node) for node in functions()]
    assert np.percentile(lengths, 50) <= 8
    assert np.percentile(lengths, 90) <= 28
    assert np.mean([length > 50 for length in lengths]) <= 0.02


def test_files_are_short():
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in FILES]
    lengths = [length for length in lengths if length >= 5]
    assert np.percentile(lengths, 50) <= 150
    assert np.percentile(lengths, 90) <= 350


def test_core_stays_small():
    core = [path for path in FILES if path.parent.name == "core" and path.name != "__init__.py"]
    assert len(core) <= 12
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in core) <= 1_800


def test_boolean_defaults_are_rare():
    every = functions()
    flags = sum(isinstance(default, ast.Constant) and isinstance(default.value, bool)
                for node in every for default in [*node.args.defaults, *node.args.kw_defaults])
    assert 100 * flags / len(every) <= 5


def test_public_definitions_are_documented():
    found = [(path, node) for path in FILES for node in public_definitions(TREES[path].body)]
    assert len(found) > 500
    assert not [place(path, node) for path, node in found if not ast.get_docstring(node)]


def test_every_argument_is_annotated():
    own = ("self", "cls")
    assert not [f"{place(path, node)}({argument.arg})" for path, tree in TREES.items() for node in ast.walk(tree)
                if isinstance(node, Function) and node.name != "__getitem__"
                for argument in [*node.args.args, *node.args.kwonlyargs]
                if argument.annotation is None and argument.arg not in own]


def place(path: Path, node: ast.FunctionDef | ast.ClassDef) -> str:
    return f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}"


def public_definitions(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.ClassDef]:
    found = []
    for node in body:
        if isinstance(node, (*Function, ast.ClassDef)) and not node.name.startswith("_"):
            found.append(node)
            if isinstance(node, ast.ClassDef):
                found += public_definitions(node.body)
    return found


def test_no_module_is_called_utils():
    assert not [path for path in FILES if path.stem in ("utils", "util", "helpers", "misc", "common")]
