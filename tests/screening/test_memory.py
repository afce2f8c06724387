"""Whatever a guard does, it holds a few batches of pixels at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save

from radversary.classifiers.torch_module import wrap
from radversary.data.csv_table import CsvTable
from radversary.data.prepare_folder import prepare_images
from radversary.detectors.registry import REFERENCE_FREE
from radversary.imaging.png import encode_png
from radversary.imaging.source import BATCH, ChosenSource, TensorSource
from radversary.screening.bundle import save_guard
from radversary.screening.films import read_films
from radversary.screening.fitting import fit_guard
from radversary.screening.guard import pixels_sha256
from radversary.screening.screen import screen_places
from random_parts import TinyNetwork, smooth_images

TINY = {"learned": {"epochs": 1}, "grain": {"epochs": 1}}


class Generated:
    """Films made as they are read; it fails where more than a few batches of them are alive, or one is too large."""

    def __init__(self, count, side, *, held=2 * BATCH, start=0):
        self.count, self.side, self.held, self.start = count, side, held, start
        self.alive = self.highest = self.given = 0

    def __len__(self):
        return self.count

    def tensor(self, rows):
        assert len(rows) <= BATCH, f"{len(rows)} films were asked for at once"
        pixels = np.empty((len(rows), 1, self.side, self.side), np.float32)
        for place, row in enumerate(rows):
            pixels[place] = np.random.default_rng(self.start + row).random((1, self.side, self.side), np.float32)
        self.alive += len(rows)
        self.given += len(rows)
        self.highest = max(self.highest, self.alive)
        assert self.alive <= self.held, f"{self.alive} films are held"
        # The array lives as long as any tensor that shows a part of it.
        weakref.finalize(pixels, self._gone, len(rows))
        return torch.from_numpy(pixels)

    def _gone(self, count):
        self.alive -= count


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A hundred prepared films of two classes, 80 of them in the part "test"."""
    folder, rows = tmp_path_factory.mktemp("films"), []
    for row, image in enumerate(smooth_images(100, size=32, seed=4)):
        (folder / f"{row}.png").write_bytes(encode_png(image))
        rows.append({"path": f"{row}.png", "patient_id": f"p{row}", "label": "ab"[row % 2],
                     "split": "test" if row % 5 else "train"})
    pd.DataFrame(rows).to_csv(folder / "films.csv", index=False)
    return prepare_images(CsvTable(path=folder / "films.csv").table(folder), size=32, folder=folder / "prepared")


@pytest.fixture
def wide():
    """A victim that reads 64 pixels."""
    return wrap(TinyNetwork(classes=2), classes=("a", "b"), size=64, name="wide", architecture="tiny")


@pytest.mark.slow
def test_two_thousand_films_are_fitted_and_calibrated_on_a_batch_at_a_time(wide):
    fitted, calibrated = Generated(1400, 64), Generated(600, 64, start=1400)
    tracemalloc.start()
    guard = fit_guard(wide, fitted, names=("integrity", "shallow", "neighbours", "shift"))
    guard = guard.calibrate(calibrated, [f"p{row}" for row in range(600)], alpha=0.1)
    _, peak = tracemalloc.get_traced_memory()  # of NumPy and Python; a batch of films is half a megabyte
    tracemalloc.stop()
    assert len(guard.seen["fitted"]) == 1400
    assert len(guard.seen["calibrated"]) == 600
    assert max(fitted.highest, calibrated.highest) <= 2 * BATCH
    assert peak < 27e6, "the films themselves would take 33 MB"


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE_FREE.names())
def test_no_detector_holds_a_part(name, victim):
    held = 4 * BATCH if name == "grain" else 2 * BATCH  # each of its batches has clean and grained copies of films
    clean, attacked = Generated(400, 32, held=held), Generated(150, 32, start=500)
    detector = REFERENCE_FREE.create(name, **TINY.get(name, {})).bind(victim)
    detector.fit_on(clean, attacked) if detector.supervised else detector.fit(clean)
    assert clean.given >= 400
    assert clean.highest <= held


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE_FREE.names())
def test_it_learns_the_same_from_a_source_as_from_a_tensor(name, victim):
    clean, attacked = smooth_images(70, size=32), smooth_images(50, size=32, seed=5)
    learned = []
    for given in (lambda images: images, TensorSource, lambda images: ChosenSource(TensorSource(images),
                                                                                  list(range(len(images))))):
        detector = REFERENCE_FREE.create(name, **TINY.get(name, {})).bind(victim)
        detector.fit_on(given(clean), given(attacked)) if detector.supervised else detector.fit(given(clean))
        learned.append(save(dict(detector.learned)))
    assert learned[0] == learned[1] == learned[2]


