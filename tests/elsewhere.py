"""A second device that is not there: tensors that say they lie on ``meta``, compute, and never meet those on the CPU.

A machine without an accelerator cannot run on one; what goes wrong on one is that tensors of two places meet in an
operation. Here each such meeting raises as CUDA does: a number (a tensor without dimensions) may come from the CPU, and
so may the indices that a tensor is read at; nothing else.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

ELSEWHERE = torch.device("meta")
"""The name of the second device: one that PyTorch knows everywhere and that nothing here computes on."""

AT_PLACES = ("index", "index_put", "index_put_", "_index_put_impl_")
"""Operations whose indices may come from the CPU."""

MAY_MEET = ("_to_copy", "copy_", *AT_PLACES)
"""Operations that may be given tensors of both places."""


class Elsewhere(torch.Tensor):
    """A tensor on the second device, with its numbers on the CPU out of anyone's sight."""

    numbers: torch.Tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: torch.Tensor) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(
            cls, numbers.size(), strides=numbers.stride(), storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype, layout=numbers.layout, device=ELSEWHERE, requires_grad=False)
        made.numbers = numbers
        return made

    def __repr__(self) -> str:
        return f"Elsewhere({self.numbers!r})"

    def tolist(self) -> Any:
        return self.numbers.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


class Device(TorchDispatchMode):
    """Puts what is made on the second device, or moved there, into :class:`Elsewhere`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


class Literals(TorchFunctionMode):
    """Makes a tensor of Python's numbers on the CPU and moves it: PyTorch drops them where the device is ``meta``."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor):
            return func(*args, **{**kwargs, "device": "cpu"}).to(kwargs.get("device") or "cpu")
        if func is torch.Tensor.new_tensor:
            kwargs = {"dtype": args[0].dtype, "device": args[0].device, **kwargs}
            return self.__torch_function__(torch.tensor, types, args[1:], kwargs)
        if func is torch.Tensor.__getitem__:  # a list of places is a literal too
            chosen = args[1] if isinstance(args[1], tuple) else (args[1],)
            args = (args[0], tuple(torch.tensor(item) if isinstance(item, list) else item for item in chosen))
        return func(*args, **kwargs)


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute an operation on the CPU and say on which device its results lie."""
    flat, _ = tree_flatten((args, kwargs))
    tensors = [item for item in flat if isinstance(item, torch.Tensor)]
    away = [item for item in tensors if isinstance(item, Elsewhere)]
    name = func.overloadpacket.__name__
    if away and name not in MAY_MEET:
        refuse([item for item in tensors if not isinstance(item, Elsewhere)], func)
    if away and name in AT_PLACES:
        refuse([item for item in (args[0], *args[2:3]) if not isinstance(item, Elsewhere | bool)], func)
    device = kwargs.get("device")
    if device is not None and torch.device(device).type == ELSEWHERE.type:
        if kwargs.get("generator") is not None:
            raise RuntimeError(f"{func} draws on another device than its generator's")
        there, kwargs = True, {**kwargs, "device": torch.device("cpu")}
    else:
        there = bool(away) and device is None
    plain_args, plain = tree_map_only(Elsewhere, lambda item: item.numbers, (args, kwargs))
    found = func(*plain_args, **plain)
    if not there:
        return found
    placed = tree_map_only(torch.Tensor, Elsewhere, found)
    return return_and_correct_aliasing(func, args, kwargs, placed) if away and mutates(func) else placed


def mutates(func: Any) -> bool:
    """Return whether an operation writes into one of its arguments, which it then returns."""
    return any(item.alias_info is not None and item.alias_info.is_write for item in func._schema.arguments)


def refuse(tensors: list[torch.Tensor], func: Any) -> None:
    """Refuse tensors on the CPU that are more than a number."""
    if met := [tuple(item.shape) for item in tensors if item.ndim]:
        raise RuntimeError(f"{func} was given a tensor on the CPU {met[0]} beside one on another device")


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Have the second device within the context.

    Yields:
        It.
    """
    forget_networks()
    try:
        # PyTorch knows no half precision by the name of this device, where the models here ask for none.
        with (Device(), Literals(), patch("torch.is_autocast_enabled", return_value=False),
              patch("torch.autocast", lambda *_given, **_options: nullcontext())):
            yield ELSEWHERE
    finally:
        forget_networks()


def forget_networks() -> None:
    """Empty what keeps networks by device: those of this second device and of plain ``meta`` have one name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("radversary."):
            for value in vars(module).values():
                if isinstance(value, functools._lru_cache_wrapper) and "device" in value.__wrapped__.__annotations__:
                    value.cache_clear()
