"""What the source of a class or function declares, read without importing it.

Importing a part may take seconds, for the libraries that it works with; its name, its first sentence and the names of
its hyper-parameters stand in its source. Where the source leaves anything open, nothing is said.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

EMPTY_BASES: Final = {"ABC", "Protocol", "Generic", "object"}
"""Bases of a class that add no hyper-parameter."""

Definition = ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True)
class Declared:
    """What a class or function declares.

    Attributes:
        summary: First line of its docstring; empty where it has none.
        parameters: Names of its parameters, as in a call; None where its source does not tell all of them.
        constants: Attributes of a class that are literals or members of an enumeration: name to the value as text, such
            as ``{"access": "Access.SCORES"}``.
    """

    summary: str = ""
    parameters: frozenset[str] | None = None
    constants: Mapping[str, str] = field(default_factory=dict)


@cache
def declared(place: str) -> Declared | None:
    """Read what a class or function declares.

    Args:
        place: ``module:attribute``.

    Returns:
        The declaration; None where there is no such source, or the name is made otherwise than by ``class`` or ``def``.

    Example:
        >>> found = declared("radversary.core.types:Estimate")
        >>> found.summary, sorted(found.parameters)
        ('A figure with its interval and the number of images behind it.', ['high', 'low', 'n', 'value'])
    """
    module, _, name = place.partition(":")
    if (tree := _source(module)) is None or (found := _definition(tree, name)) is None:
        return None
    text = (ast.get_docstring(found) or "").splitlines()
    constants = {target: ast.unparse(value) for target, value in _assigned(found)}
    return Declared(text[0] if text else "", _parameters(found, module), MappingProxyType(constants))


@cache
def _source(module: str) -> ast.Module | None:
    """Return the parsed source of a module; the packages around it are imported, it is not."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is None or not spec.has_location or spec.origin is None or not spec.origin.endswith(".py"):
            return None
        return ast.parse(Path(spec.origin).read_bytes())
    except Exception:  # a package of a stranger may raise anything as it is imported, or be no Python at all
        return None


def _definition(tree: ast.Module, name: str) -> Definition | None:
    """Return the one definition of a name at the head of a module."""
    found = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name]
    return found[0] if len(found) == 1 else None


def _assigned(found: Definition) -> list[tuple[str, ast.expr]]:
    """Return what the body of a class assigns to a name."""
    body = found.body if isinstance(found, ast.ClassDef) else []
    plain = [(node.targets[0], node.value) for node in body if isinstance(node, ast.Assign) and len(node.targets) == 1]
    noted = [(node.target, node.value) for node in body if isinstance(node, ast.AnnAssign) and node.value is not None]
    return [(target.id, value) for target, value in (*plain, *noted) if isinstance(target, ast.Name)]


def _parameters(found: Definition, module: str) -> frozenset[str] | None:
    """Return the names of the parameters of a call; None where the source leaves any open."""
    if isinstance(found, ast.FunctionDef):
        return _of_function(found)
    if not _is_dataclass(found):
        own = [node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
        plain = not own and not found.decorator_list and {ast.unparse(base) for base in found.bases} <= EMPTY_BASES
        return _of_function(own[0], skip=1) if own else frozenset() if plain else None
    names: frozenset[str] = _fields(found)
    for base in found.bases:
        inherited = _inherited(base, module)
        if inherited is None:
            return None
        names |= inherited
    return names


def _of_function(found: ast.FunctionDef, skip: int = 0) -> frozenset[str] | None:
    """Return a function's parameters; None where it takes any, or is changed by a decorator."""
    given = found.args
    if given.kwarg is not None or found.decorator_list:
        return None
    return frozenset(item.arg for item in [*given.posonlyargs, *given.args, *given.kwonlyargs][skip:])


def _is_dataclass(found: ast.ClassDef) -> bool:
    names = [ast.unparse(mark.func if isinstance(mark, ast.Call) else mark) for mark in found.decorator_list]
    return names in (["dataclass"], ["dataclasses.dataclass"])


def _fields(found: ast.ClassDef) -> frozenset[str]:
    """Return the fields in the body of a dataclass, those without ``init`` among them."""
    return frozenset(node.target.id for node in found.body if isinstance(node, ast.AnnAssign)
                     and isinstance(node.target, ast.Name) and "ClassVar" not in ast.unparse(node.annotation))


def _inherited(base: ast.expr, module: str) -> frozenset[str] | None:
    """Return the parameters that a dataclass inherits from one of its bases; None where they are not known."""
    name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
    if name in EMPTY_BASES:
        return frozenset()
    tree = _source(module)
    if tree is None or "." in name:
        return None
    where = next((node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module
                  and not node.level and any(alias.name == name and not alias.asname for alias in node.names)), module)
    source = _source(where)
    parent = None if source is None else _definition(source, name)
    if not isinstance(parent, ast.ClassDef):
        return None
    if _is_dataclass(parent):
        return _parameters(parent, where)
    further = [_inherited(above, where) for above in parent.bases]  # of a class that is no dataclass, its own bases may
    known = [names for names in further if names is not None]
    return frozenset().union(*known) if len(known) == len(further) else None