@pytest.mark.slow
def test_a_guard_of_a_source_is_that_of_a_tensor_to_the_last_byte(victim, clean, tmp_path):
    names, patients = ("integrity", "shallow", "neighbours", "learned"), [f"p{row}" for row in range(60)]
    attacked = smooth_images(40, size=32, seed=9)
    folders = []
    for number, given in enumerate((lambda images: images, lambda images: ChosenSource(TensorSource(images),
                                                                                       list(range(len(images)))))):
        guard = fit_guard(victim, given(clean[:40]), names=names, attacked=given(attacked))
        guard = guard.calibrate(given(clean[40:100]), patients, alpha=0.1)
        folders.append(save_guard(guard, tmp_path / str(number)))
    for file in ("guard.json", "detectors.safetensors"):
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes()


@pytest.mark.slow
def test_looking_checking_and_hashing_hold_a_batch(guard):
    films = Generated(300, 32)
    assert len(guard.screen(films)) == 300
    assert len(guard.look(films).scores) == 300
    guard.refuse_seen(films, ("fitted",), "check")
    assert len(pixels_sha256(films)) == 64
    assert films.highest <= 2 * BATCH


@pytest.mark.slow
def test_a_folder_s_films_are_read_and_judged_a_few_at_a_time(guard, tmp_path, monkeypatch):
    for row, image in enumerate(smooth_images(3 * BATCH, size=32, seed=3)):
        (tmp_path / f"{row:03d}.png").write_bytes(encode_png(image))
    films = read_films(tmp_path, guard.classifier.card)
    assert len(films.images) == 3 * BATCH
    assert not any(isinstance(value, torch.Tensor) for value in vars(films.images).values())
    sizes, look = [], type(guard).look
    monkeypatch.setattr(type(guard), "look", lambda self, images, **more: sizes.append(len(images)) or look(
        self, images, **more))
    assert len(list(screen_places(guard, [tmp_path]))) == 3 * BATCH
    assert max(sizes) <= BATCH


@pytest.mark.slow
def test_a_run_s_images_stay_on_disk_and_are_read_a_few_at_a_time(prepared, guard, monkeypatch):
    asked, tensor = [], type(prepared).tensor
    monkeypatch.setattr(type(prepared), "tensor", lambda self, rows: asked.append(len(rows)) or tensor(self, rows))
    films = read_films(prepared.folder, guard.classifier.card, part="test")
    assert not asked
    fit_guard(guard.classifier, films.images, names=("integrity", "shallow", "neighbours", "shift", "grain"))
    assert len(list(screen_places(guard, [prepared.folder], part="test"))) == len(films.names)
    assert max(asked) <= BATCH


@pytest.mark.slow
@pytest.mark.parametrize(("allocator", "architecture", "kilobytes"), [
    ({"MALLOC_MMAP_THRESHOLD_": "262144"}, "small-cnn", 8), pytest.param({}, "resnet18", 400, marks=pytest.mark.long)],
    ids=["what is held", "what the heap keeps as well"])
def test_the_peak_hardly_grows_with_the_films(allocator, architecture, kilobytes):
    # A film is 66 kB. The heap keeps up to 130 MB of what was given back, however many films there are; small tensors
    # kept between the large ones of each batch made it 790 kB a film.
    def peak(count):
        program = Path(__file__).with_name("peak_memory.py")
        run = subprocess.run([sys.executable, str(program), architecture, str(count)],
                             env={**os.environ, "OMP_NUM_THREADS": "1", **allocator}, capture_output=True, text=True,
                             check=True)
        return int(run.stdout)

    assert (peak(450) - peak(150)) / 300 < kilobytes
