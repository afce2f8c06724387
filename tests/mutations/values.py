"""What a damaged or hostile value may be."""

from __future__ import annotations

import copy
import random
from typing import Any

LONG = "x" * 70_000
NASTY: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    7,
    10**12,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.5,
    1e-300,
    1e308,
    5e-324,
    "",
    "x",
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "yes",
    "2020-13-45",
    "../../etc/passwd",
    "/dev/zero",
    "/",
    "a" * 300,
    LONG,
    "\x1b[31m\x07",
    "[bold red]x[/] :smile:",
    "\u202egnp",
    "name\nerror: x",
    "{{ 7 * 7 }}",
    "<script>",
    "$x$",
    "'; --",
    [],
    {},
    [[]],
    [{}],
    {"a": 1},
    [None],
    ["x"],
    [0.5, 0.5],
    list(range(50)),
)


def deep(rng: random.Random) -> Any:
    """Lists inside lists, or mappings."""
    value: Any = 1
    for _ in range(rng.choice((10, 40, 80, 300))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def nasty(rng: random.Random) -> Any:
    return copy.deepcopy(deep(rng) if rng.random() < 0.05 else rng.choice(NASTY))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a tree of plain values."""
    found = [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found += places(item, (*path, key))
    return found


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def changed_tree(tree: Any, rng: random.Random) -> Any:
    """Plain values with one or two of them changed, moved, doubled or gone."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = changed_once(tree, rng)
    return tree


def some_place(tree: Any, rng: random.Random) -> tuple[Any, ...]:
    """A place on a random way down: what is rare at the top is met as often as one of a thousand figures below."""
    path: tuple[Any, ...] = ()
    value = tree
    while isinstance(value, (dict, list)) and value and (not path or rng.random() < 0.75):
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        path, value = (*path, key), value[key]
    return path


def changed_once(tree: Any, rng: random.Random) -> Any:
    found = places(tree)
    path = some_place(tree, rng) if rng.random() < 0.7 else rng.choice(found)
    if len(path) < 1 or (not path and rng.random() < 0.1):
        return nasty(rng)
    parent, key = at(tree, path[:-1]), path[-1]
    value = parent[key]
    what = rng.random()
    if what < 0.15:
        del parent[key]
    elif what < 0.25 and isinstance(value, (int, float)) and not isinstance(value, bool):
        parent[key] = rng.choice((-value, value * 10**9, value + 0.5, value / 1e12, -1, 0, value + 1, str(value)))
    elif what < 0.35 and isinstance(parent, dict):
        parent[rng.choice((f"{key}x", LONG, "", "\x1b", str(key).upper()))] = parent.pop(key)
    elif what < 0.45 and isinstance(parent, list):
        parent[:] = rng.choice((parent * 2, parent[:1], parent[::-1], [*parent, nasty(rng)], []))
    elif what < 0.55 and isinstance(parent, dict):
        parent[rng.choice(("extra", "sha256", "seed", "options", "x"))] = nasty(rng)
    elif what < 0.65:
        parent[key] = copy.deepcopy(at(tree, rng.choice(found)))
    else:
        parent[key] = nasty(rng)
    return tree
