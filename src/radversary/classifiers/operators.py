"""Which operators a network that comes with its model may use: those that compute on tensors, and nothing else."""

from __future__ import annotations

from typing import Final

import torch
from torch._ops import OpOverload

COMPUTING: Final = frozenset({"aten", "prim", "prims"})
"""Namespaces of PyTorch's own operators on tensors, numbers and lists."""

REFUSED: Final = frozenset({
    "aten::_print", "aten::_test_ambiguous_defaults", "aten::_test_string_default", "aten::from_file",
    "aten::initial_seed", "aten::load", "aten::manual_seed", "aten::save", "aten::seed", "aten::set_data",
    "prim::IgnoredPythonOp", "prim::Print", "prim::PythonOp", "prim::rpc_async", "prim::rpc_remote", "prim::rpc_sync",
})
"""Operators of these namespaces that reach files, other computers, Python, the terminal, or the state of random
generators."""

HIGHER_ORDER: Final = frozenset({"cond", "wrap_with_autocast", "wrap_with_set_grad_enabled"})
"""Operators of an exported program that run a part of its own graph."""

SYMBOLIC: Final = frozenset({
    *(f"_operator.{name}" for name in (
        "add", "and_", "eq", "floordiv", "ge", "getitem", "gt", "le", "lshift", "lt", "mod", "mul", "ne", "neg", "or_",
        "pos", "pow", "rshift", "sub", "truediv")),
    *(f"torch.sym_{name}" for name in ("float", "int", "ite", "max", "min", "not", "sqrt")), "math.trunc"})
"""What an exported program computes on shapes."""


def computes(operator: str) -> bool:
    """Return whether an operator only computes.

    Args:
        operator: Namespace and name, as in ``aten::conv2d``.

    Example:
        >>> [computes(name) for name in ("aten::conv2d", "aten::from_file", "mine::conv2d")]
        [True, False, False]
    """
    namespace, _, name = operator.partition("::")
    return namespace in COMPUTING and bool(name) and operator not in REFUSED


def target_computes(target: str) -> bool:
    """Return whether what a node of an exported program calls only computes.

    Args:
        target: As the program names it.

    Example:
        >>> [target_computes(text) for text in ("torch.ops.aten.relu.default", "torch.os.system", "_operator.getitem")]
        [True, False, True]
    """
    parts = target.split(".")
    if target in SYMBOLIC or target in (f"torch.ops.higher_order.{name}" for name in HIGHER_ORDER):
        return True
    if len(parts) != 5 or parts[:2] != ["torch", "ops"] or parts[2] not in ("aten", "prims"):
        return False
    packet = getattr(getattr(torch.ops, parts[2]), parts[3], None)  # names that are no operator's are attributes of it
    return isinstance(getattr(packet, parts[4], None), OpOverload) and computes(f"{parts[2]}::{parts[3]}")
