"""The verbs of a detector with a model that a package's own kind of reference leads to."""

from __future__ import annotations

import json

import pytest

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.registry import CLASSIFIERS
from radversary.core.types import Access

FIT = ("detector", "fit", "--use", "integrity")


class Threshold(Classifier):
    """Answers with labels alone."""

    access = Access.LABELS

    def __init__(self, name: str) -> None:
        self.card = ModelCard(name=name, architecture="service", classes=("dark", "bright"), size=48)

    def fingerprint(self) -> str:
        return self.card.name

    def decide(self, images):
        return (images.mean((1, 2, 3)) > 0.4).long()


class Thresholds:
    """Loads ``threshold://NAME``."""

    def recognises(self, reference: str) -> bool:
        return reference.startswith("threshold://")

    def load(self, reference: str) -> Classifier:
        return Threshold(reference[12:])


@pytest.fixture
def films(tmp_path, phantoms, monkeypatch):
    """Clean films, one a patient, as three folders: to learn from, to calibrate on, to screen."""
    monkeypatch.setitem(CLASSIFIERS._own, "threshold", f"{__name__}:Thresholds")
    listed = [path for path in sorted(phantoms.rglob("*.png")) if "masks" not in path.parts]
    for part, chosen in {"fit": listed[:12], "calibrate": listed[12:36], "new": listed[-2:]}.items():
        (tmp_path / part).mkdir()
        for path in chosen:
            (tmp_path / part / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.slow
def test_it_is_guarded_from_fitting_to_verdicts_by_its_reference(radversary, films):
    fitted = radversary(*FIT, films / "fit", "--model", "threshold://one", "--out", films / "g")
    assert fitted.code == 0, fitted.err
    ready = radversary("detector", "calibrate", films / "calibrate", "--detector", films / "g", "--alpha", 0.2)
    assert ready.code == 0, ready.err
    screened = radversary("screen", films / "new", "--detector", films / "g", "--model", "threshold://one", "--json")
    assert screened.code in (0, 1)
    asked = "note: this guard asks the model at threshold://one; the films that it looks at are sent there\n"
    assert ready.err.startswith(asked)
    assert screened.err.startswith(asked)
    assert fitted.err.count("asks the model") == 0  # who names a model knows where it is
    verdicts = [json.loads(line) for line in screened.out.splitlines()]
    assert [verdict["probabilities"] for verdict in verdicts] == [{}, {}]
    assert {verdict["prediction"] for verdict in verdicts} <= {"dark", "bright"}
    assert "(label alone)" in radversary("screen", films / "new", "--detector", films / "g").out
    other = radversary("screen", films / "new", "--detector", films / "g", "--model", "threshold://two")
    assert (other.code, other.err.count("\n")) == (2, 2)
    assert "set for model 'one'" in other.err


@pytest.mark.slow
def test_a_detector_that_looks_at_features_is_refused_before_any_bundle(radversary, films):
    left = radversary("detector", "fit", films / "fit", "--model", "threshold://one", "--out", films / "g")
    assert left.code == 2
    assert "needs gradients but model 'one' gives only labels" in left.err
    assert not (films / "g" / "guard.json").exists()
