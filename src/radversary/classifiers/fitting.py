"""From weights of any layout that is known to the network that they fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from radversary.classifiers.card import ModelCard
from radversary.classifiers.layout import Layout
from radversary.classifiers.networks import LAYOUTS, NETWORKS, TRAINABLE, spellings
from radversary.classifiers.operating_points import OPERATING_POINTS, operating_faults
from radversary.classifiers.outputs import widths
from radversary.classifiers.pretrained import COUNTER, describe_misfits
from radversary.core.errors import MissingPartError, ModelError

Shape = tuple[int, ...]

NEAR: Final = 0.5
"""The least share of layers that agree for a layout to be called the nearest."""


class Fit(NamedTuple):
    """Weights beside the network of one name that they were laid on.

    Attributes:
        name: The network's name.
        network: On the meta device, without weights.
        state: The weights under the names that the network gives its layers.
        misfits: How they differ, in words; empty where they fit.
        share: Share of layers that agree, of all that either has; BatchNorm's counters do not count.
    """

    name: str
    network: nn.Module
    state: dict[str, Tensor]
    misfits: str
    share: float


def fit(weights: Mapping[str, Tensor], card: ModelCard, where: str) -> tuple[nn.Module, ModelCard]:
    """Build the network that a card names and give it weights.

    Args:
        weights: Layer to weights, in our own layout or one of :data:`radversary.classifiers.networks.LAYOUTS`; a common
            prefix, BatchNorm's counters and the name of the last dense layer do not matter.
        card: The model's card.
        where: Where they come from, for error texts.

    Returns:
        The network, and the card with the network's full name; a network of another library's layout ends with its
        dense layer, so that its card says logits.

    Raises:
        ModelError: They fit no network of that name, or not what the card says of channels and outputs.
        UnknownNameError: There is none of that name.
    """
    best = best_of([lay(name, weights, card) for name in spellings(card.architecture)])
    if best.misfits:
        raise ModelError(f"{where} does not hold the weights of {card.architecture}: {best.misfits}"
                         f"{_nearer(weights, card, best)}")
    layout, expected = _layout(best.name), best.network.state_dict()
    _check_outputs(best.state, expected, card, where)
    if layout is not None and (fault := _layout_fault(layout, best.state, card)):
        raise ModelError(f"the weights of {where} do not go with its card: {fault}")
    _check_types(best.state, expected, f"{where} does not hold the weights of {card.architecture}")
    best.network.load_state_dict({key: _single(value) for key, value in best.state.items()}, assign=True)
    changes = {"architecture": best.name, **({"output": "logits"} if layout is not None else {})}
    return best.network, card.model_copy(update=changes)


def lay(name: str, weights: Mapping[str, Tensor], card: ModelCard) -> Fit:
    """Lay weights on the network of a name, whether they fit or not.

    The network is built with as many outputs and input channels as the weights have, where the layout leaves both open.

    Args:
        name: A registered name.
        weights: Layer to weights.
        card: Says how many outputs there are where the weights do not.

    Raises:
        MissingPartError: A library that the network needs is absent.
    """
    layout, outputs = _layout(name), widths(card)[-1]
    if layout is None:
        network = _on_meta(name, classes=outputs)
        state = unprefixed(weights, {key.partition(".")[0] for key in network.state_dict()})
        rows = _rows(state, network)
        return _compared(name, network if rows in (None, outputs) else _on_meta(name, classes=rows), state)
    state = {layout.respelt(key): value for key, value in unprefixed(weights, {layout.root}).items()}
    shapes = _shapes(state)
    options = {"channels": shapes.get(f"{layout.first}.weight", (0, 3))[1], "like": shapes}
    network = _on_meta(name, classes=outputs, **options)
    state = _with_head(state, network)
    rows = _rows(state, network)
    return _compared(name, network if rows in (None, outputs) else _on_meta(name, classes=rows, **options), state)


def best_of(tries: Sequence[Fit]) -> Fit:
    """Return the one that fits, else the nearest, else the first: a few layers of equal shape say nothing."""
    return max(tries, key=lambda found: (not found.misfits, found.share if found.share >= NEAR else 0.0))


def nearest(weights: Mapping[str, Tensor], card: ModelCard) -> Fit | None:
    """Return the registered network that most layers of some weights agree with; None where no half of them do."""
    found = []
    for name in (*TRAINABLE, *LAYOUTS):
        layout = _layout(name)
        if layout is not None and f"{layout.first}.weight" not in unprefixed(weights, {layout.root}):
            continue
        try:
            found.append(lay(name, weights, card))
        except MissingPartError:  # a library that this one network needs
            continue
    best = best_of(found)
    return best if best.share >= NEAR else None


def weight_facts(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what weights say of their network: architecture, outputs, channels.

    Args:
        weights: Layer to weights.

    Returns:
        Facts as in :mod:`radversary.classifiers.facts`; where no registered network fits, the nearest in a remark.

    Example:
        >>> from radversary.classifiers.networks import build_network
        >>> weight_facts(build_network("resnet18", classes=4).state_dict())
        {'architecture': 'resnet18', 'count': 4, 'planes': 3}
    """
    any_card = ModelCard(name="any", architecture="any", classes=("a", "b"), size=1)
    best = nearest(weights, any_card)
    if best is None or best.misfits:
        near = "no known architecture comes near" if best is None else f"{best.name} is nearest: {best.misfits}"
        return {"remarks": [f"the weights fit no known architecture ({near})"]}
    rows, planes = _rows(best.state, best.network), [
        value.shape[1] for key, value in best.state.items() if key.endswith("weight") and value.ndim == 4][:1]
    found: dict[str, Any] = {"architecture": best.name, "count": rows, "planes": planes[0] if planes else 3}
    if OPERATING_POINTS in best.state:
        found["remarks"] = ["its outputs are calibrated to the operating points in its weights, each of which is 0.5"]
    return found


