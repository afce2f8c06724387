from __future__ import annotations

import pytest
import torch

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard, make_card
from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.probe import answers_sha256, check_answers
from radversary.classifiers.registry import CLASSIFIERS, load
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import AccessError, ModelError, UnknownNameError, UnsafeModelError
from radversary.core.types import Access, Task


class Oracle(Classifier):
    """A model behind an address that answers with labels alone."""

    access = Access.LABELS

    def __init__(self) -> None:
        self.card = ModelCard(name="oracle", architecture="remote", classes=("a", "b"), size=8, sha256="ab" * 32)

    def decide(self, images):
        return (images.mean((1, 2, 3)) > 0.5).long()


class Remote:
    """A kind of model of another package."""

    def recognises(self, reference: str) -> bool:
        return reference.startswith("oracle://")

    def load(self, reference: str) -> Classifier:
        return Oracle()


@pytest.fixture(autouse=True)
def _another_kind(monkeypatch):
    monkeypatch.setitem(CLASSIFIERS._own, "remote", f"{__name__}:Remote")


@pytest.mark.slow
def test_a_reference_leads_to_the_kind_that_recognises_it(tmp_path):
    card = ModelCard(name="m", architecture="vgg", classes=("a", "b"), size=32)
    saved = save_classifier(TorchClassifier(build_network("vgg", classes=2), card), tmp_path / "model")
    assert load(tmp_path / "model").fingerprint() == saved.fingerprint()
    assert load(str(tmp_path / "model" / "model.safetensors")).card == saved.card
    assert isinstance(load("oracle://somewhere"), Oracle)


def test_what_is_no_model_is_one_sentence(tmp_path):
    with pytest.raises(ModelError, match="there is no model at"):
        load(tmp_path / "nothing")
    (tmp_path / "model.pt").write_bytes(b"PK")
    with pytest.raises(UnsafeModelError, match="which can run code"):
        load(tmp_path / "model.pt")
    with pytest.raises(ModelError, match=r"no model of a known kind \(code, exported, .*, remote, torchscript\)"):
        load("ftp://somewhere/model")


def test_a_model_of_labels_decides_and_gives_no_scores():
    oracle, images = Oracle(), torch.tensor([0.2, 0.9]).reshape(2, 1, 1, 1).expand(-1, 1, 8, 8)
    assert oracle.predict(images).tolist() == oracle.decide(images).tolist() == [0, 1]
    assert oracle.predict(images[:0]).tolist() == []
    for ask in (oracle.logits, oracle.scores, oracle.features):
        with pytest.raises(AccessError, match="'oracle' answers with l"):
            ask(images)


def test_a_card_says_its_task():
    fields = {"name": "m", "architecture": "x", "classes": ["a", "b"], "size": 8}
    assert make_card("m", fields).task == Task.MULTICLASS
    for task in ("multi-class", 3, None, ["multiclass"]):
        with pytest.raises(UnknownNameError, match=r"^unknown task .*Known: binary, multiclass, multil") as refusal:
            make_card("m", {**fields, "task": task})
        assert ("did you mean 'multiclass'?" in str(refusal.value)) == (task not in (3, None))


def test_decisions_are_looked_at_before_they_are_believed(monkeypatch):
    assert check_answers(Oracle()).probabilities is False
    before = answers_sha256(Oracle())
    for answer, problem in ((torch.zeros(4), "int64 tensor of class indices"), ([0, 1], "decides list, expected"),
                            (torch.full((4,), 7), "for classes 7 to 7, its card names 2")):
        monkeypatch.setattr(Oracle, "decide", lambda self, images, answer=answer: answer[:len(images)])
        with pytest.raises(ModelError, match=problem):
            check_answers(Oracle())
    monkeypatch.setattr(Oracle, "decide", lambda self, images: torch.ones(len(images), dtype=torch.int64))
    assert answers_sha256(Oracle()) != before
