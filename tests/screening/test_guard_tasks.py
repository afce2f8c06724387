"""Guards of models that read findings, whatever is known of the model: its features, its scores or its labels alone."""

from __future__ import annotations

import json

import pytest
import torch

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.registry import CLASSIFIERS, load
from radversary.classifiers.torch_module import wrap
from radversary.cli.detector_tables import verdict_cells
from radversary.core.errors import AccessError, ModelError
from radversary.core.types import Access
from radversary.imaging.png import encode_png
from radversary.screening.bundle import MODEL, load_guard, save_guard
from radversary.screening.fitting import PRESETS, fit_guard
from radversary.screening.screen import screen_place
from radversary.screening.verdicts import as_json

pytestmark = pytest.mark.slow

CARDS = {"multilabel": {"task": "multilabel", "classes": ("Edema", "Mass", "Nodule"), "thresholds": (0.5, 0.3, 0.9)},
         "binary": {"task": "binary", "classes": ("Normal", "Mass"), "thresholds": (0.3,)}}
PATIENTS = [f"p{number}" for number in range(60)]


def network_of(task, **changes):
    card = {**CARDS[task], **changes}
    return wrap(build_network("tiny", classes=len(card["classes"]), seed=3), size=32, name="reader",
                architecture="tiny", **card)


class Scores(Classifier):
    """Answers over a wire, so to say: how bright an image is says how surely each finding is there."""

    access = Access.SCORES

    def __init__(self, task: str) -> None:
        self.card = ModelCard(name="wire", architecture="unknown", size=32, **CARDS[task])

    def fingerprint(self) -> str:
        return f"wire, {self.card.task}"

    @torch.no_grad()
    def logits(self, images):
        bright = 20 * (images.mean((1, 2, 3)) - 0.5)
        columns = [bright, -bright, 0 * bright] if self.card.task == "multilabel" else [0 * bright, bright]
        return torch.stack(columns, 1)


class Labels(Scores):
    """The same, labels alone."""

    access = Access.LABELS

    def decide(self, images):
        bright = images.mean((1, 2, 3)) > 0.5
        return torch.stack([bright, ~bright, bright & ~bright], 1).long() if self.card.task == "multilabel" else (
            bright.long())

    def logits(self, images):
        return Classifier.logits(self, images)


class Wires:
    """Loads ``wire://scores/TASK`` and ``wire://labels/TASK``."""

    def recognises(self, reference: str) -> bool:
        return reference.startswith("wire://")

    def load(self, reference: str) -> Classifier:
        shows, _, task = reference[7:].partition("/")
        return {"scores": Scores, "labels": Labels}[shows](task)


@pytest.fixture
def _wires(monkeypatch):
    monkeypatch.setitem(CLASSIFIERS._own, "wire", f"{__name__}:Wires")


def guard_of(classifier, clean, names=("integrity",)):
    return fit_guard(classifier, clean[:40], names=names).calibrate(clean[40:100], PATIENTS, alpha=0.1)


@pytest.mark.parametrize("task", CARDS)
def test_a_verdict_says_what_the_model_reads_by_its_own_thresholds(clean, task):
    films = clean[100:]
    usual = network_of(task).scores(films).sort(0).values[9:11].mean(0)[1 if task == "binary" else 0:]
    victim = network_of(task, thresholds=tuple(usual.tolist()))
    guard = guard_of(victim, clean, ("integrity", "shallow", "msp"))
    found, scores = guard.screen(films), victim.scores(films)
    names, bars = victim.card.findings, victim.card.bars
    for verdict, row in zip(found, scores.tolist(), strict=True):
        probable = dict(zip(victim.card.classes, row, strict=True))
        assert verdict.findings == tuple(name for name, bar in zip(names, bars, strict=True) if probable[name] >= bar)
        assert verdict.probabilities == pytest.approx(probable, abs=1e-6)
        line = json.loads(json.dumps(as_json(verdict)))
        assert line["findings"] == list(verdict.findings)
        if task == "multilabel":
            assert line["prediction"] == ("|".join(verdict.findings) or "no finding")
        else:
            assert line["prediction"] == ("Mass" if verdict.findings else "Normal")
    assert len({verdict.prediction for verdict in found}) > 1


