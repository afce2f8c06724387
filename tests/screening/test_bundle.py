from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.registry import load
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import InputError, ModelError
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.detectors.registry import REFERENCE_FREE
from radversary.screening.bundle import GUARD, LEARNED, MODEL, check_model, load_guard, promise, save_guard
from radversary.screening.fitting import fit_guard
from radversary.storage.checksums import sha256_file, sha256_json
from random_parts import TinyNetwork


@pytest.fixture
def saved(guard, tmp_path):
    return save_guard(guard, tmp_path / "bundle")


def other_model(folder):
    network = build_network("tiny", classes=2, seed=8)
    save_classifier(wrap(network, classes=("a", "b"), size=32, name="other", architecture="tiny"), folder)
    return folder


@pytest.mark.slow
def test_a_loaded_guard_says_the_same(guard, saved, clean):
    loaded = load_guard(saved)
    assert np.array_equal(loaded.look(clean).scores, guard.look(clean).scores)
    assert loaded.screen(clean) == guard.screen(clean)
    assert loaded.record == guard.record


@pytest.mark.slow
def test_a_taught_detector_travels_with_what_it_learned(victim, clean, tmp_path, monkeypatch):
    monkeypatch.setitem(REFERENCE_FREE._own, "learned", "tiny_learned:OneEpoch")
    fitted = fit_guard(victim, clean[:20], names=("learned", "energy"), attacked=clean[20:30].round())
    ready = fitted.calibrate(clean[30:90], [str(number) for number in range(60)], alpha=0.1)
    loaded = load_guard(save_guard(ready, tmp_path))
    assert loaded.record["attacked_images"] == 10
    assert np.array_equal(loaded.look(clean[90:]).scores, ready.look(clean[90:]).scores)
    assert loaded.screen(clean[90:]) == ready.screen(clean[90:])


@pytest.mark.slow
def test_a_guard_without_thresholds_can_be_kept_until_it_has_some(victim, clean, tmp_path):
    fitted = fit_guard(victim, clean[:20], names=("energy",))
    loaded = load_guard(save_guard(fitted, tmp_path))
    assert loaded.fusion is None
    assert loaded.calibrate(clean[20:], [str(n) for n in range(100)], alpha=0.1).alpha == 0.1


@pytest.mark.slow
def test_the_file_says_what_is_promised_and_of_what(guard, saved):
    facts = json.loads((saved / GUARD).read_text())
    assert facts["model_sha256"] == guard.classifier.card.sha256
    assert facts["thresholds"] == json.loads(json.dumps(promise(guard.calibrated())))
    assert facts["thresholds"]["alpha"] == 0.1
    assert facts["thresholds"]["patients"] == {"all": 30}
    assert 0.1 < facts["thresholds"]["bound_95"]["all"] < 0.3
    assert len(facts["thresholds"]["calibration_sha256"]) == 64


@pytest.mark.slow
def test_thresholds_of_another_model_are_refused(saved, tmp_path):
    other_model(saved / MODEL)
    with pytest.raises(ModelError, match="were set for another model"):
        load_guard(saved)


@pytest.mark.slow
def test_a_named_model_must_be_the_bundle_s(saved, tmp_path):
    check_model(load_guard(saved), load(saved / MODEL))
    with pytest.raises(ModelError, match=r"'victim'.*not for 'other'"):
        check_model(load_guard(saved), load(other_model(tmp_path / "other")))


@pytest.mark.slow
def test_what_the_detectors_learned_is_bound_to_the_thresholds(saved):
    learned = load_file(saved / LEARNED)
    save_file({name: value + 1 if value.is_floating_point() else value for name, value in learned.items()},
              saved / LEARNED)
    with pytest.raises(ModelError, match="does not belong to the thresholds"):
        load_guard(saved)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "words"), [
    (lambda facts: facts | {"format": 99}, "is of format 99"),
    (lambda facts: facts | {"record": {"alpha": "lower"}}, "was changed after it was written"),
    (lambda facts: {name: value for name, value in facts.items() if name != "sha256"}, "is damaged"),
    (lambda facts: 3, "is damaged")])
def test_a_changed_file_is_refused(saved, change, words):
    path = saved / GUARD
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ModelError, match=words):
        load_guard(saved)


@pytest.mark.slow
def test_missing_parts_are_named(saved, tmp_path):
    with pytest.raises(ModelError, match="radversary detector fit"):
        load_guard(tmp_path / "nowhere")
    (saved / LEARNED).unlink()
    with pytest.raises(ModelError, match="fit anew"):
        load_guard(saved)


def rehashed(folder, change):
    """Change guard.json and make its hashes right again, as someone who means harm would."""
    facts = json.loads((folder / GUARD).read_text())
    change(facts)
    facts.pop("sha256")
    facts["learned_sha256"] = sha256_file(folder / LEARNED)
    if facts.get("thresholds"):
        facts["thresholds"]["calibration_sha256"] = sha256_json(facts["fusion"])
    (folder / GUARD).write_text(json.dumps({**facts, "sha256": sha256_json(facts)}))


