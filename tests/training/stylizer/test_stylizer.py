from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from radversary.cli import train as cli_file
from radversary.core.errors import MissingPartError, PlanError, StorageError
from radversary.data.phantoms import Phantoms
from radversary.data.stored import StoredTensors
from radversary.storage.checksums import sha256_file
from radversary.storage.json_files import read_json
from radversary.stylization.bank import procedural_bank
from radversary.stylization.network import Stylizer
from radversary.training.stylizer import recipe as recipe_file
from radversary.training.stylizer import train as stylizer_file
from radversary.training.stylizer.plan import StylizerPlan
from radversary.training.stylizer.recipe import Pairs
from radversary.training.stylizer.train import fingerprint, train_stylizer
from random_parts import smooth_images, write_vgg

CONTENTS = smooth_images(4, 40)


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch):
    monkeypatch.setattr(recipe_file, "CHUNK", 2)


@pytest.fixture
def plan(tmp_path) -> StylizerPlan:
    return StylizerPlan(steps=4, batch_size=2, size=32, styles=6, vgg=str(write_vgg(tmp_path, 5)))


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "stylizer.safetensors")


@pytest.mark.slow
def test_trains_whole_weights_that_the_network_takes(plan, tmp_path):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    path = train_stylizer(CONTENTS, plan, tmp_path / "out", about="smooth noise")
    assert torch.equal(torch.get_rng_state(), before)
    network = Stylizer()
    network.load_state_dict(load_file(path))
    record = read_json(tmp_path / "out" / "stylizer.json")
    assert record["plan"] == plan.model_dump()
    assert record["contents"] == "smooth noise"
    assert record["sha256"] == sha256_file(path)
    assert record["vgg"] == "vgg19_imagenet.safetensors"
    assert record["content_loss"] > 0
    assert record["style_loss"] > 0


