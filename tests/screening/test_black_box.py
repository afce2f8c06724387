"""A victim that is known by its scores alone, guarded by detectors that look at pixels."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
import torch

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.registry import CLASSIFIERS, load
from radversary.cli.detector_tables import verdict_cells
from radversary.core.errors import AccessError, ModelError
from radversary.core.types import Access
from radversary.detectors.registry import REFERENCE_FREE
from radversary.guard_evaluation.guarded import GuardedClassifier
from radversary.imaging.png import encode_png
from radversary.screening.bundle import GUARD, MODEL, check_model, load_guard, save_guard
from radversary.screening.fitting import fit_guard
from radversary.screening.heat import HeatMaps, heat_maps
from radversary.screening.screen import screen_places
from radversary.screening.verdicts import as_json
from radversary.storage.checksums import sha256_json


class Remote(Classifier):
    """Says how bright an image is, and nothing of how it knows."""

    access = Access.SCORES
    card = ModelCard(name="remote", architecture="unknown", classes=("dark", "bright"), size=32)
    factor: ClassVar[float] = 20.0

    def __init__(self, version: str = "1") -> None:
        self.calls, self.version = 0, version

    def fingerprint(self) -> str:
        return f"brightness, {self.version}"

    @torch.no_grad()
    def logits(self, images):
        self.calls += 1
        bright = images.mean((1, 2, 3))
        return torch.stack([0.5 - bright, bright - 0.5], dim=1) * self.factor


class Labels(Remote):
    """Says which of two an image is, and not how surely."""

    access = Access.LABELS

    def logits(self, images):
        return Classifier.logits(self, images)

    def decide(self, images):
        self.calls += 1
        return (images.mean((1, 2, 3)) > 0.5).long()


class Services:
    """Loads ``service://scores/VERSION`` and ``service://labels/VERSION``."""

    def recognises(self, reference: str) -> bool:
        return reference.startswith("service://")

    def load(self, reference: str) -> Classifier:
        shows, _, version = reference[10:].partition("/")
        return {"scores": Remote, "labels": Labels}[shows](version)


@pytest.fixture
def _services(monkeypatch):
    monkeypatch.setitem(CLASSIFIERS._own, "service", f"{__name__}:Services")


@pytest.fixture
def guarded_labels(clean):
    fitted = fit_guard(Labels(), clean[:40], names=("integrity",))
    return fitted.calibrate(clean[40:100], [f"p{number}" for number in range(60)], alpha=0.1)


@pytest.fixture
def guarded(clean, monkeypatch):
    monkeypatch.setitem(REFERENCE_FREE._own, "learned", "tiny_learned:OneEpoch")
    fitted = fit_guard(Remote(), clean[:40], names=("integrity", "learned"), attacked=clean[:20].round())
    return fitted.calibrate(clean[40:100], [f"p{number}" for number in range(60)], alpha=0.1)


@pytest.mark.slow
def test_pixel_detectors_guard_it(guarded, clean):
    checked = torch.zeros(1, 1, 32, 32)
    checked[..., ::2, ::2] = 1.0
    passed, strange = guarded.screen(torch.cat([clean[100:101], checked]), names=["clean", "board"])
    assert (passed.verdict, strange.verdict) == ("pass", "review")
    assert strange.prediction == "dark"
    before = guarded.classifier.calls
    guarded.look(clean[:3])
    assert guarded.classifier.calls == before + 1  # for the prediction, and never for features


@pytest.mark.slow
def test_its_guarded_classifier_says_the_same(guarded, clean):
    classifier = GuardedClassifier(guarded)
    assert classifier.access == Access.SCORES
    assert not classifier.alarms(clean)[classifier.excess(clean) <= 0].any()
    assert len(classifier.fingerprint()) == 64


def test_a_detector_that_looks_at_features_is_refused_by_name(clean):
    with pytest.raises(AccessError, match=r"ShallowDetector.* needs gradients but model 'remote' gives only scores"):
        fit_guard(Remote(), clean[:10], names=("integrity", "shallow"))


@pytest.mark.slow
def test_no_heat_map_and_no_bundle(guarded, clean, tmp_path):
    assert heat_maps(guarded, clean[:2]) is None
    (tmp_path / "film.png").write_bytes(encode_png(clean[0]))
    (film,) = screen_places(guarded, [tmp_path])
    assert HeatMaps(guarded, tmp_path / "heat").draw(film) is None
    assert not (tmp_path / "heat").exists()
    with pytest.raises(ModelError, match="only a PyTorch classifier can be saved in a bundle"):
        save_guard(guarded, tmp_path / "bundle")


