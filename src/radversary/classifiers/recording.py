"""Forward hooks that record layer inputs and maps: registered once, inactive outside a recording.

Each pass records into a context of its own, so that several threads may share one module. A module whose features are
never asked for gets no hooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock

from torch import Tensor, nn

EARLY = 3
"""Number of stages whose maps are kept: the shallow ones carry style, deeper ones the finding."""


STAGED = ("features", "_blocks")
"""What DenseNets and EfficientNets call the one part that holds all their stages."""


@dataclass(eq=False)
class Recording:
    """Maps and embedding recorded so far in one pass of a module.

    Attributes:
        module: Whose pass it is; the parts of other modules are not recorded.
        stages: Identities of the parts whose maps are kept.
        dense: Identities of the dense layers.
        last_maps: Spatial size to the last maps of that size, in the order of the sizes' first appearance.
        embedding: What the last dense layer was given, (N, D); None where there is none.
        running: Whether the module's pass has begun and not ended.
    """

    module: nn.Module
    stages: frozenset[int]
    dense: frozenset[int]
    last_maps: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    embedding: Tensor | None = None
    running: bool = False

    @property
    def maps(self) -> tuple[Tensor, ...]:
        """The last maps of each spatial size, shallow to deep, each float32 (N, C, h, w); :data:`EARLY` at most."""
        return tuple(maps.float() for maps in list(self.last_maps.values())[:EARLY])


_CURRENT: ContextVar[Recording | None] = ContextVar("recording", default=None)
_REGISTERING = Lock()


def keep_maps(part: nn.Module, _given: object, made: object) -> None:
    """Record a part's maps (N, C, h, w); later ones of the same size take their place."""
    found = _CURRENT.get()
    if found is None or id(part) not in found.stages:
        return
    if isinstance(made, Tensor) and made.ndim == 4 and min(made.shape[-2:]) > 1:
        found.last_maps[int(made.shape[-2]), int(made.shape[-1])] = made


def keep_embedding(part: nn.Module, given: tuple[object, ...]) -> None:
    """Record what a dense layer is given; the last one called wins."""
    found = _CURRENT.get()
    if found is not None and id(part) in found.dense and given and isinstance(given[0], Tensor):
        found.embedding = given[0].flatten(1)


def stages_of(module: nn.Module) -> list[nn.Module]:
    """Return the parts whose maps are kept.

    Returns:
        The children of ``module.trunk``; of the module where it has none, and those of its child that is called as in
        :data:`STAGED`.
    """
    trunk = getattr(module, "trunk", None)
    if isinstance(trunk, nn.Module):
        return list(trunk.children())
    return [part for name, child in module.named_children()
            for part in ([child, *child.children()] if name in STAGED else [child])]


class DenseInput(nn.Identity):
    """Stands for the dense layers of another library in a module: it is called with what each of them is given."""


def dense_of(module: nn.Module) -> list[nn.Module]:
    """Return the dense layers of a module."""
    return [part for part in module.modules() if isinstance(part, nn.Linear | DenseInput)]


def register_hooks(module: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """Register the hooks on those of a module's parts that have none; returns the parts.

    A pass of another thread is not affected: PyTorch iterates over a snapshot of each part's hooks.

    Args:
        module: The module; a copy of one that had hooks has them too.

    Returns:
        The parts whose maps are kept, and the dense layers.
    """
    stages, dense = stages_of(module), dense_of(module)
    with _REGISTERING:
        for part in stages:
            if keep_maps not in part._forward_hooks.values():
                part.register_forward_hook(keep_maps)
        for part in dense:
            if keep_embedding not in part._forward_pre_hooks.values():
                part.register_forward_pre_hook(keep_embedding)
    return stages, dense


@contextmanager
def recording(module: nn.Module) -> Iterator[Recording]:
    """Record the passes of a module that are announced by :func:`passing` in this thread, within the context.

    Yields:
        What is recorded.
    """
    stages, dense = register_hooks(module)
    found = Recording(module, frozenset(map(id, stages)), frozenset(map(id, dense)))
    token = _CURRENT.set(found)
    try:
        yield found
    finally:
        _CURRENT.reset(token)


@contextmanager
def passing(module: nn.Module) -> Iterator[None]:
    """Announce a pass of a module: a recording sees its own module's pass, and none that is nested inside it."""
    found = _CURRENT.get()
    if found is None:
        yield
    elif found.module is module and not found.running:
        found.running = True
        try:
            yield
        finally:
            found.running = False
    else:
        token = _CURRENT.set(None)
        try:
            yield
        finally:
            _CURRENT.reset(token)
