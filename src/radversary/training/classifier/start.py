"""The network that a training starts from."""

from __future__ import annotations

import copy
from pathlib import Path

from torch import nn

from radversary.classifiers.networks import build_network
from radversary.classifiers.pretrained import find_imagenet, read_start
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError, PlanError
from radversary.training.classifier.plan import DEFAULT_SEED, TrainingPlan


def starting_network(plan: TrainingPlan, *, classes: int, weights: Path | None = None,
                     victim: TorchClassifier | None = None) -> tuple[nn.Module, str]:
    """Build the network that a plan starts from.

    Args:
        plan: Says the architecture and the start.
        classes: Number of classes.
        weights: Where ImageNet weights lie; see :func:`radversary.classifiers.pretrained.find_imagenet`.
        victim: The classifier to start from where the plan says so; it is copied.

    Returns:
        The network, and where its weights come from, for the card.

    Raises:
        MissingPartError: ImageNet weights cannot be had.
        ModelError: They or the victim do not fit.
        PlanError: The plan starts from a victim and there is none.

    Example:
        >>> starting_network(TrainingPlan(architecture="resnet18", start="random"), classes=2)[1]
        'random weights, seed 42'
    """
    if plan.start == "victim":
        return _from_victim(plan, victim, classes)
    seed = plan.seed if plan.seed is not None else DEFAULT_SEED
    network = _with_trunk(build_network(plan.architecture, classes=classes, seed=seed), plan)
    if plan.start == "random":
        return network, f"random weights, seed {seed}"
    found = find_imagenet(plan.architecture, weights=weights)
    trunk: nn.Module = network.get_submodule("trunk")
    trunk.load_state_dict(read_start(plan.architecture, found.path))
    return network, str(found)


def _from_victim(plan: TrainingPlan, victim: TorchClassifier | None, classes: int) -> tuple[nn.Module, str]:
    if victim is None:
        raise PlanError("the training plan starts from the victim, but no victim was given")
    if (victim.card.architecture, len(victim.card.classes)) != (plan.architecture, classes):
        raise ModelError(f"the victim is a {victim.card.architecture} of {len(victim.card.classes)} classes, "
                         f"the training plan wants a {plan.architecture} of {classes}")
    network = _with_trunk(copy.deepcopy(victim.module), plan).requires_grad_(requires_grad=True)
    return network.train(), f"model {victim.card.name} (sha256 {victim.card.sha256 or 'unsaved'})"


def _with_trunk(network: nn.Module, plan: TrainingPlan) -> nn.Module:
    """Return a network that has the parts that phases freeze and train."""
    for part in ("trunk", "head"):
        if not isinstance(getattr(network, part, None), nn.Module):
            raise ModelError(f"architecture {plan.architecture!r} ({type(network).__name__}) cannot be trained: it has "
                             f"no {part}")
    return network
