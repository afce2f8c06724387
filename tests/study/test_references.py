"""A model that an address leads to is named by it everywhere, and no folder is looked for there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from radversary.auditing.plan import AuditPlan
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.registry import CLASSIFIERS
from radversary.core.errors import DataError
from radversary.core.types import Access
from radversary.data.registry import DATASETS
from radversary.study.audit_model import audit_model
from radversary.study.placing import folder_of

FAR = f"oracle://{'x' * 300}"
"""An address that no path could be made of: file names have 255 bytes at most."""


class Bright(Classifier):
    """A model behind an address, known by its scores."""

    access = Access.SCORES

    def __init__(self, name: str) -> None:
        self.card = ModelCard(name=name, architecture="remote", size=48,
                              classes=("Normal", "Pneumonia", "Pneumothorax"))
        self.factor = 1.0 + len(name)

    def fingerprint(self) -> str:
        return self.card.name

    def logits(self, images):
        bright = images.mean((1, 2, 3))
        return torch.stack([bright - 0.4, 0.4 - bright, 0.0 * bright], 1) * self.factor


class Oracles:
    """Loads what ``oracle://`` leads to, and notes what it was asked for."""

    loaded: ClassVar[list[str]] = []

    def recognises(self, reference: str) -> bool:
        return reference.startswith("oracle://")

    def load(self, reference: str) -> Classifier:
        self.loaded.append(reference)
        return Bright(reference[9:])


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """A data source that has nothing: what comes before it is tested here."""

    def table(self, workspace: Path):
        raise DataError("reached")


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    monkeypatch.setitem(CLASSIFIERS._own, "oracle", f"{__name__}:Oracles")
    monkeypatch.setitem(DATASETS._own, "nothing", f"{__name__}:Nothing")
    Oracles.loaded.clear()


def plan(**changes: Any) -> AuditPlan:
    return AuditPlan.model_validate({"attacks": [{"label": "noise", "name": "noise", "strengths": [0.1]}],
                                     "bootstrap": 100, "gallery": 0, "probe_images": 0, **changes})


@pytest.mark.slow
def test_victim_defence_and_surrogate_are_loaded_by_their_references(tmp_path):
    given = plan(attacks=[{"label": "x", "name": "worst-style", "surrogate": "oracle://c", "knowledge": ["transfer"],
                           "options": {"generator": "fourier", "count": 3, "style_size": 32, "k": 2}}],
                 defences=[{"label": "b", "model": "oracle://b/one"}])
    with pytest.raises(DataError, match="reached"):
        audit_model(given, FAR, {"name": "nothing"}, tmp_path / "run", device="cpu")
    assert Oracles.loaded == [FAR, "oracle://b/one", "oracle://c"]


@pytest.mark.slow
def test_models_behind_addresses_are_audited(tmp_path):
    source = {"name": "phantoms", "options": {"count": 60, "size": 48}}
    result = audit_model(plan(defences=[{"label": "b", "model": "oracle://b"}]), FAR, source, tmp_path / "run",
                         device="cpu")
    assert Oracles.loaded == [FAR, "oracle://b"]
    assert "defence model oracle://b: it is not known which images" in " ".join(result.data.warnings)
    assert (tmp_path / "run" / "report.html").is_file()


def test_the_folder_of_a_reference_is_that_of_a_path_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "model" / "model.safetensors"
    file.parent.mkdir()
    file.touch()
    (tmp_path / "oracle:" / "b").mkdir(parents=True)
    assert folder_of(file) == folder_of(str(file.parent)) == file.parent
    for other in ("oracle://b", FAR, "my_model.py:build", tmp_path / "gone"):
        assert folder_of(other) is None
