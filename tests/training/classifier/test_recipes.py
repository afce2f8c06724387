"""What trainings ask beside the right answer: consistency, robustness, feature statistics."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from tiny_training import Tiny, arrays, make_plan, make_tiny_card
from torch import nn
from torch.nn import functional as F

from radversary.classifiers.files import load_classifier
from radversary.classifiers.inputs import network_input
from radversary.classifiers.networks import build_network
from radversary.core.errors import ModelError, PlanError
from radversary.storage.checksums import sha256_file
from radversary.storage.json_files import read_json
from radversary.training.classifier.consistent import ConsistentRecipe, jensen_shannon
from radversary.training.classifier.dual_norm import DualNorm, dual_norm, normalised_as
from radversary.training.classifier.mixstyle import mix_styles, mixed_styles
from radversary.training.classifier.plan import Objective, Phase, RobustPlan
from radversary.training.classifier.robust import RobustRecipe, fast_attack
from radversary.training.data.datasets import TrainingSet
from radversary.training.data.views import ViewedTrainingSet
from random_parts import smooth_images

ONE = Phase(name="one", trunk="trained", epochs=3, learning_rate=1e-2, schedule="one-cycle")
DUAL = Objective(consistency=4.0, norm="dual")


def viewed(count: int = 26, views: int = 2) -> ViewedTrainingSet:
    attacked_copies = np.random.default_rng(5).integers(0, 255, (count, 2, 1, 16, 16)).astype(np.uint8)
    return ViewedTrainingSet(*arrays(count, 1), attacked_copies=[attacked_copies, 255 - attacked_copies], views=views,
                             opacity=(0.1, 0.6))


def recipe(kind, objective: Objective, network: nn.Module | None = None):
    made = kind(network=network or build_network("tiny", classes=2), card=make_tiny_card(), phase=ONE,
                objective=objective)
    made.log_dict = lambda *_given, **_options: None
    return made


def test_divergence_is_scipys():
    logits = torch.randn(20, 2, 3, generator=torch.Generator().manual_seed(0)) * 3
    first, second = logits.softmax(2).unbind(1)
    expected = np.mean([jensenshannon(p, q) ** 2 for p, q in zip(first.numpy(), second.numpy(), strict=True)])
    assert float(jensen_shannon(logits)) == pytest.approx(expected, abs=1e-6)
    assert float(jensen_shannon(logits[:, :1].expand(-1, 4, -1))) == pytest.approx(0, abs=1e-6)
    sure = torch.eye(3).mul(1e4).unsqueeze(0).requires_grad_()
    jensen_shannon(sure).backward()
    assert torch.isfinite(sure.grad).all()


def test_the_loss_is_the_mean_over_views_plus_the_weighted_divergence():
    made = recipe(ConsistentRecipe, Objective(consistency=4.0)).eval()
    views, labels = viewed().fetch(range(8))
    each = torch.stack([made(views[:, view]) for view in range(3)], dim=1)
    expected = torch.stack([F.cross_entropy(each[:, view], labels) for view in range(3)]).mean()
    torch.testing.assert_close(made.training_step((views, labels)), expected + 4 * jensen_shannon(each))


def test_dual_norm_sees_clean_and_attacked_images_apart_and_leaves_an_ordinary_network():
    network = build_network("tiny", classes=2)
    keys = list(network.state_dict())
    views, labels = viewed().fetch(range(8))
    with dual_norm(network, keep="clean"):
        made = recipe(ConsistentRecipe, DUAL, network)
        norm: DualNorm = network.trunk[1]
        made.training_step((views, labels))
        clean, attacked = norm.clean.running_mean.clone(), norm.attacked.running_mean.clone()
        made_input = network_input(views[:, 0], made.card)
        with torch.no_grad():
            expected = 0.1 * network.trunk[0](made_input).mean((0, 2, 3))
        torch.testing.assert_close(clean, expected)
        assert not torch.allclose(clean, attacked)
        made.eval()
        with torch.no_grad(), normalised_as(network, "attacked"):
            other = network(made_input)
        with torch.no_grad():
            assert not torch.allclose(network(made_input), other)
    assert list(network.state_dict()) == keys
    assert torch.equal(network.trunk[1].running_mean, clean)


def test_the_attacked_norm_can_be_kept():
    network = build_network("tiny", classes=2)
    with dual_norm(network, keep="attacked"):
        network.trunk[1].attacked.running_mean.fill_(7)
    assert network.trunk[1].running_mean.tolist() == [7] * 8
    with pytest.raises(ModelError, match="needs a network with BatchNorm"), dual_norm(nn.Flatten(), keep="clean"):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("objective", [
    pytest.param(Objective(consistency=4.0), marks=pytest.mark.slow), DUAL,
    pytest.param(Objective(consistency=4.0, norm="dual", keep="attacked"), marks=pytest.mark.slow),
], ids=["shared", "dual", "dual, attacked kept"])
def test_stopped_and_resumed_it_ends_with_the_same_bytes(run, tmp_path, objective):
    two = (ONE, Phase(name="two", trunk="trained", epochs=2, learning_rate=1e-2))
    run(make_plan(*two), out="whole", training=viewed(), objective=objective)
    broken = viewed()
    calls = iter(range(100))
    fetch = broken.fetch
    broken.fetch = lambda entries: fetch(entries) if next(calls) < 11 else (_ for _ in ()).throw(OSError("pulled"))
    with pytest.raises(OSError, match="pulled"):
        run(make_plan(*two), out="stopped", training=broken, objective=objective)
    run(make_plan(*two), out="stopped", training=viewed(), objective=objective)
    whole, stopped = (tmp_path / name / "model.safetensors" for name in ("whole", "stopped"))
    assert sha256_file(whole) == sha256_file(stopped)
    # The file is that of the ordinary network, and the last epoch's validation figure is its own.
    images, labels = TrainingSet(*arrays(12, 2)).fetch(range(12))
    losses = read_json(tmp_path / "whole" / "curves.json")["val_loss"]
    loaded = load_classifier(tmp_path / "whole")
    assert float(F.cross_entropy(loaded.logits(images), labels)) == pytest.approx(min(losses[3:]), abs=1e-5)


@pytest.mark.slow
def test_consistency_brings_the_answers_to_views_together(run):
    long = make_plan(Phase(name="long", trunk="trained", epochs=15, learning_rate=2e-2, schedule="one-cycle"))
    views, _ = viewed().fetch(range(26))
    apart = []
    for number, weight in enumerate((0.0, 30.0)):
        made = run(long, out=str(number), training=viewed(), objective=Objective(consistency=weight))
        apart.append(float(jensen_shannon(made.logits(views.flatten(0, 1)).reshape(26, 3, 2))))
    assert apart[1] < apart[0] / 2


@pytest.mark.slow
def test_the_last_weights_can_be_kept_instead_of_the_best(run, tmp_path):
    restless = Phase(name="restless", trunk="trained", epochs=6, learning_rate=0.3, schedule="one-cycle",
                     weights="last")
    made = run(make_plan(restless))
    images, labels = TrainingSet(*arrays(12, 2)).fetch(range(12))
    losses = read_json(tmp_path / "out" / "curves.json")["val_loss"]
    assert float(F.cross_entropy(made.logits(images), labels)) == pytest.approx(losses[-1], abs=1e-5)
    assert losses[-1] > min(losses)


class Residual(Tiny):
    """The tiny network with its stages where a residual trunk has them."""

    def __init__(self, *, classes: int) -> None:
        super().__init__(classes=classes)
        self.trunk = nn.Sequential()
        self.trunk.add_module("layer1", nn.Conv2d(3, 8, 3, stride=2))
        self.trunk.add_module("layer2", nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU()))
        self.trunk.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))


def test_mixed_features_have_mixed_statistics_and_keep_their_pattern():
    maps, share = smooth_images(3, channels=3) * torch.tensor([1.0, 2.0, 5.0]).reshape(3, 1, 1, 1), torch.tensor(0.25)
    partners = torch.tensor([1, 2, 0])
    mixed = mix_styles(maps, partners, share.expand(3))
    torch.testing.assert_close(mixed.mean((2, 3)), 0.25 * maps.mean((2, 3)) + 0.75 * maps.mean((2, 3))[partners])
    torch.testing.assert_close(mixed.std((2, 3)), 0.25 * maps.std((2, 3)) + 0.75 * maps.std((2, 3))[partners],
                               atol=1e-4, rtol=1e-4)
    pattern = (mixed[0, 0] - mixed[0, 0].mean()) / mixed[0, 0].std()
    torch.testing.assert_close(pattern, (maps[0, 0] - maps[0, 0].mean()) / maps[0, 0].std(), atol=1e-4, rtol=1e-4)


def test_mixstyle_acts_in_training_alone_and_leaves_nothing_behind():
    torch.manual_seed(0)  # of the network and of the mix, which is hardly any for some draws
    network, inputs = Residual(classes=2).eval(), smooth_images(4, 16, channels=3)
    plain = network.trunk(inputs)
    with mixed_styles(network, 1.0):
        assert torch.equal(network.trunk(inputs), plain)
        network.trunk.layer1.train()
        assert not torch.allclose(network.trunk(inputs), plain)
        assert list(network.state_dict()) == list(Residual(classes=2).state_dict())
    assert torch.equal(network.trunk(inputs), plain)
    with mixed_styles(network, 0.0):
        assert torch.equal(network.trunk(inputs), plain)
    with pytest.raises(ModelError, match="needs a residual network"), mixed_styles(Tiny(classes=2), 0.5):
        pass


@pytest.mark.slow
def test_mixstyle_trains_resumes_and_saves_an_ordinary_network(run, tmp_path, monkeypatch):
    monkeypatch.setattr("tiny_training.Tiny", Residual)
    plain, mixed = (run(make_plan(ONE), out=str(share), objective=Objective(mixstyle=share)) for share in (0.0, 0.9))
    assert list(plain.module.state_dict()) == list(mixed.module.state_dict())
    assert plain.card.sha256 != mixed.card.sha256
    assert not copy.deepcopy(mixed.module).trunk.layer1._forward_hooks
    again = run(make_plan(ONE), out="again", objective=Objective(mixstyle=0.9))
    assert again.card.sha256 == mixed.card.sha256


def test_the_fast_attack_climbs_and_stays_in_its_ball_in_grey():
    images, labels = TrainingSet(*arrays(20, 1)).fetch(range(20))
    images = images.expand(-1, 3, -1, -1)
    network = build_network("tiny", classes=2).eval()
    attacked = fast_attack(network, images, labels, 8 / 255).detach()
    change = attacked - images
    assert change.abs().max() <= 8 / 255 + 1e-6
    assert (attacked.min() >= 0, attacked.max() <= 1) == (True, True)
    torch.testing.assert_close(change[:, 0], change[:, 2], atol=1e-6, rtol=0)
    assert (change.abs() > 7.9 / 255).float().mean() > 0.5, "the step reaches the wall more often than not"
    assert F.cross_entropy(network(attacked), labels) > F.cross_entropy(network(images), labels)


@pytest.mark.parametrize("norm", ["shared", "dual"])
def test_a_share_of_the_batch_is_attacked(norm):
    plan = RobustPlan(epsilon=0.3, share=0.25, norm=norm)
    network, (images, labels) = build_network("tiny", classes=2), TrainingSet(*arrays(8, 1)).fetch(range(8))
    made = recipe(RobustRecipe, Objective(robust=plan), network)
    seen, forward = [], RobustRecipe.forward
    made.forward = lambda images: seen.append((made.network.training, images.detach())) or forward(made, images)
    with dual_norm(network, keep="clean") if norm == "dual" else torch.enable_grad():
        made.training_step((images, labels)).backward()
    assert [training for training, _ in seen] == [False, True] + [True] * (norm == "dual")
    given = torch.cat([images for _, images in seen[1:]])
    assert not torch.equal(given[:2], images[:2])
    assert (given[:2] - images[:2]).abs().max() <= 0.3 + 1e-6
    assert torch.equal(given[2:], images[2:])
    assert made.network.training


@pytest.mark.slow
def test_robust_training_holds_where_plain_training_falls(run):
    long = make_plan(Phase(name="long", trunk="trained", epochs=25, learning_rate=2e-2, schedule="one-cycle",
                           weights="last"))
    images, labels = TrainingSet(*arrays(40, 9)).fetch(range(40))
    held = []
    for number, plan in enumerate((None, RobustPlan(epsilon=0.3, share=0.75))):
        made = run(long, out=str(number), objective=Objective(robust=plan), training=TrainingSet(*arrays(64, 1)))
        attacked = fast_attack(made.logits, images, labels, 0.3)
        held.append(float((made.predict(attacked) == labels).float().mean()))
    assert held[1] > held[0] + 0.15


@pytest.mark.parametrize(("objective", "training", "text"), [
    (Objective(robust=RobustPlan()), viewed(), "cannot come as several views"),
    (DUAL, None, "dual norm needs views"),
])
def test_what_cannot_go_together_is_refused(run, tmp_path, objective, training, text):
    changes = {} if training is None else {"training": training}
    with pytest.raises(PlanError, match=text):
        run(make_plan(ONE), objective=objective, **changes)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_another_objective_in_the_same_folder_is_refused(run):
    run(make_plan(ONE))
    with pytest.raises(PlanError, match="another objective"):
        run(make_plan(ONE), objective=Objective(robust=RobustPlan()))
