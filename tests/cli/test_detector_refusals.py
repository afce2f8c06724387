"""What is wrong with a request is said before a film is read: the films named here cannot be."""

from __future__ import annotations

import pytest
import yaml
from torch import nn

from holding import held
from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.torch_module import wrap
from radversary.screening.bundle import save_guard
from radversary.screening.fitting import fit_guard
from random_parts import TinyNetwork, smooth_images


class Soft(TinyNetwork):
    """Answers with probabilities."""

    def __init__(self, *, classes: int) -> None:
        super().__init__(classes=classes)
        self.head = nn.Sequential(self.head, nn.Softmax(1))


@pytest.fixture
def nowhere(tmp_path):
    """Films and a model that cannot be read, and a run whose images cannot be loaded."""
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "broken.png").write_bytes(b"no film")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "prepared.json").write_text("{")
    return tmp_path / "films"


@pytest.fixture
def fitted(tmp_path, make_model):
    """A guard without thresholds."""
    network = TinyNetwork(classes=2)
    make_model("a", "b")  # registers the network
    victim = wrap(network, classes=("a", "b"), size=48, architecture="tiny")
    return save_guard(fit_guard(victim, smooth_images(20, 48), names=("energy",)), tmp_path / "guard")


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), [
    (("--use", "energie"), "did you mean 'energy'"),
    (("--use", "energy", "--use", "energy"), "each once"),
    (("--preset", "through"), "did you mean 'thorough'"),
    (("--use", "consistency", "--view", "canon"), "give 'canonical' or the folder"),
    (("--use", "energy", "--view", "canonical"), "views are for detector 'consistency'"),
    (("--use", "learned"), "'learned' is supervised"),
    (("--use", "energy", "--attacked", "."), "only clean ones teach the chosen detectors"),
])
def test_fit_names_what_is_wrong_before_it_reads(radversary, nowhere, make_model, words, said):
    for model in (make_model("a", "b"), nowhere):  # not even the model is loaded
        outcome = radversary("detector", "fit", nowhere, "--model", model, "--out", nowhere / "g", *words)
        assert outcome.code == 2
        assert said in outcome.err


@pytest.mark.slow
def test_fit_looks_at_the_model_before_the_films(radversary, nowhere, monkeypatch):
    monkeypatch.setitem(NETWORKS._own, "soft", f"{__name__}:Soft")
    save_classifier(wrap(Soft(classes=2), classes=("a", "b"), size=48, architecture="soft"), nowhere.parent / "soft")
    for model, said in ((nowhere.parent / "soft", "gives probabilities"), (nowhere / "none", "there is no model at")):
        outcome = radversary("detector", "fit", nowhere, "--model", model, "--use", "energy")
        assert outcome.code == 2
        assert said in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("verb", [("fit", "--use", "energy"), ("families",)])
def test_a_model_that_was_trained_behind_transforms_gets_no_guard_without_them(radversary, nowhere, make_model, verb):
    model = make_model("a", "b")
    (model / "input.json").write_text('[{"name": "canonical", "options": {}}]')
    outcome = radversary("detector", verb[0], nowhere.parent / "run", "--model", model, *verb[1:])
    assert outcome.code == 2
    assert "was trained behind transforms (" in outcome.err
    assert "give a model without 'input'" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), [
    (("--alpha", 2), "must lie between 0 and 1, 1e-06 at least, got 2.0"),
    (("--alpha", 0), "must lie between 0 and 1, 1e-06 at least, got 0.0"),
    (("--rule", "fishr"), "did you mean 'fisher'"), (("--by", "veiw"), "did you mean 'view'")])
def test_calibrate_names_what_is_wrong_before_it_reads(radversary, nowhere, fitted, words, said):
    outcome = radversary("detector", "calibrate", nowhere, "--detector", fitted, *words)
    assert outcome.code == 2
    assert said in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["evaluate", "families"])
@pytest.mark.parametrize(("attack", "said"), [
    ({"name": "noise", "label": "x", "strengths": [2]}, "got 2"),
    ({"name": "nosie", "label": "x"}, "did you mean 'noise'"),
    ({"name": "noise", "label": "x", "options": {"deviatoin": 1}}, "did you mean 'deviation'"),
    ({"name": "style-transfer", "label": "x", "options": {"styles": "tset"}}, "did you mean 'test'"),
    ({"name": "pgd", "label": "x", "knowledge": ["transfer"]}, "names no surrogate"),
])
def test_a_plan_is_read_before_a_guard_or_an_image(radversary, nowhere, tmp_path, verb, attack, said):
    plan, beside = tmp_path / "evaluation.yaml", [{"name": "fgsm", "label": "y"}, {"name": "noise", "label": "z"}]
    plan.write_text(yaml.safe_dump({"attacks": [attack, *beside]}))
    model = ("--model" if verb == "families" else "--detector", nowhere)
    outcome = radversary("detector", verb, tmp_path / "run", *model, "--plan", plan)
    assert outcome.code == 2
    assert said in outcome.err


@pytest.mark.slow
def test_families_are_counted_and_a_guard_s_thresholds_missed_before_an_image_is_read(radversary, nowhere, tmp_path,
                                                                                     fitted, make_model):
    plan = tmp_path / "evaluation.yaml"
    plan.write_text(yaml.safe_dump({"attacks": [{"name": "noise", "label": "x"}]}))
    one = radversary("detector", "families", tmp_path / "run", "--model", make_model("a", "b"), "--plan", plan)
    assert (one.code, "two families at least" in one.err) == (2, True)
    early = radversary("detector", "evaluate", tmp_path / "run", "--detector", fitted, "--plan", plan)
    assert (early.code, "no thresholds yet" in early.err) == (2, True)


@pytest.mark.slow
def test_the_style_network_s_features_are_looked_for_before_phantoms_are_drawn(radversary, nowhere, monkeypatch):
    monkeypatch.setattr("radversary.data.phantoms.Phantoms.generate", None)
    outcome = radversary("train", "stylizer", "--vgg", nowhere, "--out", nowhere / "out")
    assert (outcome.code, "no VGG-19 weights found" in outcome.err) == (2, True)


@pytest.mark.slow
def test_audit_reads_its_plan_and_its_model_before_its_data(radversary, nowhere, tmp_path, make_model):
    plan = tmp_path / "audit.yaml"
    plan.write_text(yaml.safe_dump({"attacks": [{"name": "pgd", "label": "x", "options": {"epsilon": 2}}]}))
    words = ("audit", "--root", nowhere / "none", "--out", tmp_path / "out")
    read = ("audit", "--root", nowhere, "--out", tmp_path / "out", "--model", nowhere, "--plan", plan)
    assert "epsilon must lie in [0, 1], got 2" in radversary(*read).err
    assert "there is no model at" in radversary(*words, "--model", nowhere / "none").err
    late = radversary(*words, "--model", make_model("a", "b"))
    assert (late.code, "no folder" in late.err) == (2, True)


@pytest.mark.slow
def test_a_bundle_that_another_process_writes_is_one_sentence_before_any_film_is_read(radversary, film, make_model,
                                                                                        tmp_path):
    model, out = make_model("a", "b"), tmp_path / "guard"
    with held(out) as other:
        for words in (("fit", film, "--model", model, "--out", out), ("calibrate", film, "--detector", out)):
            found = radversary("detector", *words)
            assert found.code == 2
            assert found.err.strip() == (f"error: {out} is being written by another radversary (process {other.pid}); "
                                         "wait until it has finished, stop it, or give another folder")
