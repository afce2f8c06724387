from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError
from tiny_training import make_plan

from radversary.classifiers.card import ModelCard
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import MissingPartError, ModelError, PlanError
from radversary.training.classifier.plan import Phase, TrainingPlan
from radversary.training.classifier.start import starting_network
from radversary.training.curves import join_curves


def test_the_default_is_the_thesis():
    plan = TrainingPlan()
    assert (plan.architecture, plan.batch_size, plan.patience) == ("resnet50", 32, 3)
    assert [(phase.trunk, phase.schedule) for phase in plan.phases] == [("frozen", "plateau"), ("trained", "plateau")]
    assert plan.phases[1].learning_rate == 1e-4
    assert TrainingPlan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize("changes", [{"epochs": 3}, {"phases": ()}, {"batch_size": 1}, {"start": "magic"},
                                     {"phases": (TrainingPlan().phases[0],) * 2}])
def test_refuses(changes):
    with pytest.raises(ValidationError):
        TrainingPlan(**changes)


@pytest.mark.parametrize("changes", [{"name": "../out"}, {"epochs": 0}, {"learning_rate": float("nan")}])
def test_refuses_a_phase(changes):
    with pytest.raises(ValidationError):
        Phase.model_validate({"name": "a", "trunk": "frozen", "epochs": 1, "learning_rate": 1.0, **changes})


def test_an_unknown_architecture_is_refused_with_the_nearest():
    with pytest.raises(ValidationError, match="unknown architecture 'resnet5'; did you mean 'resnet50'"):
        TrainingPlan(architecture="resnet5")


@pytest.mark.slow
def test_a_plan_is_read_without_the_training_library():
    code = ("import sys, radversary.training.classifier.plan as p; p.TrainingPlan(); "
            "sys.exit('lightning' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_random_start_follows_the_seed():
    first, again, other = (starting_network(make_plan(seed=seed), classes=2)[0] for seed in (1, 1, 2))
    assert torch.equal(first.head[0].weight, again.head[0].weight)
    assert not torch.equal(first.head[0].weight, other.head[0].weight)


@pytest.mark.slow
def test_imagenet_start(weights):
    plan = TrainingPlan(architecture="resnet18")
    network, source = starting_network(plan, classes=3, weights=weights)
    assert "resnet18_imagenet_pqf.safetensors (sha256 " in source
    assert network.head[-1].out_features == 3
    with pytest.raises(MissingPartError, match="RADVERSARY_WEIGHTS"):
        starting_network(plan, classes=3, weights=weights / "licences")


def victim(classes: int = 2) -> TorchClassifier:
    names = tuple("abc"[:classes])
    return TorchClassifier(build_network("tiny", classes=classes, seed=9),
                           ModelCard(name="v", architecture="tiny", classes=names, size=16))


def test_victim_start_is_a_trainable_copy():
    original = victim()
    network, source = starting_network(make_plan(start="victim"), classes=2, victim=original)
    assert "model v" in source
    assert torch.equal(network.head[0].weight, original.module.head[0].weight)
    assert network.head[0].weight is not original.module.head[0].weight
    assert network.head[0].weight.requires_grad
    assert not original.module.head[0].weight.requires_grad


def test_victim_start_refuses():
    with pytest.raises(PlanError, match="no victim was given"):
        starting_network(make_plan(start="victim"), classes=2)
    with pytest.raises(ModelError, match="tiny of 3 classes"):
        starting_network(make_plan(start="victim"), classes=2, victim=victim(3))


def test_curves_join_in_order():
    joined = join_curves([{"val_loss": [2.0]}, {"val_loss": [1.0, 0.5]}])
    assert joined["val_loss"] == [2.0, 1.0, 0.5]
    assert joined["train_loss"] == []