@pytest.mark.slow
def test_stopped_and_started_again_it_ends_with_the_same_weights(plan, tmp_path, monkeypatch):
    train_stylizer(CONTENTS, plan, tmp_path / "whole", about="smooth noise")
    calls, real = [], stylizer_file.make_trainer

    def stopping(**options):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(1)
        return real(**options)

    with monkeypatch.context() as patch:
        patch.setattr(stylizer_file, "make_trainer", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_stylizer(CONTENTS, plan, tmp_path / "stopped", about="smooth noise")
    assert not (tmp_path / "stopped" / "stylizer.safetensors").exists()
    train_stylizer(CONTENTS, plan, tmp_path / "stopped", about="smooth noise")
    whole, resumed = weights_of(tmp_path / "whole"), weights_of(tmp_path / "stopped")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.slow
def test_contents_from_disk_train_the_same_weights_and_go_on_with_its_checkpoint(plan, tmp_path):
    stored = StoredTensors()
    stored.add(CONTENTS)
    train_stylizer(CONTENTS, plan, tmp_path / "held", about="smooth noise")
    train_stylizer(stored, plan, tmp_path / "stored", about="smooth noise")
    for name in ("stylizer.safetensors", "stylizer.json"):
        assert (tmp_path / "held" / name).read_bytes() == (tmp_path / "stored" / name).read_bytes()
    train_stylizer(stored, plan, tmp_path / "held", about="smooth noise")


def test_contents_are_known_by_their_shape_and_values():
    assert fingerprint(CONTENTS) == f"(4, 1, 40, 40) {sha256(CONTENTS.numpy().tobytes()).hexdigest()}"
    assert fingerprint(CONTENTS[:0]).startswith("(0, 1, 40, 40) ")


def test_it_trains_where_it_is_told(plan, tmp_path, monkeypatch):
    places = []
    monkeypatch.setattr(stylizer_file, "select_device", lambda name: torch.device({"there": "cpu"}[name]))
    monkeypatch.setattr(stylizer_file, "load_vgg19", lambda _name, device: places.append(device))
    monkeypatch.setattr(stylizer_file, "seeded_recipe", lambda _plan, vgg: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_stylizer(CONTENTS, plan, tmp_path, about="smooth noise", device="there")
    assert places == [torch.device("cpu")]
    with pytest.raises(KeyError):
        train_stylizer(CONTENTS, plan, tmp_path, about="smooth noise")


@pytest.mark.slow
def test_steps_move_the_weights(plan, tmp_path):
    for steps in (1, 4):
        train_stylizer(CONTENTS, plan.model_copy(update={"steps": steps}), tmp_path / str(steps), about="smooth noise")
    one, four = weights_of(tmp_path / "1"), weights_of(tmp_path / "4")
    assert all(not torch.equal(value, four[name]) for name, value in one.items() if name.endswith("weight"))


def test_a_pair_depends_on_seed_and_place_alone(plan):
    bank = procedural_bank("train", count=6, size=48)
    pairs = Pairs(CONTENTS, bank, plan=plan)
    torch.manual_seed(1)
    content, style = pairs[3]
    torch.manual_seed(2)
    assert torch.equal(pairs[3][0], content)
    assert torch.equal(pairs[3][1], style)
    assert content.shape == style.shape == (3, 32, 32)
    assert 0 <= content.min() <= content.max() <= 1
    assert not torch.equal(pairs[2][1], style)
    pairs.chunk = 1
    assert not torch.equal(pairs[3][1], style)
    assert not torch.equal(Pairs(CONTENTS, bank, plan=plan.model_copy(update={"seed": 1}))[3][1], style)


def test_half_of_the_styles_are_grey(plan):
    pairs = Pairs(CONTENTS, procedural_bank("train", count=6, size=48), plan=plan)
    grey = [bool((style[0] == style[2]).all()) for _, style in (pairs[index] for index in range(60))]
    assert 0.25 < sum(grey) / 60 < 0.75


@pytest.mark.slow
def test_only_the_train_pool_is_drawn_from(plan, tmp_path, monkeypatch):
    pools, real = [], stylizer_file.procedural_bank
    monkeypatch.setattr(stylizer_file, "procedural_bank", lambda pool, **options: pools.append(pool) or
                        real(pool, **options))
    train_stylizer(CONTENTS, plan.model_copy(update={"steps": 1}), tmp_path / "out", about="smooth noise")
    assert pools == ["train"]


def test_missing_features_are_one_sentence(plan, tmp_path):
    with pytest.raises(MissingPartError, match="no VGG-19 weights found"):
        train_stylizer(CONTENTS, plan.model_copy(update={"vgg": "none.safetensors"}), tmp_path / "out",
                        about="smooth noise")


@pytest.mark.parametrize("changes", [{"size": 33}, {"size": 16}, {"steps": 0}, {"grey_share": 2}, {"stepz": 1}])
def test_a_plan_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValidationError):
        StylizerPlan(**changes)


@pytest.mark.slow
def test_a_checkpoint_of_another_training_is_refused(plan, tmp_path):
    train_stylizer(CONTENTS, plan, tmp_path, about="smooth noise")
    before = sha256_file(tmp_path / "stylizer.safetensors")
    for contents, changes, what in ((CONTENTS, {"style_weight": 1.0}, "plan"), (CONTENTS, {"steps": 6}, "plan"),
                                    (1 - CONTENTS, {}, "contents"), (CONTENTS[:3], {}, "contents")):
        with pytest.raises(PlanError, match=rf"last\.ckpt is of a training with another {what}; remove it"):
            train_stylizer(contents, plan.model_copy(update=changes), tmp_path, about="others")
    assert sha256_file(tmp_path / "stylizer.safetensors") == before


@pytest.mark.slow
@pytest.mark.parametrize("checkpoints", [True, False], ids=["checkpoint", "weights"])
def test_a_full_disk_is_one_sentence(plan, tmp_path, file_size_limit, monkeypatch, checkpoints):
    if not checkpoints:
        monkeypatch.setattr(recipe_file, "write_state", lambda path, _state: path)
    with file_size_limit(5_000), pytest.raises(StorageError, match="file too large"):
        train_stylizer(CONTENTS, plan, tmp_path / "out", about="smooth noise")
    assert list((tmp_path / "out").glob("*")) == []


@pytest.mark.slow
def test_the_command_draws_phantoms_of_no_study(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(stylizer_file, "train_stylizer",
                        lambda contents, plan, out, *, about, device: given.append((contents, about, device)) or out)
    cli_file.stylizer(out=tmp_path, steps=1, batch_size=1, size=32, phantoms=3, style_weight=1.0,
                       vgg=str(write_vgg(tmp_path)), seed=42, device="cpu")
    ((contents, about, device),) = given
    seed = int(about.removeprefix("3 phantoms, 42 px, seed "))
    assert 0 <= seed < 2**31
    assert seed != 42
    assert device == "cpu"
    assert isinstance(contents, StoredTensors)
    assert torch.equal(contents.tensor(range(3)), next(Phantoms(count=3, size=42, seed=seed).generate()).images)


@pytest.mark.slow
def test_the_command_refuses_an_infinite_weight_in_one_sentence(tmp_path):
    with pytest.raises(PlanError, match="training's options: style_weight: input should be a finite number"):
        cli_file.stylizer(out=tmp_path, steps=1, batch_size=1, size=32, phantoms=3, style_weight=float("inf"),
                           vgg=str(write_vgg(tmp_path)), seed=42)


@pytest.mark.slow
def test_the_shipped_weights_say_what_they_were_made_from():
    assert "seed 42" in read_json(Path(str(files("radversary.stylization") / "weights" / "stylizer.json")))["contents"]