@pytest.mark.slow
def test_a_model_of_labels_alone_is_guarded_and_its_verdict_has_no_probabilities(guarded_labels, clean):
    bright = torch.full((1, 1, 32, 32), 0.9)
    before = guarded_labels.classifier.calls
    first, second = guarded_labels.screen(torch.cat([clean[:1] * 0.1, bright]))
    assert guarded_labels.classifier.calls == before + 1
    assert (first.prediction, second.prediction) == ("dark", "bright")
    assert as_json(second)["probabilities"] == {}
    assert verdict_cells(second)[2] == "bright (label alone)"
    assert guarded_labels.look(clean[:0]).decisions.shape == (0,)


@pytest.mark.slow
def test_its_guarded_classifier_decides_too(guarded_labels, clean):
    classifier = GuardedClassifier(guarded_labels)
    assert torch.equal(classifier.predict(clean), guarded_labels.classifier.predict(clean))
    assert classifier.alarms(clean).shape == (len(clean),)
    with pytest.raises(AccessError, match="answers with labels alone"):
        classifier.excess(clean)


@pytest.mark.slow
def test_a_verdict_with_probabilities_shows_them(guarded, clean):
    (verdict,) = guarded.screen(clean[:1])
    assert set(verdict.probabilities) == {"dark", "bright"}
    assert verdict_cells(verdict)[2] == f"{verdict.prediction} {verdict.probabilities[verdict.prediction]:.0%}"


def kept(reference, clean, folder):
    fitted = fit_guard(load(reference), clean[:40], names=("integrity",))
    return save_guard(fitted.calibrate(clean[40:100], [f"p{number}" for number in range(60)], alpha=0.1), folder)


@pytest.mark.slow
@pytest.mark.usefixtures("_services")
@pytest.mark.parametrize("shows", ["scores", "labels"])
def test_a_bundle_leads_to_it_by_its_reference(clean, tmp_path, shows):
    folder = kept(f"service://{shows}/1", clean, tmp_path)
    told = []
    loaded = load_guard(folder, remote=told.append)
    assert told == [f"service://{shows}/1"]
    assert not (folder / MODEL).exists()
    assert loaded.classifier.reference == f"service://{shows}/1"
    assert loaded.screen(clean) == load_guard(save_guard(loaded, tmp_path / "again"), remote=told.append).screen(clean)
    check_model(loaded, load(f"service://{shows}/1"))
    with pytest.raises(ModelError, match="set for model 'remote'"):
        check_model(loaded, load(f"service://{shows}/2"))


@pytest.mark.slow
@pytest.mark.usefixtures("_services")
def test_a_service_that_answers_otherwise_or_is_another_is_refused(clean, tmp_path, monkeypatch):
    folder = kept("service://scores/1", clean, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "factor", -20.0)
        with pytest.raises(ModelError, match="the file or service behind it, was changed"):
            load_guard(folder, remote=print)
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "fingerprint", lambda self: "other")
        with pytest.raises(ModelError, match="were set for another model"):
            load_guard(folder, remote=print)
    monkeypatch.delitem(CLASSIFIERS._own, "service")
    with pytest.raises(ModelError, match=r"service://scores/1 is no model of a known kind \(code, .*folder.*\)"):
        load_guard(folder, remote=print)


@pytest.mark.slow
@pytest.mark.usefixtures("_services")
def test_an_address_is_asked_only_where_somebody_is_told_of_it(clean, tmp_path, monkeypatch):
    folder = kept("service://scores/1", clean, tmp_path)
    monkeypatch.setattr(Services, "load", None)  # nothing is asked in either case
    with pytest.raises(ModelError, match="asks the model at 'service://scores/1', to which films would be sent; where"):
        load_guard(folder)

    def refuse(address):
        raise ModelError(f"no films to {address}")

    with pytest.raises(ModelError, match="no films to service://scores/1"):
        load_guard(folder, remote=refuse)


@pytest.mark.slow
@pytest.mark.usefixtures("_services")
@pytest.mark.parametrize("reference", ["mine.py:build", "mine:build", "mine.py"])
def test_a_bundle_that_names_code_runs_none(clean, tmp_path, monkeypatch, reference):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("raise SystemExit('imported')")
    folder = kept("service://scores/1", clean, tmp_path / "bundle")
    facts = json.loads((folder / GUARD).read_text()) | {"reference": reference}
    facts.pop("sha256")
    (folder / GUARD).write_text(json.dumps({**facts, "sha256": sha256_json(facts)}))
    with pytest.raises(ModelError, match="is Python code; a bundle runs none"):
        load_guard(folder)
