from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch.utils.data import Dataset, TensorDataset

from radversary.core.errors import DataError, PlanError
from radversary.defenses.restoration import RestorerCard, load_restoration
from radversary.storage.checksums import sha256_file
from radversary.storage.json_files import read_json
from radversary.training.cyclegan.recipe import CycleGanRecipe, ImagePool
from radversary.training.cyclegan.train import CycleGanPlan, Unpaired, train_cyclegan
from random_parts import smooth_images

CLEAN = smooth_images(6, 24)
ATTACKED = 1 - smooth_images(4, 24, seed=8) / 2


def pairs(images: torch.Tensor) -> Dataset:
    return TensorDataset(images, torch.zeros(len(images), dtype=torch.int64))


class Failing(TensorDataset):
    """Is interrupted at its ``last`` image."""

    asked, last = 0, 16

    def __getitem__(self, index):
        self.asked += 1
        if self.asked == self.last:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def make_plan(**changes: object) -> CycleGanPlan:
    return CycleGanPlan.model_validate({"width": 2, "blocks": 1, "epochs": 3, "batch_size": 2, "pool": 3,
                                        "precision": "float32", **changes})


def run(out: Path, plan: CycleGanPlan | None = None, attacked: Dataset | None = None):
    return train_cyclegan(plan or make_plan(), pairs(ATTACKED) if attacked is None else attacked, pairs(CLEAN),
                          name="mine", out=out, trained_on="noise", device="cpu")


def make_recipe(plan: CycleGanPlan) -> CycleGanRecipe:
    card = RestorerCard(name="mine", architecture="cyclegan", options={"width": plan.width, "blocks": plan.blocks})
    return CycleGanRecipe(plan.seeded(), card)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    run(out)
    return out


@pytest.mark.slow
def test_only_the_generator_back_to_clean_is_kept(whole):
    restoration = load_restoration(whole)
    assert (restoration.card.architecture, restoration.card.options) == ("cyclegan", {"width": 2, "blocks": 1})
    assert (restoration.card.name, restoration.card.trained_on) == ("mine", "noise")
    assert restoration(ATTACKED).shape == ATTACKED.shape
    last = torch.load(whole / "cyclegan" / "last.ckpt", weights_only=True)["state_dict"]
    for name, value in restoration.network.state_dict().items():
        assert torch.equal(value, last[f"restorer.{name}"])
        assert not torch.equal(value, last[f"attacker.{name}"]) or name.endswith("bias")


@pytest.mark.slow
def test_the_curves_are_there_and_the_global_generator_is_as_it_was(tmp_path):
    before = torch.get_rng_state()
    run(tmp_path, make_plan(epochs=2, images=2))
    assert torch.equal(torch.get_rng_state(), before)
    curves = read_json(tmp_path / "curves.json")
    assert {name: len(values) for name, values in curves.items()} == {
        "adversarial": 2, "cycle": 2, "identity": 2, "discriminator": 2}


@pytest.mark.slow
def test_training_lowers_the_losses(tmp_path):
    run(tmp_path, make_plan(epochs=25, width=4, learning_rate=2e-3))
    curves = read_json(tmp_path / "curves.json")
    for name in ("cycle", "identity", "discriminator"):
        assert curves[name][-1] < 0.7 * curves[name][0]


@pytest.mark.slow
def test_a_few_steps_on_one_batch_lower_the_cycle_loss():
    recipe = make_recipe(make_plan(learning_rate=2e-3))
    optimiser = recipe.configure_optimizers()[0][0]
    seen = []
    for _ in range(25):
        drawn = {"clean": recipe.restorer(ATTACKED), "attacked": recipe.attacker(CLEAN[:4])}
        _, cycle, identity = recipe.generator_losses(ATTACKED, CLEAN[:4], drawn)
        optimiser.zero_grad()
        (cycle + identity).backward()
        optimiser.step()
        seen.append(float((cycle + identity).detach()))
    assert seen[-1] < 0.8 * seen[0]


@pytest.mark.slow
@pytest.mark.parametrize("last", [3, 8, 15])
def test_stopped_and_started_again_it_ends_with_the_same_bytes(whole, tmp_path, last):
    attacked = Failing(ATTACKED, torch.zeros(4, dtype=torch.int64))
    attacked.last = last
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, attacked=attacked)
    assert not (tmp_path / "card.json").exists()
    run(tmp_path)
    assert sha256_file(tmp_path / "model.safetensors") == sha256_file(whole / "model.safetensors")
    assert read_json(tmp_path / "curves.json") == read_json(whole / "curves.json")


