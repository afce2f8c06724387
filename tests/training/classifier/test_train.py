from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_training import Failing, arrays, make_plan, make_tiny_card
from torch.nn import functional as F

from radversary.classifiers.files import load_classifier
from radversary.classifiers.networks import build_network
from radversary.core.errors import DataError, ModelError, PlanError, StorageError, TensorError
from radversary.storage.checksums import sha256_file
from radversary.storage.json_files import read_json, write_json
from radversary.training.checkpoints import read_weights, resumable, write_state
from radversary.training.classifier import train as train_file
from radversary.training.classifier.plan import Phase
from radversary.training.classifier.train import train
from radversary.training.curves import METRICS, read_curves
from radversary.training.data.datasets import MixedTrainingSet, TrainingSet

ONE_CYCLE = Phase(name="cycle", trunk="trained", epochs=4, learning_rate=1e-2, schedule="one-cycle")
# Too fast to learn, so that the plateau drops the rate and patience runs out.
RESTLESS = Phase(name="restless", trunk="trained", epochs=30, learning_rate=0.3)


def failing(error: BaseException, after: int) -> Failing:
    entries = Failing(*arrays(26, 1))
    entries.error, entries.after = error, after
    return entries


@pytest.mark.slow
def test_trains_saves_and_learns(run, tmp_path):
    classifier = run(make_plan(Phase(name="all", trunk="trained", epochs=8, learning_rate=2e-2, schedule="one-cycle")))
    images, labels = TrainingSet(*arrays(40, 7)).fetch(range(40))
    assert (classifier.predict(images) == labels).float().mean() >= 0.9
    loaded = load_classifier(tmp_path / "out")
    assert torch.equal(loaded.logits(images), classifier.logits(images))
    assert loaded.card.sha256 == sha256_file(tmp_path / "out" / "model.safetensors")


@pytest.mark.slow
def test_writes_curves_and_their_picture(run, tmp_path):
    run()
    curves = json.loads((tmp_path / "out" / "curves.json").read_text())
    assert set(curves) == set(METRICS)
    assert {len(values) for values in curves.values()} == {5}
    assert all(isinstance(value, float) for values in curves.values() for value in values)
    assert np.asarray(Image.open(tmp_path / "out" / "curves.png").convert("L")).std() > 5
    for phase in ("frozen", "unfrozen"):
        assert {path.name for path in (tmp_path / "out" / phase).iterdir()} == {"best.ckpt", "last.ckpt", "done.json"}


@pytest.mark.slow
def test_validation_figures_are_those_of_the_saved_model(run, tmp_path):
    classifier = run(make_plan(Phase(name="one", trunk="trained", epochs=1, learning_rate=1e-2)))
    images, labels = TrainingSet(*arrays(12, 2)).fetch(range(12))
    curves = read_json(tmp_path / "out" / "curves.json")
    assert curves["val_loss"][0] == pytest.approx(float(F.cross_entropy(classifier.logits(images), labels)), abs=1e-5)
    assert curves["val_accuracy"][0] == pytest.approx(float((classifier.predict(images) == labels).float().mean()))


@pytest.mark.slow
def test_keeps_the_weights_of_the_lowest_validation_loss(run, tmp_path):
    classifier = run(make_plan(RESTLESS))
    losses = read_json(tmp_path / "out" / "curves.json")["val_loss"]
    images, labels = TrainingSet(*arrays(12, 2)).fetch(range(12))
    assert float(F.cross_entropy(classifier.logits(images), labels)) == pytest.approx(min(losses), abs=1e-5)
    assert losses[-1] > min(losses)


