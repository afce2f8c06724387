from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.torch_module import wrap
from radversary.cli.main import run
from radversary.data.phantoms import Phantoms, write_phantoms
from random_parts import TinyNetwork


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def radversary(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Run the command line in this process, as the console script does."""
    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["radversary", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        try:
            run()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
        return Outcome(code, *capsys.readouterr())
    return call


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory) -> Path:
    """Sixty phantoms in class folders with a labels.csv; do not write there."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(Phantoms(count=60, size=48, seed=1), folder)
    return folder


@pytest.fixture
def film(tmp_path) -> Path:
    path = tmp_path / "film.png"
    rows, columns = np.mgrid[:64, :64]
    Image.fromarray(np.uint8(120 + 60 * np.sin(rows / 5) * np.cos(columns / 7))).save(path)
    return path


@pytest.fixture
def make_model(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Save an untrained tiny model of given classes and return its folder."""
    monkeypatch.setitem(NETWORKS._own, "tiny", "random_parts:TinyNetwork")

    def make(*classes: str) -> Path:
        model = wrap(TinyNetwork(classes=len(classes)), classes=classes, size=48, architecture="tiny")
        save_classifier(model, tmp_path / "model")
        return tmp_path / "model"
    return make
