"""The text of an exported program, checked before PyTorch reads it.

``torch.export.load`` takes a file for trusted: it unpickles weights that say so, constants and sample inputs, evaluates
expressions of shapes as Python, resolves what a node calls to any function reachable from ``torch``, and writes names
into Python source that it runs. So a program is reduced here to what it computes with, and every text that is left must
be what it stands for: a name, an operator that only computes, or an expression of shapes.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from radversary.classifiers.operators import target_computes
from radversary.core.errors import ModelError, UnsafeModelError
from radversary.core.text import shortened
from radversary.storage.json_files import parse_json

DROPPED: Final[Mapping[str, Any]] = {"metadata": {}, "guards_code": [], "treespec_namedtuple_fields": {}}
"""Parts that PyTorch keeps for debugging, or runs as Python; nothing is computed with them."""

DOTTED: Final = re.compile(r"[\w.\-]*", re.ASCII)
"""Names of weights and parts of a network."""

SPELLED: Final = re.compile(r"[ -~]{0,200}")
"""A text that an operator is given, such as an interpolation mode."""

TREES: Final = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict"})
"""What a program may take and return."""

FUNCTIONS: Final = frozenset({
    "Abs", "Add", "And", "CeilDiv", "CeilToInt", "CleanDiv", "Eq", "Equality", "Float", "FloatPow", "FloatTrueDiv",
    "FloorDiv", "FloorToInt", "Ge", "GreaterThan", "Gt", "Identity", "IntTrueDiv", "Integer", "LShift", "Le",
    "LessThan", "Lt", "Max", "Min", "Mod", "ModularIndexing", "Mul", "Ne", "Not", "Or", "Pow", "PowByNatural",
    "PythonMod", "RShift", "Rational", "RoundDecimal", "RoundToInt", "StrictGreaterThan", "StrictLessThan", "Symbol",
    "ToFloat", "TruncToFloat", "TruncToInt", "Unequality", "Where"})
"""Functions in expressions of shapes."""

GROWING: Final = frozenset({"FloatPow", "LShift", "Pow", "PowByNatural"})
"""Functions whose second argument must be a small number, so that no expression takes for ever."""

ARITHMETIC: Final = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Call, ast.keyword, ast.Name, ast.Constant,
    ast.Load, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
"""What such expressions are made of."""

LONGEST: Final = 2_000
"""Characters of an expression of shapes, at most."""

NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{0,40})?(e[+-]?\d{1,3})?", re.ASCII)
"""A number that is spelled as a text."""

SMALL: Final = re.compile(r"-?[0-8]|Integer\(-?[0-8]\)", re.ASCII)
"""A small whole number in an expression."""

SYMBOL: Final = re.compile(r"[a-z]\w{0,40}", re.ASCII)
"""The name of a length that is not fixed."""


def checked_program(content: bytes, where: object) -> bytes:
    """Return the text of an exported program, reduced to what it computes with.

    Args:
        content: The JSON that describes the program.
        where: The file, for error texts.

    Raises:
        UnsafeModelError: It calls something that does more than compute, or has a text that could be run as code.
        ModelError: It is damaged.
    """
    return json.dumps(_reduced(_parsed(content, where), "", where)).encode()


def checked_weights(content: bytes, sizes: Mapping[str, int], where: object) -> bytes:
    """Return the table of an exported program's weights or constants, once it leads to plain tensors alone.

    Args:
        content: The JSON of the table.
        sizes: Bytes of the members it may name.
        where: The file, for error texts.

    Raises:
        UnsafeModelError: A tensor is a pickle or an object of other kind, or fills memory beyond what the file holds.
        ModelError: It is damaged.
    """
    table = _parsed(content, where)
    entries = table.get("config")
    if not isinstance(entries, dict):
        raise ModelError(f"{where} is damaged: it has no table of weights")
    for name, entry in entries.items():
        kind = entry.get("path_name") if isinstance(entry, dict) else None
        if not isinstance(kind, str) or entry.get("use_pickle") is not False or not entry.get("tensor_meta"):
            raise UnsafeModelError(f"{where} holds {shortened(name, 80)!r} as a pickle or an object of Python, which "
                                   "can run code when it is loaded; export the network with plain tensors alone")
        if not sizes.get(kind) and _elements(entry["tensor_meta"]):
            raise ModelError(f"{where} is damaged: {shortened(name, 80)!r} has no bytes")
    return json.dumps(_reduced(table, "", where)).encode()


def _parsed(content: bytes, where: object) -> dict[str, Any]:
    try:
        found = parse_json(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where} is damaged: its program is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise ModelError(f"{where} is damaged: its program is no JSON object")
    return found


def _elements(tensor: Mapping[str, Any]) -> int:
    """Return how many numbers a tensor has, 1 where that cannot be told."""
    count = 1
    for size in tensor.get("sizes", ()):
        count *= size.get("as_int", 1) if isinstance(size, dict) else 1
    return count


def _reduced(part: Any, field: str, where: object) -> Any:  # noqa: ANN401
    """Return a part of the JSON without what is dropped, every text in it checked by the field it belongs to."""
    if isinstance(part, dict):
        if part.get("as_operator") or part.get("as_custom_obj"):
            raise UnsafeModelError(f"{where} is given a function or an object of Python; export it with tensors alone")
        for name in part:
            _check(_dotted, name, "a name", where)
        return {name: DROPPED[name] if name in DROPPED else _reduced(value, name, where)
                for name, value in part.items()}
    if field == "module_call_graph" and isinstance(part, list):
        part = [entry for entry in part if isinstance(entry, dict) and entry.get("fqn") == ""]
    if isinstance(part, list):
        return [_reduced(item, field, where) for item in part]
    if isinstance(part, str):
        _check_text(part, field, where)
    return part


def _check_text(text: str, field: str, where: object) -> None:
    if field == "target":
        if not target_computes(text):
            raise UnsafeModelError(f"{where} calls {shortened(text, 80)!r}, which is none of PyTorch's own operators "
                                   "on tensors; programs may compute, and do nothing else")
        return
    check, what = CHECKS.get(field, (_dotted, "a name"))
    _check(check, text, what, where)


def _check(check: Callable[[str], bool], text: str, what: str, where: object) -> None:
    if not check(text):
        raise UnsafeModelError(f"{where} has {shortened(text, 80)!r} where it should have {what}; PyTorch could run it "
                               "as code, so the program is not loaded")


def _dotted(text: str) -> bool:
    return DOTTED.fullmatch(text) is not None and len(text) <= LONGEST


def _name(text: str) -> bool:
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text) and not text.startswith("__")


def _version(text: str) -> bool:
    return re.fullmatch(r"[\w.+\-<=>]{0,80}", text, re.ASCII) is not None


def _tree(text: str) -> bool:
    """Return whether a text describes nested tuples, lists and dicts alone."""
    try:
        version, spec = parse_json(text)
        return isinstance(version, int) and _plain_tree(spec)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return False


def _plain_tree(spec: Mapping[str, Any]) -> bool:
    context = spec["context"]
    known = isinstance(context, str | None) and (context is None or SPELLED.fullmatch(context) is not None)
    return spec["type"] in TREES and known and all(map(_plain_tree, spec["children_spec"]))


def _expression(text: str) -> bool:
    """Return whether a text is arithmetic on lengths, which SymPy may evaluate."""
    if len(text) > LONGEST or not text.isascii():
        return False
    try:
        return all(map(_arithmetic, ast.walk(ast.parse(text, mode="eval"))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        known = isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS
        return known and (node.func.id not in GROWING or _small(node.args[1:]))  # type: ignore[attr-defined]
    if isinstance(node, ast.Name):
        return node.id in FUNCTIONS or SYMBOL.fullmatch(node.id) is not None
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) or (isinstance(node.value, str) and any(
            pattern.fullmatch(node.value) for pattern in (SYMBOL, NUMBER)))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
        return _small([node.right])
    return isinstance(node, ARITHMETIC)


def _small(numbers: Sequence[ast.expr]) -> bool:
    """Return whether there is one number, whole and small."""
    text = ast.unparse(numbers[0]) if len(numbers) == 1 else ""
    return SMALL.fullmatch(text) is not None


CHECKS: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "expr_str": (_expression, "an expression of shapes"),
    "in_spec": (_tree, "a description of its input"),
    "out_spec": (_tree, "a description of its output"),
    "name": (lambda text: text == "" or _name(text), "the name of a value"),
    "as_name": (_name, "the name of a value"),
    "forward_arg_names": (_name, "the name of an argument"),
    "as_string": (lambda text: SPELLED.fullmatch(text) is not None, "a short text"),
    "as_strings": (lambda text: SPELLED.fullmatch(text) is not None, "a short text"),
    "torch_version": (_version, "a version"),
}
"""How a text is checked, by the field it stands in, and what it should be."""