def test_one_class_of_several_has_no_findings_in_its_verdict(guard, clean):
    assert as_json(guard.screen(clean[:1])[0])["findings"] is None


@pytest.mark.parametrize("task", CARDS)
@pytest.mark.parametrize("shows", [Scores, Labels])
def test_a_model_known_by_its_answers_is_guarded(clean, task, shows):
    guard = guard_of(shows(task), clean)
    dark, bright = guard.screen(torch.cat([torch.full((1, 1, 32, 32), 0.1), torch.full((1, 1, 32, 32), 0.9)]))
    expected = {"multilabel": (("Mass",), ("Edema",)), "binary": ((), ("Mass",))}[task]
    assert (dark.findings, bright.findings) == expected
    assert bool(dark.probabilities) == (shows is Scores)
    if shows is Labels:
        assert verdict_cells(bright)[2] == f"{bright.prediction} (label alone)"
    else:
        assert verdict_cells(bright)[2] == f"{bright.findings[0]} 100%"
    assert len(guard.look(clean[:0]).decisions) == 0


class Behind(Scores):
    """A network of which the scores alone are shown."""

    def __init__(self, network: Classifier) -> None:
        self.network, self.card = network, network.card

    def logits(self, images):
        return self.network.logits(images).detach()


LOGITS = ("msp", "energy", "consistency", "squeezing", "shift")


@pytest.mark.parametrize("task", CARDS)
def test_detectors_of_logits_guard_a_model_that_shows_scores_alone(clean, task):
    network = network_of(task)
    known, behind = guard_of(network, clean, LOGITS), guard_of(Behind(network), clean, LOGITS)
    assert behind.screen(clean[100:]) == known.screen(clean[100:])


def test_a_preset_guards_every_model_and_is_named_where_another_will_not_do(clean):
    guard = fit_guard(Labels("multilabel"), clean[:8], names=PRESETS["black-box"])
    assert not guard.needs_features
    with pytest.raises(AccessError, match=r"ShallowDetector.*only scores; preset black-box \(integrity, grain\) looks"):
        fit_guard(Scores("multilabel"), clean[:8], names=PRESETS["quick"])


@pytest.mark.parametrize("name", LOGITS)
def test_they_refuse_one_that_shows_labels_alone_by_name(clean, name):
    with pytest.raises(AccessError, match=r"Detector\(.*\) needs scores but model 'wire' gives only labels"):
        fit_guard(Labels("multilabel"), clean[:40], names=("integrity", name))


@pytest.mark.usefixtures("_wires")
@pytest.mark.parametrize("task", CARDS)
@pytest.mark.parametrize("shows", ["scores", "labels"])
def test_its_bundle_leads_to_it_and_notices_another(clean, tmp_path, monkeypatch, task, shows):
    guard = guard_of(load(f"wire://{shows}/{task}"), clean)
    folder = save_guard(guard, tmp_path / "bundle")
    assert not (folder / MODEL).exists()
    films = tmp_path / "films"
    films.mkdir()
    for number, film in enumerate(clean[100:104]):
        (films / f"{number}.png").write_bytes(encode_png(film))
    again = load_guard(folder, remote=str)
    assert list(screen_place(again, films)) == list(screen_place(guard, films))
    monkeypatch.setattr(Scores, "fingerprint", lambda self: "another")
    with pytest.raises(ModelError, match="were set for another model"):
        load_guard(folder, remote=str)


@pytest.mark.parametrize("task", CARDS)
def test_a_bundle_holds_a_network_and_how_it_reads(clean, tmp_path, task):
    guard = guard_of(network_of(task), clean, ("neighbours", "msp", "consistency"))
    again = load_guard(save_guard(guard, tmp_path / "bundle"))
    assert again.screen(clean[100:]) == guard.screen(clean[100:])
    assert again.classifier.card.bars == guard.classifier.card.bars
    lower = load_classifier(tmp_path / "bundle" / MODEL)
    bars = tuple(bar / 2 for bar in lower.card.bars)
    save_classifier(wrap(lower.module, **{**lower.card.model_dump(exclude={"sha256", "thresholds"}),
                                          "thresholds": bars}), tmp_path / "bundle" / MODEL)
    with pytest.raises(ModelError, match="names other classes, thresholds or another task"):
        load_guard(tmp_path / "bundle")
