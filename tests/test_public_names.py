"""The public names as a committed inventory: a name goes only together with its line here.

``python -m tests.test_public_names`` writes the inventory anew.
"""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
INVENTORY = Path(__file__).parent / "public_names.txt"


def public_names() -> list[str]:
    names = []
    for path in sorted((SOURCE / "radversary").rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                names.append(f"{module}:{node.name}")
    return sorted(names)


def test_the_public_names_are_the_committed_ones():
    committed = INVENTORY.read_text(encoding="utf-8").split()
    gone, new = sorted(set(committed) - set(public_names())), sorted(set(public_names()) - set(committed))
    hint = "write tests/public_names.txt anew: python -m tests.test_public_names"
    assert not gone, f"public names are gone: {gone}; {hint}"
    assert not new, f"public names are new: {new}; {hint}"


def test_every_module_can_be_imported():
    import importlib

    for module in {name.partition(":")[0] for name in public_names()}:
        importlib.import_module(module)


if __name__ == "__main__":
    INVENTORY.write_text("\n".join(public_names()) + "\n", encoding="utf-8")