def unprefixed(state: Mapping[str, Tensor], roots: Iterable[str] = ()) -> dict[str, Tensor]:
    """Return weights without what stands before the name of every one.

    ``DataParallel`` puts ``module.`` there, ``torch.compile`` ``_orig_mod.``, and a module that holds the network in an
    attribute the attribute's name. Numbers are left: what else an ``nn.Sequential`` holds has no weights and counts.

    Args:
        state: Layer to weights; operating points may lie outside the network that they calibrate.
        roots: First parts of layers' names that belong to the network.

    Example:
        >>> list(unprefixed({"module.head.weight": torch.zeros(1), "module.head.bias": torch.zeros(1)}, ["head"]))
        ['head.weight', 'head.bias']
    """
    points = [key for key in state if key.rpartition(".")[2] == OPERATING_POINTS][:1]
    found = {key: value for key, value in state.items() if key not in points}
    kept = set(roots)
    while len(first := {key.partition(".")[0] for key in found}) == 1:
        (root,) = first
        if root in kept or root.isdecimal() or not all("." in key for key in found):
            break
        found = {key.removeprefix(f"{root}."): value for key, value in found.items()}
    return {OPERATING_POINTS: state[points[0]].flatten(), **found} if points else found


def _layout(name: str) -> Layout | None:
    """Return the layout of a name; None where it is a network of our own kind."""
    part: object = NETWORKS.get(name)
    return part if isinstance(part, Layout) else None


def _on_meta(name: str, **options: object) -> nn.Module:
    # No memory is spent on random weights that are replaced at once.
    with torch.device("meta"):
        return NETWORKS.create(name, **options)


def _rows(state: Mapping[str, Tensor], network: nn.Module) -> int | None:
    """Return how many outputs the last of some weights has; None where they are not there."""
    last = state.get(_last(network.state_dict()))
    return int(last.shape[0]) if last is not None and last.ndim and last.shape[0] else None


def _last(expected: Mapping[str, Tensor]) -> str:
    return list(expected)[-1]


def _with_head(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the last dense layer the network's name for it, where exactly one such layer is left over."""
    expected = network.state_dict()
    bias = _last(expected)
    head, width = bias.removesuffix(".bias"), expected[bias.removesuffix("bias") + "weight"].shape[1]
    spare = [key.removesuffix(".weight") for key, value in state.items() if key not in expected
             and key.endswith(".weight") and value.ndim == 2 and value.shape[1] == width]
    if f"{head}.weight" in state or len(spare) != 1:
        return state
    names = {f"{spare[0]}.{part}": f"{head}.{part}" for part in ("weight", "bias")}
    return {names.get(key, key): value for key, value in state.items()}


def _compared(name: str, network: nn.Module, state: dict[str, Tensor]) -> Fit:
    expected = _shapes(network.state_dict())
    # Inference uses no counters: one that a file lacks, or has of a layer that is not there, says nothing.
    state = {**{key: torch.tensor(0) for key in expected if key.endswith(COUNTER)},
             **{key: value for key, value in state.items() if key in expected or not key.endswith(COUNTER)}}
    found = _shapes(state)
    alike = [key for key, shape in found.items() if expected.get(key) == shape and not key.endswith(COUNTER)]
    every = [key for key in {*expected, *found} if not key.endswith(COUNTER)]
    return Fit(name, network, state, describe_misfits(found, expected), len(alike) / max(1, len(every)))


def _shapes(state: Mapping[str, Tensor]) -> dict[str, Shape]:
    return {key: tuple(value.shape) for key, value in state.items()}


def _nearer(weights: Mapping[str, Tensor], card: ModelCard, best: Fit) -> str:
    """Name the nearest layout, where it is not the one that was asked for."""
    near = nearest(weights, card)
    if near is None or near.name == best.name or near.share <= best.share:
        return ""
    return f"; the nearest layout is {near.name}" + (", which they fit" if not near.misfits else "")


def _layout_fault(layout: Layout, state: Mapping[str, Tensor], card: ModelCard) -> str:
    """Say what weights and card say differently of the network's input and its operating points."""
    channels, figures = state[f"{layout.first}.weight"].shape[1], len(card.mean)
    if channels != figures:
        return (f"the network takes {channels} channel{'s' if channels > 1 else ''}, and mean and std have {figures} "
                f"figure{'s' if figures > 1 else ''} each")
    return operating_faults(state, card) or layout.fault(_shapes(state), card)


def _check_outputs(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], card: ModelCard, where: str) -> None:
    """Refuse a network whose outputs are not as many as the card says."""
    last, given = _last(expected), widths(card)
    rows = int(state[last].shape[0]) if state[last].ndim else given[-1]
    if rows not in given:
        named = f"{len(card.outputs)} outputs" if card.outputs else f"{len(card.classes)} classes"
        one = ", for which it has 1 or 2" if len(given) > 1 else ""
        raise ModelError(f"the card of {where} names {named}{one}, its network gives {rows}")


def _check_types(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    """Refuse whole numbers where the network has floating-point ones, and the reverse."""
    for key, value in expected.items():
        if value.is_floating_point() != state[key].is_floating_point():
            raise ModelError(f"{what}: layer {key!r} is of {state[key].dtype}, not of {value.dtype}")


def _single(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value
