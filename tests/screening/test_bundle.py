from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import ModelError
from radversary.detectors.registry import REFERENCE_FREE
from radversary.screening.bundle import GUARD, LEARNED, MODEL, check_model, load_guard, promise, save_guard
from radversary.screening.guard import fit_guard


@pytest.fixture
def saved(guard, tmp_path):
    return save_guard(guard, tmp_path / "bundle")


def other_model(folder):
    network = build_network("tiny", classes=2, seed=8)
    save_classifier(wrap(network, classes=("a", "b"), size=32, name="other", architecture="tiny"), folder)
    return folder


def test_a_loaded_guard_says_the_same(guard, saved, clean):
    loaded = load_guard(saved)
    assert np.array_equal(loaded.look(clean).scores, guard.look(clean).scores)
    assert loaded.screen(clean) == guard.screen(clean)
    assert loaded.record == guard.record


def test_a_taught_detector_travels_with_what_it_learned(victim, clean, tmp_path, monkeypatch):
    monkeypatch.setitem(REFERENCE_FREE._own, "learned", "tiny_learned:OneEpoch")
    fitted = fit_guard(victim, clean[:20], names=("learned", "energy"), attacked=clean[20:30].round())
    ready = fitted.calibrate(clean[30:90], [str(number) for number in range(60)], alpha=0.1)
    loaded = load_guard(save_guard(ready, tmp_path))
    assert loaded.record["attacked_images"] == 10
    assert np.array_equal(loaded.look(clean[90:]).scores, ready.look(clean[90:]).scores)
    assert loaded.screen(clean[90:]) == ready.screen(clean[90:])


def test_a_guard_without_thresholds_can_be_kept_until_it_has_some(victim, clean, tmp_path):
    fitted = fit_guard(victim, clean[:20], names=("energy",))
    loaded = load_guard(save_guard(fitted, tmp_path))
    assert loaded.fusion is None
    assert loaded.calibrate(clean[20:], [str(n) for n in range(100)], alpha=0.1).alpha == 0.1


def test_the_file_says_what_is_promised_and_of_what(guard, saved):
    facts = json.loads((saved / GUARD).read_text())
    assert facts["model_sha256"] == guard.classifier.card.sha256
    assert facts["thresholds"] == json.loads(json.dumps(promise(guard.calibrated())))
    assert facts["thresholds"]["alpha"] == 0.1
    assert facts["thresholds"]["patients"] == {"all": 30}
    assert 0.1 < facts["thresholds"]["bound_95"]["all"] < 0.3
    assert len(facts["thresholds"]["calibration_sha256"]) == 64


def test_thresholds_of_another_model_are_refused(saved, tmp_path):
    other_model(saved / MODEL)
    with pytest.raises(ModelError, match="were set for another model"):
        load_guard(saved)


def test_a_named_model_must_be_the_bundle_s(saved, tmp_path):
    check_model(load_guard(saved), saved / MODEL)
    with pytest.raises(ModelError, match=r"'victim'.*not for 'other'"):
        check_model(load_guard(saved), other_model(tmp_path / "other"))


def test_what_the_detectors_learned_is_bound_to_the_thresholds(saved):
    learned = load_file(saved / LEARNED)
    save_file({name: value + 1 if value.is_floating_point() else value for name, value in learned.items()},
              saved / LEARNED)
    with pytest.raises(ModelError, match="does not belong to the thresholds"):
        load_guard(saved)


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


def test_missing_parts_are_named(saved, tmp_path):
    with pytest.raises(ModelError, match="radversary detector fit"):
        load_guard(tmp_path / "nowhere")
    (saved / LEARNED).unlink()
    with pytest.raises(ModelError, match="fit anew"):
        load_guard(saved)
