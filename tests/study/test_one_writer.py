"""Whatever writes a folder for long holds it: a second process is told so, and a killed one leaves no lock behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tiny_denoising
import tiny_training
import torch
from tiny_study import make_study, training

from holding import held
from radversary.classifiers.card_files import CARD
from radversary.classifiers.networks import NETWORKS, build_network
from radversary.core.errors import BusyError
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import RECORD, PreparedImages
from radversary.screening.bundle import GUARD, load_guard, save_guard
from radversary.screening.fitting import fit_guard
from radversary.storage.checksums import sha256_file
from radversary.storage.locks import LOCK
from radversary.study.models import make_model
from radversary.study.plan import DataPlan, StudyPlan
from radversary.study.prepare import prepare
from radversary.study.restorers import make_restorer
from radversary.training.classifier.train import train
from radversary.training.cyclegan.plan import CycleGanPlan
from radversary.training.cyclegan.train import train_cyclegan
from radversary.training.data.datasets import TrainingSet
from radversary.training.denoiser.restyle import fit_restyle
from radversary.training.denoiser.train import train_denoiser
from radversary.training.stylizer.train import StylizerPlan, train_stylizer
from random_parts import smooth_images, write_vgg

DATA = DataPlan.model_validate({"source": {"name": "phantoms", "options": {"count": 60, "size": 48}}, "size": 48})


def study(amount: float = 0.5) -> StudyPlan:
    return make_study(models={"victim": {"training": training()}}, restorers={"own": {"restyle": {"amount": amount}}},
                      defences=[{"label": "own", "transforms": [{"name": "own"}]}])


@pytest.fixture(scope="module", autouse=True)
def _architectures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS._own, "tiny", "tiny_training:Tiny")
        yield


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> PreparedImages:
    return prepare(DATA, tmp_path_factory.mktemp("films"), seed=1)[0]


def classifier(folder: Path, _films: PreparedImages) -> None:
    plan = tiny_training.make_plan()
    train(build_network("tiny", classes=2), plan=plan, training=TrainingSet(*tiny_training.arrays(26, 1)),
          validation=TrainingSet(*tiny_training.arrays(12, 2)), card=tiny_training.make_tiny_card(), out=folder,
          device="cpu")


def denoiser(folder: Path, _films: PreparedImages) -> None:
    guide = tiny_denoising.TorchClassifier(build_network("tiny", classes=2), tiny_training.make_tiny_card())
    plan = tiny_denoising.DenoiserPlan(width=4, epochs=1, batch_size=8, precision="float32")
    train_denoiser(plan, guide, tiny_denoising.veiled(24, 1), tiny_denoising.veiled(8, 2), name="mine", out=folder,
                   device="cpu")


def cyclegan(folder: Path, _films: PreparedImages) -> None:
    plan = CycleGanPlan.model_validate({"width": 2, "blocks": 1, "epochs": 1, "batch_size": 2, "precision": "float32"})
    pairs = torch.utils.data.TensorDataset(smooth_images(4, 24), torch.zeros(4, dtype=torch.int64))
    train_cyclegan(plan, pairs, pairs, name="mine", out=folder, device="cpu")


def restyle(folder: Path, _films: PreparedImages) -> None:
    fit_restyle(smooth_images(2), name="mine", out=folder)


def stylizer(folder: Path, _films: PreparedImages) -> None:
    vgg = write_vgg(folder.parent, 5)
    train_stylizer(smooth_images(8, 48), StylizerPlan(steps=1, batch_size=2, size=32, styles=6, vgg=str(vgg)), folder,
                   about="noise")


def study_model(folder: Path, films: PreparedImages) -> None:
    make_model(study(), "victim", films, {}, folder, device="cpu")


def study_restorer(folder: Path, films: PreparedImages) -> None:
    make_restorer(study(), "own", films, {}, folder, device="cpu")


def preparing(folder: Path, films: PreparedImages) -> None:
    prepare_images(films.table, size=32, folder=folder)


def study_data(folder: Path, _films: PreparedImages) -> None:
    prepare(DATA, folder, seed=1)


def guard(folder: Path, _films: PreparedImages) -> None:
    victim = tiny_denoising.TorchClassifier(build_network("resnet18", classes=2), tiny_training.make_tiny_card(
        architecture="resnet18"))
    save_guard(fit_guard(victim, smooth_images(8, 16), names=("energy",)), folder)


@pytest.mark.slow
@pytest.mark.parametrize("write", [classifier, denoiser, cyclegan, restyle, stylizer, study_model, study_restorer,
                                   preparing, study_data, guard], ids=lambda write: write.__name__)
def test_a_second_writer_is_told_and_a_killed_one_keeps_nothing(write, films, tmp_path):
    folder = tmp_path / "out"
    with held(folder) as other, pytest.raises(BusyError, match=rf"written by another radversary \(process {other.pid}"):
        write(folder, films)
    assert [path.name for path in folder.iterdir()] == [LOCK]  # whoever was refused wrote nothing
    write(folder, films)
    assert not (folder / LOCK).exists()
    assert len(list(folder.iterdir())) > 0


@pytest.mark.slow
def test_a_restorer_of_another_plan_is_replaced_while_its_folder_is_held(films, tmp_path, monkeypatch):
    study_restorer(tmp_path, films)
    (tmp_path / "checkpoints").mkdir()
    seen = []
    monkeypatch.setattr("radversary.study.restorers.fit_restyle",
                        lambda *_given, out, **_options: seen.append(sorted(path.name for path in out.iterdir())))
    make_restorer(study(0.25), "own", films, {}, tmp_path, device="cpu")
    assert LOCK in seen[0]
    assert "checkpoints" not in seen[0]
    assert CARD not in seen[0]


RACE = """
import sys
from pathlib import Path
from radversary.core.errors import BusyError
from radversary.study.plan import DataPlan
from radversary.study.prepare import prepare
plan = DataPlan.model_validate({"source": {"name": "phantoms", "options": {"count": 60, "size": 48}}, "size": 48})
print("ready", flush=True)
sys.stdin.readline()
try:
    print("prepared", prepare(plan, Path(sys.argv[1]), seed=1)[0].sha256)
except BusyError as error:
    print("busy", error)
"""


@pytest.mark.slow
def test_two_processes_on_one_folder_leave_it_whole(films, tmp_path):
    others = [subprocess.Popen([sys.executable, "-c", RACE, str(tmp_path / "data")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in others:
        assert process.stdout.readline() == "ready\n"
    for process in others:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in others]
    assert all(process.returncode == 0 for process in others)
    assert any(line == f"prepared {films.sha256}\n" for line in said)
    assert all(line.startswith(("prepared", "busy")) for line in said)
    whole = PreparedImages.load(tmp_path / "data" / "prepared")
    assert (whole.sha256, sha256_file(whole.folder / "images.npy")) == (films.sha256,
                                                                       sha256_file(films.folder / "images.npy"))


@pytest.mark.slow
def test_what_is_only_read_needs_no_lock(films, tmp_path):
    preparing(tmp_path / "out", films)
    with held(tmp_path / "out"):
        preparing(tmp_path / "out", films)
    assert (tmp_path / "out" / RECORD).is_file()


@pytest.mark.slow
def test_a_guard_saved_anew_is_whole(films, tmp_path):
    guard(tmp_path, films)
    guard(tmp_path, films)
    assert (tmp_path / GUARD).is_file()
    assert not (tmp_path / LOCK).exists()
    assert list(load_guard(tmp_path).detectors) == ["energy"]