def keras_schedule(losses: list[float], rate: float, patience: int) -> tuple[list[float], int]:
    """Learning rate of each epoch and the epoch after which training stops, by the loops of Keras' two callbacks."""
    rates, stop, stop_best, stop_wait, drop_best, drop_wait = [], 0, float("inf"), 0, float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        rates.append(rate)
        stop_wait += 1
        if loss < stop_best:
            stop_best, stop_wait = loss, 0
        elif stop_wait >= patience:
            stop = epoch
        if loss < drop_best - 1e-4:
            drop_best, drop_wait = loss, 0
        else:
            drop_wait += 1
            if drop_wait >= 2:
                rate, drop_wait = rate * 0.1, 0
    return rates, stop


@pytest.mark.slow
@pytest.mark.parametrize("patience", [3, 5])
def test_stops_early_and_drops_the_rate_as_keras_does(run, tmp_path, patience):
    run(make_plan(RESTLESS, patience=patience))
    curves = read_json(tmp_path / "out" / "curves.json")
    rates, stop = keras_schedule(curves["val_loss"], RESTLESS.learning_rate, patience)
    assert stop == len(rates) < RESTLESS.epochs
    assert curves["learning_rate"] == pytest.approx(rates)
    assert len(set(rates)) > 1, "the rate was dropped"


@pytest.mark.slow
def test_frozen_trunk_and_its_statistics_do_not_move(run):
    start = build_network("tiny", classes=2).state_dict()
    classifier = run(make_plan(Phase(name="frozen", trunk="frozen", epochs=2, learning_rate=1e-2)))
    end = classifier.module.state_dict()
    moved = {key for key in start if not torch.equal(start[key], end[key])}
    assert moved == {key for key in start if key.startswith("head.")}


@pytest.mark.slow
@pytest.mark.parametrize("after", [2, 7, *(pytest.param(step, marks=pytest.mark.slow) for step in (4, 6, 11, 14))])
def test_a_stopped_training_resumes_to_the_same_bytes(run, tmp_path, after):
    run(out="whole")
    with pytest.raises(OSError, match="pulled"):
        run(out="stopped", training=failing(OSError("pulled the plug"), after))
    assert not (tmp_path / "stopped" / "card.json").exists()
    seen = Failing(*arrays(26, 1))
    seen.after = -1
    run(out="stopped", training=seen)
    whole, stopped = (tmp_path / name for name in ("whole", "stopped"))
    assert seen.batches == 15 - (after - 1) // 3 * 3, "epochs that were finished are not run again"
    for name in ("model.safetensors", "curves.json", "card.json", "curves.png"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "after"), [(ONE_CYCLE, 5), (ONE_CYCLE, 10), (RESTLESS, 14), (RESTLESS, 23)])
def test_schedules_resume_too(run, tmp_path, phase, after):
    plan = make_plan(phase, patience=6)
    run(plan, out="whole")
    with pytest.raises(OSError, match="pulled"):
        run(plan, out="stopped", training=failing(OSError("pulled the plug"), after))
    run(plan, out="stopped")
    for name in ("model.safetensors", "curves.json"):
        assert sha256_file(tmp_path / "whole" / name) == sha256_file(tmp_path / "stopped" / name), name


@pytest.mark.slow
@pytest.mark.parametrize("after", [14, 23])
def test_a_run_folder_that_was_moved_keeps_its_best_weights(run, tmp_path, after):
    plan = make_plan(RESTLESS, patience=6)
    run(plan, out="whole")
    with pytest.raises(OSError, match="pulled"):
        run(plan, out="stopped", training=failing(OSError("pulled the plug"), after))
    (tmp_path / "stopped").rename(tmp_path / "moved")
    run(plan, out="moved")
    for name in ("model.safetensors", "curves.json"):
        assert sha256_file(tmp_path / "whole" / name) == sha256_file(tmp_path / "moved" / name), name
    assert not (tmp_path / "stopped").exists()