@pytest.mark.slow
@pytest.mark.parametrize(("change", "words"), [
    (lambda facts: facts["fusion"].update(final=3), "fusion.final"),
    (lambda facts: facts["fusion"]["final"].update(alpha="0.1"), "fusion.final.alpha"),
    (lambda facts: facts["fusion"]["final"].update(alpha=1e-300), "contradict themselves: a false-alarm rate"),
    (lambda facts: facts["fusion"]["final"].update(minimum=-1), "fusion.final.minimum"),
    (lambda facts: facts["fusion"]["final"].update(seed=-1), "fusion.final.seed"),
    (lambda facts: facts["fusion"]["final"].update(scores={}), "fusion.final.scores"),
    (lambda facts: facts["fusion"]["final"].update(scores={"other": [0.5] * 30}), "other groups"),
    (lambda facts: facts["fusion"]["final"]["scores"].update(all=["x"]), "fusion.final.scores.all.0"),
    (lambda facts: facts["fusion"].update(firsts=[]), "fusion.firsts"),
    (lambda facts: facts["fusion"]["firsts"].pop(), "kind|2 detectors"),
    (lambda facts: facts["fusion"].update(rule="loudest"), "unknown rule of fusion 'loudest'"),
    (lambda facts: facts["fusion"].update(extra=1), "fusion.extra"),
    (lambda facts: facts.update(record={"grouped_by": ["view"]}), "grouped_by must name"),
    (lambda facts: facts.update(detectors=[["energy"]]), "detectors.0"),
    (lambda facts: facts.update(detectors=[]), "detectors"),
    (lambda facts: facts.update(detectors=[["energy", {}], ["energy", {}]]), "a detector stands twice"),
    (lambda facts: facts["detectors"][0][1].update(k=10**12), "at most 1000000"),
    (lambda facts: facts["detectors"][0][1].update(k="many"), "k: input should be a valid integer"),
    (lambda facts: facts.update(views=[["../../model", "0" * 64]]), "under its name, not at"),
    (lambda facts: facts.update(views=3), "views"),
    (lambda facts: facts.update(model_sha256=None), "model_sha256"),
    (lambda facts: facts.update(thresholds=None), "promises something else"),
])
def test_a_record_that_contradicts_itself_is_one_sentence_although_its_hash_is_right(saved, change, words):
    rehashed(saved, change)
    with pytest.raises(InputError, match=words) as refused:
        load_guard(saved)
    assert len(str(refused.value)) < 1000


@pytest.mark.slow
def test_thresholds_that_differ_from_what_is_promised_are_refused(saved):
    facts = json.loads((saved / GUARD).read_text())
    facts["fusion"]["final"]["scores"]["all"][-1] += 1.0
    facts.pop("sha256")
    (saved / GUARD).write_text(json.dumps({**facts, "sha256": sha256_json(facts)}))
    with pytest.raises(ModelError, match="promises something else than its thresholds keep"):
        load_guard(saved)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "words"), [
    (lambda state: state.pop("neighbours/bank"), "has not learned 'bank'"),
    (lambda state: state.update({"neighbours/bank": torch.zeros(0)}), "does not hold what its detectors learn"),
    (lambda state: state.update({"neighbours/bank": torch.zeros(3, 3)}), "does not hold what its detectors learn"),
    (lambda state: state.update({"neighbours/k": torch.tensor(10**6)}), "does not hold what its detectors learn"),
    (lambda state: state.update({"neighbours/scale": torch.full((2, 2), float("nan"))}), "not a number"),
])
def test_what_no_detector_learns_is_refused_when_the_guard_is_loaded(saved, change, words):
    state = load_file(saved / LEARNED)
    change(state)
    save_file(state, saved / LEARNED)
    rehashed(saved, lambda facts: None)
    with pytest.raises(ModelError, match=words):
        load_guard(saved)


@dataclass
class Brightness(ReferenceFreeDetector):
    """A detector whose code can change."""

    weight: ClassVar[float] = 1.0

    def measure(self, images, features):
        return images.mean((1, 2, 3))[:, None]

    def judge(self, measured):
        return measured[:, 0] * Brightness.weight


@pytest.mark.slow
def test_a_model_whose_code_changed_under_the_same_weights_is_refused(saved, monkeypatch):
    forward = TinyNetwork.forward
    monkeypatch.setattr(TinyNetwork, "forward", lambda self, images: forward(self, images * -3.0))
    with pytest.raises(ModelError, match=r"model 'victim' answers generated images otherwise than when the guard was "
                                         "saved: its code, .* fit and calibrate anew"):
        load_guard(saved)


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "refused"), [(1.5, True), (1.0 + 1e-5, False)])
def test_a_detector_whose_code_changed_is_refused_and_another_processor_s_rounding_is_not(
        victim, clean, tmp_path, monkeypatch, factor, refused):
    monkeypatch.setitem(REFERENCE_FREE._own, "brightness", f"{__name__}:Brightness")
    fitted = fit_guard(victim, clean[:20], names=("energy", "brightness"))
    folder = save_guard(fitted.calibrate(clean[20:80], [str(n) for n in range(60)], alpha=0.1), tmp_path)
    monkeypatch.setattr(Brightness, "weight", factor)
    if not refused:
        assert load_guard(folder).alpha == 0.1
        return
    with pytest.raises(ModelError, match="detector 'brightness' scores generated images otherwise"):
        load_guard(folder)


@pytest.mark.slow
def test_a_bundle_of_an_earlier_version_notes_no_looks_and_is_loaded(guard, saved, clean):
    rehashed(saved, lambda facts: facts.pop("looks"))
    assert load_guard(saved).screen(clean) == guard.screen(clean)


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda looks: looks["answers"].pop(), lambda looks: looks.update(scores=[]),
                                    lambda looks: looks["scores"][0].append(1.0),
                                    lambda looks: looks["answers"][0].__setitem__(0, 1e308)])
def test_looks_of_another_shape_are_refused(saved, change):
    rehashed(saved, lambda facts: change(facts["looks"]))
    with pytest.raises(ModelError, match=r"otherwise than when the guard was saved|looks"):
        load_guard(saved)