@pytest.mark.slow
def test_a_training_stopped_before_saving_only_saves(whole, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("radversary.training.cyclegan.train.save_restoration", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    monkeypatch.setattr(CycleGanRecipe, "generator_losses", None)
    run(tmp_path)
    assert sha256_file(tmp_path / "model.safetensors") == sha256_file(whole / "model.safetensors")
    assert read_json(tmp_path / "curves.json") == read_json(whole / "curves.json")


@pytest.mark.slow
def test_a_finished_folder_is_loaded_and_another_training_refused(whole, monkeypatch):
    monkeypatch.setattr("radversary.training.cyclegan.train.fit", None)
    assert run(whole).card.sha256 == sha256_file(whole / "model.safetensors")
    with pytest.raises(PlanError, match="holds a training with another plan"):
        run(whole, make_plan(epochs=4))
    with pytest.raises(PlanError, match="holds a training with another images"):
        run(whole, attacked=pairs(ATTACKED[:3]))


def test_the_rate_is_constant_and_then_falls_in_a_line():
    recipe = make_recipe(make_plan(epochs=6))
    assert [recipe.rate(epoch) for epoch in range(7)] == [1, 1, 1, 0.75, 0.5, 0.25, 0]
    assert make_recipe(make_plan(epochs=1)).rate(0) == 1


def test_both_kinds_are_drawn_for_themselves_and_anew_each_epoch():
    entries = Unpaired(pairs(ATTACKED), pairs(CLEAN), seed=1)
    assert len(entries) == 6
    drawn = {}
    for epoch in (0, 1):
        entries.set_epoch(epoch)
        drawn[epoch] = entries.drawn
        # The smaller set comes round again only when all of it has come.
        assert sorted(entries.drawn["attacked"][:4].tolist()) == [0, 1, 2, 3]
        assert sorted(entries.drawn["clean"].tolist()) == list(range(6))
    assert not torch.equal(drawn[0]["clean"], drawn[1]["clean"])
    assert not torch.equal(drawn[0]["attacked"][:4].argsort(), drawn[0]["clean"][:4].argsort())
    attacked, clean = entries[0]
    assert torch.equal(attacked, ATTACKED[int(drawn[1]["attacked"][0])])
    assert torch.equal(clean, CLEAN[int(drawn[1]["clean"][0])])
    assert len(Unpaired(pairs(ATTACKED), pairs(CLEAN), seed=1, limit=2)) == 2


def test_colour_becomes_grey_and_sources_hear_of_the_epoch():
    colour, told = pairs(CLEAN.expand(-1, 3, -1, -1)), []
    colour.set_epoch = told.append
    entries = Unpaired(colour, pairs(CLEAN), seed=1)
    entries.set_epoch(4)
    assert told == [0, 4]
    assert entries[0][0].shape == (1, 24, 24)


@pytest.mark.parametrize(("count", "size", "plan", "words"), [
    (0, 24, {}, "attacked images of at least 24 pixels a side, got none"),
    (4, 16, {}, "attacked images of at least 24 pixels a side, got smaller ones"),
    (4, 24, {"batch_size": 9}, "fewer than one batch of 9"),
    (4, 24, {"images": 1}, "fewer than one batch of 2")])
def test_images_that_cannot_be_trained_on_are_refused(tmp_path, count, size, plan, words):
    with pytest.raises(DataError, match=words):
        run(tmp_path, make_plan(**plan), pairs(smooth_images(4, size)[:count]))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_training_that_diverges_is_one_sentence(tmp_path):
    with pytest.raises(PlanError, match="training diverged in epoch 1"):
        run(tmp_path, attacked=pairs(ATTACKED * float("nan")))


@pytest.mark.parametrize("changes", [{"width": 0}, {"blocks": -1}, {"epochs": 0}, {"pool": -1}, {"pools": 3}])
def test_a_plan_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValidationError):
        make_plan(**changes)


class TestImagePool:
    IMAGES = torch.arange(200.0).view(-1, 1, 1, 1)

    def test_it_fills_before_it_gives_anything_back(self):
        pool = ImagePool(5, (1,))
        assert torch.equal(pool.exchange(self.IMAGES[:5]), self.IMAGES[:5])
        assert torch.equal(torch.stack(pool.kept), self.IMAGES[:5])

    def test_half_the_time_an_old_image_comes_and_the_new_one_stays(self):
        pool = ImagePool(20, (1,))
        given = pool.exchange(self.IMAGES)
        old = (given != self.IMAGES).flatten()
        assert not old[:20].any()
        assert 0.35 < old[20:].float().mean() < 0.65
        assert (given[old].flatten() < self.IMAGES[old].flatten()).all()
        # Nothing is lost or doubled: what went in came out or is kept.
        assert sorted([*given.flatten().tolist(), *torch.stack(pool.kept).flatten().tolist()]) == sorted(
            [*self.IMAGES.flatten().tolist(), *self.IMAGES[:20].flatten().tolist()])

    def test_a_pool_of_none_gives_back_what_comes(self):
        assert torch.equal(ImagePool(0, (1,)).exchange(self.IMAGES), self.IMAGES)

    def test_its_state_carries_the_draws_on(self):
        first, second = ImagePool(4, (1,)), ImagePool(4, (2,))
        first.exchange(self.IMAGES[:30])
        second.load_state_dict(first.state_dict())
        assert torch.equal(first.exchange(self.IMAGES[30:]), second.exchange(self.IMAGES[30:]))

    def test_no_gradient_and_no_later_change_reaches_it(self):
        images = self.IMAGES[:2].clone().requires_grad_()
        pool = ImagePool(2, (1,))
        assert not pool.exchange(images).requires_grad
        with torch.no_grad():
            images.zero_()
        assert torch.stack(pool.kept).sum() == 1