@pytest.mark.slow
@pytest.mark.parametrize("phase", [ONE_CYCLE, RESTLESS], ids=["all epochs", "out of patience"])
def test_stopped_after_the_last_checkpoint_trains_no_further(run, tmp_path, monkeypatch, phase):
    plan = make_plan(phase)
    run(plan, out="whole")

    def fail(path: Path, content: object) -> Path:
        if path.name == "done.json":
            raise OSError("pulled the plug")
        return write_json(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(train_file, "write_json", fail)
        with pytest.raises(OSError, match="pulled"):
            run(plan, out="stopped")
    idle = Failing(*arrays(26, 1))
    idle.after = -1
    run(plan, out="stopped", training=idle)
    assert idle.batches == 0
    for name in ("model.safetensors", "curves.json"):
        assert sha256_file(tmp_path / "whole" / name) == sha256_file(tmp_path / "stopped" / name), name


@pytest.mark.slow
def test_the_adversarial_mix_resumes_too(run, tmp_path):
    images, labels = arrays(26, 1)
    attacked_copies = np.random.default_rng(5).integers(0, 255, (26, 2, 1, 16, 16)).astype(np.uint8)

    def mixed() -> MixedTrainingSet:
        return MixedTrainingSet(images, labels, attacked_copies=attacked_copies, share=0.5, opacity=(0.3, 1.0))

    run(out="whole", training=mixed())
    broken = mixed()
    calls = iter(range(100))
    fetch = broken.fetch
    broken.fetch = lambda entries: fetch(entries) if next(calls) < 8 else (_ for _ in ()).throw(OSError("pulled"))
    with pytest.raises(OSError, match="pulled"):
        run(out="stopped", training=broken)
    run(out="stopped", training=mixed())
    whole, stopped = (tmp_path / name / "model.safetensors" for name in ("whole", "stopped"))
    assert sha256_file(whole) == sha256_file(stopped)


@pytest.mark.slow
def test_ctrl_c_stays_a_keyboard_interrupt_and_leaves_the_handler(run):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(training=failing(KeyboardInterrupt(), 4))
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.slow
def test_a_finished_folder_is_loaded_not_trained(run):
    first = run()
    again = run(training=failing(OSError("touched"), 1))
    assert again.card == first.card


@pytest.mark.slow
def test_global_random_state_warnings_and_log_levels_are_left_alone(run):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    level = logging.getLogger("lightning.pytorch").level
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    assert torch.equal(torch.rand(2), expected)
    assert logging.getLogger("lightning.pytorch").level == level
    assert not [str(warning.message) for warning in caught if "lightning" in str(warning.filename)]


@pytest.mark.slow
def test_says_nothing_when_piped(tmp_path):
    code = ("import sys; sys.path.insert(0, {here!r})\n"
            "from tiny_training import *\n"
            "from pathlib import Path\n"
            "from radversary.classifiers.networks import NETWORKS, build_network\n"
            "from radversary.training.classifier.train import train\n"
            "NETWORKS._own['tiny'] = 'tiny_training:Tiny'\n"
            "train(build_network('tiny', classes=2), plan=make_plan(), training=TrainingSet(*arrays(26, 1)),\n"
            "      validation=TrainingSet(*arrays(12, 2)), card=make_tiny_card(), out=Path({out!r}), device='cpu')\n")
    code = code.format(here=str(Path(__file__).parents[1]), out=str(tmp_path / "out"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_bfloat16_trains_and_saves_float32(run, tmp_path):
    run(make_plan(precision="bfloat16"))
    state = load_file(tmp_path / "out" / "model.safetensors")
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float32}


@pytest.mark.slow
def test_another_plan_in_the_same_folder_is_refused(run):
    run()
    with pytest.raises(PlanError, match="another plan"):
        run(make_plan(seed=1))
    with pytest.raises(PlanError, match="another images"):
        run(training=TrainingSet(*arrays(30, 1)))


@pytest.mark.slow
def test_seed_changes_the_result(run):
    unseeded = run(out="a").card.sha256
    assert unseeded != run(make_plan(seed=1), out="b").card.sha256
    assert unseeded == run(make_plan(seed=42), out="c").card.sha256


def test_fewer_images_than_a_batch_are_refused_before_anything_is_written(run, tmp_path):
    with pytest.raises(DataError, match="7 training images are fewer than one batch of 8"):
        run(training=TrainingSet(*arrays(7, 1)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("changes", "error", "text"), [
    ({"card": make_tiny_card(size=32)}, TensorError, "32 x 32 pixels, got 16 x 16"),
    ({"card": make_tiny_card(classes=("a", "b", "c"))}, ModelError, "gives 2 scores, the card names 3 classes"),
    ({"card": make_tiny_card(architecture="resnet18")}, PlanError, "card is of a resnet18"),
    ({"training": TrainingSet(arrays(26, 1)[0], np.arange(26))}, DataError, "label 25 has no class"),
    ({"device": "cuda:9"}, PlanError, "not available"),
])
def test_arguments_that_do_not_fit_each_other(run, changes, error, text):
    with pytest.raises(error, match=text):
        run(**changes)


def test_divergence_is_one_sentence(run):
    with pytest.raises(PlanError, match="diverged in epoch"):
        run(make_plan(Phase(name="wild", trunk="trained", epochs=30, learning_rate=1e30)))


def test_full_disk_is_a_storage_error(run, tmp_path, file_size_limit):
    with file_size_limit(4000), pytest.raises(StorageError, match="file too large"):
        run()
    assert not list((tmp_path / "out" / "frozen").iterdir())


@pytest.mark.slow
def test_resnet18_goes_through_both_phases_of_the_thesis(run, tmp_path):
    """The real network and its real layers, as small as they come."""
    images, labels = arrays(24, 1)
    part = TrainingSet(np.repeat(np.repeat(images, 2, axis=-1), 2, axis=-2), labels)
    plan = make_plan(Phase(name="frozen", trunk="frozen", epochs=1, learning_rate=1e-3),
                     Phase(name="unfrozen", trunk="trained", epochs=1, learning_rate=1e-4), architecture="resnet18")
    train(build_network("resnet18", classes=2), plan=plan, training=part, validation=part, out=tmp_path / "out",
          card=make_tiny_card(architecture="resnet18", size=32), device="cpu")
    assert load_classifier(tmp_path / "out").scores(part.fetch([0, 1])[0]).shape == (2, 2)


@pytest.mark.parametrize("content", ["{", "[]", '{"val_loss": "x"}', '{"val_loss": [NaN]}',
                                     '{"val_loss": [1.0], "train_loss": [1.0, 2.0]}'])
def test_damaged_curves_are_one_sentence(tmp_path, content):
    (tmp_path / "curves.json").write_text(content)
    with pytest.raises(DataError, match=r"remove .* to train anew"):
        read_curves(tmp_path / "curves.json")


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    network, path = torch.nn.Linear(2, 2), tmp_path / "last.ckpt"
    write_state(path, {"state_dict": network.state_dict()})
    assert resumable(path) == path
    read_weights(path, network)
    with pytest.raises(DataError, match="does not hold the weights of this training"):
        read_weights(path, torch.nn.Linear(3, 3))
    whole = path.read_bytes()
    for content in (whole[:-50], whole[:100], b"", b"\x80\x04.", bytes(1000)):
        path.write_bytes(content)
        for read in (resumable, lambda file: read_weights(file, network)):
            with pytest.raises(DataError, match="is no state of a training, or is damaged"):
                read(path)
    write_state(path, {"other": 1})
    with pytest.raises(DataError, match="does not hold the weights"):
        read_weights(path, network)
    assert resumable(tmp_path / "none.ckpt") is None


@pytest.mark.slow
@pytest.mark.parametrize("content", ["{", "[]", "3"])
def test_a_damaged_record_of_a_training_is_one_sentence(run, tmp_path, content):
    run()
    (tmp_path / "out" / "training.json").write_text(content)
    with pytest.raises(PlanError, match="the record of a training"):
        run()
