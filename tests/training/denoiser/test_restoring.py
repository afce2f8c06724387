from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from tiny_denoising import FailingPairs, make_denoiser_plan, make_victim, spoilt, veiled
from torch.nn import functional as F

from radversary.core.errors import DataError, PlanError, TensorError
from radversary.defenses.restoration import load_restoration
from radversary.storage.checksums import sha256_file
from radversary.storage.json_files import read_json
from radversary.training.curves import METRICS
from radversary.training.denoiser.plan import DenoiserPlan
from radversary.training.denoiser.train import train_denoiser

FILES = ("model.safetensors", "card.json", "curves.json", "curves.png")


@pytest.fixture
def run(tmp_path):
    """Train a tiny denoiser on 26 pairs; keyword arguments replace ``train_denoiser``'s."""
    def start(out="out", **changes):
        arguments = {"plan": make_denoiser_plan(), "classifier": make_victim(), "training": veiled(26, 1),
                     "validation": veiled(12, 2), "name": "hgd", "trained_on": "stripes", "device": "cpu", **changes}
        return train_denoiser(out=tmp_path / out, **arguments)

    return start


@pytest.mark.slow
def test_it_learns_to_lift_the_veil_and_leaves_clean_images(run):
    plan = make_denoiser_plan(epochs=12, learning_rate=2e-2, guidance={"features": 0.1, "logits": 0.1})
    denoiser = run(plan=plan, training=veiled(64, 1))
    unseen = veiled(40, 7)
    unseen.share = 1.0
    attacked, clean, _ = unseen.pairs(range(40))
    error, before = F.l1_loss(denoiser(attacked), clean), F.l1_loss(attacked, clean)
    assert error < 0.7 * before
    assert F.l1_loss(denoiser(clean), clean) < 0.2 * before
    victim = make_victim()
    distance = [F.l1_loss(victim.logits(images), victim.logits(clean)) for images in (denoiser(attacked), attacked)]
    assert distance[0] < 0.7 * distance[1]


@pytest.mark.slow
def test_what_is_left_behind(run, tmp_path):
    denoiser = run()
    out = tmp_path / "out"
    loaded = load_restoration(out)
    attacked, _, _ = veiled(4, 3).pairs(range(4))
    assert torch.equal(loaded(attacked), denoiser(attacked))
    assert loaded.card == denoiser.card
    assert (loaded.card.name, loaded.card.options, loaded.card.trained_on) == ("hgd", {"width": 4}, "stripes")
    curves = read_json(out / "curves.json")
    assert {metric: len(values) for metric, values in curves.items()} == dict.fromkeys(METRICS, 3)
    assert {path.name for path in out.iterdir()} == {*FILES, "training.json", "denoiser"}


@pytest.mark.slow
def test_the_best_epoch_is_kept(run, tmp_path):
    plan = make_denoiser_plan(learning_rate=0.05, epochs=6, guidance={"features": 0, "logits": 0})
    denoiser = run(plan=plan, training=spoilt(26, 1))
    attacked, clean, _ = veiled(12, 2).pairs(range(12))
    losses = read_json(tmp_path / "out" / "curves.json")["val_loss"]
    assert losses[-1] > 1.05 * min(losses), "the last epoch must be worse, or keeping it would pass"
    with torch.no_grad():
        assert float(F.l1_loss(denoiser.network(attacked), clean)) == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("after", [5, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 8))])
def test_a_stopped_training_resumes_to_the_same_bytes(run, tmp_path, after):
    run(out="whole")
    broken = veiled(26, 1)
    broken.after = after
    with pytest.raises(OSError, match="pulled"):
        run(out="stopped", training=broken)
    assert not (tmp_path / "stopped" / "card.json").exists()
    seen = veiled(26, 1)
    run(out="stopped", training=seen)
    assert seen.batches == 9 - (after - 1) // 3 * 3, "epochs that were finished are not run again"
    for name in FILES:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes(), name


@pytest.mark.slow
def test_a_finished_folder_is_loaded_not_trained(run):
    first, idle = run(), veiled(26, 1)
    assert run(training=idle).card == first.card
    assert isinstance(idle, FailingPairs)
    assert idle.batches == 0


@pytest.mark.slow
def test_the_seed_is_42_unless_given_and_the_global_state_is_left_alone(run, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    run(out="a", plan=make_denoiser_plan(epochs=1))
    assert torch.equal(torch.rand(2), expected)
    for out, seed in (("b", 42), ("c", 1)):
        run(out=out, plan=make_denoiser_plan(epochs=1, seed=seed))
    hashes = [sha256_file(tmp_path / out / "model.safetensors") for out in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.slow
def test_bfloat16_learns_too_and_saves_float32(run):
    denoiser = run(plan=make_denoiser_plan(precision="bfloat16", epochs=8))
    assert {value.dtype for value in denoiser.network.parameters()} == {torch.float32}
    attacked, clean, _ = veiled(12, 5).pairs(range(12))
    assert F.l1_loss(denoiser(attacked), clean) < F.l1_loss(attacked, clean)


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "text"), [
    ({"plan": make_denoiser_plan(width=2)}, "another plan and card"), ({"classifier": None}, "another classifier"),
    ({"training": veiled(30, 1)}, "another pairs"), ({"name": "other"}, "another card"),
])
def test_another_training_in_the_same_folder_is_refused(run, changes, text):
    run()
    with pytest.raises(PlanError, match=text):
        run(**({"classifier": make_victim(seed=1)} if "classifier" in changes else changes))


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "error", "text"), [
    ({"training": veiled(7, 1)}, DataError, "batch of 8 training pairs and one validation pair, got 7 and 12"),
    ({"validation": []}, DataError, "got 26 and 0"), ({"device": "cuda:9"}, PlanError, "not available"),
    ({"plan": make_denoiser_plan(learning_rate=1e30, epochs=9)}, PlanError, "diverged in epoch"),
])
def test_arguments_that_cannot_be_trained_with(run, changes, error, text):
    with pytest.raises(error, match=text):
        run(**changes)


def test_a_classifier_of_another_size_is_refused(run):
    victim = make_victim()
    victim.card = victim.card.model_copy(update={"size": 32})
    with pytest.raises(TensorError, match="32 x 32 pixels, got 16 x 16"):
        run(classifier=victim)


@pytest.mark.parametrize("fields", [
    {"guidance": {"pixels": 0, "features": 0, "logits": 0}}, {"guidance": {"pixels": -1}}, {"opacity": (0.9, 0.1)},
    {"opacity": (0.0, 1.5)}, {"clean_share": 1.0}, {"width": 0}, {"epochs": 0}, {"rate": 1},
])
def test_plans_that_contradict_themselves(fields):
    with pytest.raises(ValidationError):
        DenoiserPlan.model_validate(fields)
