"""YAML within limits: plain values, each key once, limited size and depth."""

from __future__ import annotations

import math
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from radversary.core.text import quoted, shortened

LIMIT = 2**20
"""Characters of a document at most."""
DEPTH = 32
"""Lists and mappings inside each other at most."""
VALUES = 20_000
"""Values at most, those that an alias repeats counted each time."""
DIGITS = 40
"""Characters of a number at most."""
LARGEST = 2**63
"""Whole numbers lie below this, and not below minus this."""

_TAG = "tag:yaml.org,2002:"
KINDS = frozenset(f"{_TAG}{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map", "merge"))
"""Tags of allowed values: dates stay text; no bytes, sets or Python objects."""


def parse_yaml(text: str) -> Any:  # noqa: ANN401
    r"""Parse one YAML document into plain values: None, bool, int, float, str, list and dict.

    Dates stay text. Anchors, aliases and merge keys are followed as far as the whole stays small.

    Args:
        text: The document.

    Returns:
        Its values; keys are text.

    Raises:
        ValueError: It is not YAML, holds a key twice, a key that is no text, a tag, a number beyond all range, or is
            too long, too deep or too large; the text says which, and in which line.

    Example:
        >>> parse_yaml("day: 2020-13-45\nsteps: [1, 2.5, yes]")
        {'day': '2020-13-45', 'steps': [1, 2.5, True]}
        >>> parse_yaml("a: 1\na: 2")
        Traceback (most recent call last):
        ValueError: line 2: key 'a' stands twice in one mapping
    """
    if len(text) > LIMIT:
        raise ValueError(f"it is longer than {LIMIT} characters")
    try:
        return _Loader(text).get_single_data()
    except _RefusedError as error:
        raise ValueError(str(error)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{line}{shortened(' '.join(str(error.problem or error.context).split()), 200)}") from error
    except yaml.YAMLError as error:  # a character that no document may hold
        raise ValueError(shortened(" ".join(str(error).split()), 200)) from error


class _RefusedError(ValueError):
    """What is refused, and where."""

    def __init__(self, node: Node, what: str) -> None:
        super().__init__(f"line {node.start_mark.line + 1}: {what}")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, whose nodes are counted and checked while they are composed."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and kind
        first: [(tag, pattern) for tag, pattern in resolvers if tag in KINDS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.level = self.count = 0
        self.sizes: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Compose a node; its depth and the number of its values stay within limits."""
        self.level, self.count = self.level + 1, self.count + 1
        alias = self.check_event(yaml.AliasEvent)
        if self.level > DEPTH or self.count > VALUES:
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise ValueError(f"line {line}: more than {VALUES} values or {DEPTH} levels")
        node: Node = super().compose_node(parent, index)  # type: ignore[assignment]
        self.level -= 1
        if not alias:
            self.sizes[id(node)] = self._measure(node)
        if id(node) not in self.sizes:
            raise _RefusedError(node, "an alias stands inside what it is an alias of")
        values, depth = self.sizes[id(node)]
        if values > VALUES or self.level + depth > DEPTH:
            raise _RefusedError(node, f"more than {VALUES} values or {DEPTH} levels, aliases followed")
        return node

    def _measure(self, node: Node) -> tuple[int, int]:
        """Return how many values a node holds, and how deep they lie."""
        inner = node.value if not isinstance(node, ScalarNode) else []
        parts = [part for item in inner for part in (item if isinstance(item, tuple) else (item,))]
        sizes = [self.sizes[id(part)] for part in parts]
        return 1 + sum(values for values, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)

    def compose_mapping_node(self, anchor: Any) -> MappingNode:  # noqa: ANN401
        """Compose a mapping, each of whose keys is text and stands once."""
        node: MappingNode = super().compose_mapping_node(anchor)
        known = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode) or key.tag not in (f"{_TAG}str", f"{_TAG}merge"):
                kind = shortened(key.tag.removeprefix(_TAG), 40)
                raise _RefusedError(key, f"a key must be text, {quoted(key.value)} is read as {kind}; put it in quotes")
            if key.value in known:
                raise _RefusedError(key, f"key {quoted(key.value)} stands twice in one mapping")
            known.add(key.value)
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - PyYAML's signature
        """Make a value of a node; what has a tag of another kind, or is no value of its kind, is refused."""
        kind = shortened(node.tag.removeprefix(_TAG), 40)
        if node.tag not in KINDS:
            raise _RefusedError(node, f"the tag {quoted(kind)} has no place here; write the value alone")
        if kind in ("int", "float") and len(node.value) > DIGITS:
            raise _RefusedError(node, f"{quoted(node.value)} is too long for a number")
        try:
            value = super().construct_object(node, deep)
        except (KeyError, IndexError, AttributeError, TypeError, OverflowError, ValueError) as error:
            if isinstance(error, _RefusedError):
                raise
            raise _RefusedError(node, f"{quoted(node.value)} is no {kind}") from error
        if fault := _unfit(value):
            raise _RefusedError(node, f"{quoted(value)} {fault}")
        return value


def _unfit(value: Any) -> str:  # noqa: ANN401
    """Say why a plain value has no place in a document; nothing where it has one."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is no finite number"
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        return f"is beyond all range, whole numbers lie below {LARGEST}"
    if isinstance(value, str) and any(mark == "\0" or "\ud800" <= mark <= "\udfff" for mark in value):
        return "holds a character that no text may hold"
    return ""
