"""Surrogates that are trained on the answers of a model which is only asked."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from tiny_study import make_study, training
from torch import nn

from model_server import ModelServer, metadata, open_inference, write_served
from radversary.attacks.gradient.iterative import MomentumFGSM
from radversary.classifiers.base import Answers, Classifier
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.registry import load
from radversary.core.errors import ModelError, PlanError, UnsafeModelError
from radversary.core.types import Access
from radversary.data.prepared import PreparedImages
from radversary.storage.json_files import read_json
from radversary.study.early import refuse_study
from radversary.study.extraction import AskedModel, queries_of, query_notes
from radversary.study.model_plan import LabelsPlan, ModelPlan
from radversary.study.models import make_model
from radversary.study.run import run_study, train_models
from radversary.training.classifier import train as train_file
from radversary.training.data.queried import ask
from random_parts import tiny_classifier
from tiny_onnx import export

SIZE = 48


class Small(nn.Module):
    """A network that learns phantoms in seconds."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
                                   nn.Conv2d(8, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(),
                                   nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(256, classes))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(inputs))


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(NETWORKS._own, "small", f"{__name__}:Small")


@pytest.fixture(scope="module")
def films(finished_study) -> PreparedImages:
    return PreparedImages.load(finished_study[1] / "data" / "prepared")


@pytest.fixture(scope="module")
def model(films) -> Classifier:
    """A linear model that decides for each class about as often."""
    model = tiny_classifier(films.classes, SIZE)
    with torch.no_grad():
        model.module[2].bias -= model.logits(films.tensor(films.rows("train"))).mean(0)
    return model


class Counting(Classifier):
    """A black box: it answers, counts, and is switched off after so many images."""

    def __init__(self, model: Classifier, access: Access = Access.SCORES, lives: int = 10**9) -> None:
        self.model, self.access, self.card, self.lives, self.asked = model, access, model.card, lives, 0

    def fingerprint(self) -> str:
        return self.model.fingerprint()

    def answers(self, images: torch.Tensor, batch: int = 32) -> Answers:
        self.asked += len(images)
        if self.asked > self.lives:
            raise KeyboardInterrupt
        told = self.model.answers(images, batch)
        return told if self.access >= Access.SCORES else Answers(told.decisions, torch.full_like(told.probabilities,
                                                                                                 torch.nan))


def thief(**labels: Any) -> dict[str, Any]:
    return {"training": training(), "labels_from": {"model": "victim", **labels}}


def study(thief: dict[str, Any], **changes: Any):
    return make_study(models={"victim": {"training": training()}, "thief": thief}, defences=[], **changes)


def asked_about(films, **changes: Any):
    plan = ModelPlan.model_validate({"labels_from": {"model": "victim", **changes.pop("labels", {})}, **changes})
    return queries_of(plan, plan.labels_from, films, seed=42)


@pytest.mark.slow
def test_each_training_and_validation_image_is_asked_about_once(films):
    training_part, validation = asked_about(films)
    for part, name in ((training_part, "train"), (validation, "validation")):
        rows = films.rows(name)
        assert sorted(part.order.tolist()) == list(range(len(rows)))
        assert torch.equal(part.images([0, 1]), films.tensor(rows[part.order[:2]]))
        assert part.order.tolist() != list(range(len(rows)))


@pytest.mark.slow
@pytest.mark.parametrize(("queries", "validation"), [(2, 1), (10, 2), (40, 8)])
def test_no_more_than_so_many_are_asked_about(films, queries, validation):
    first, second = asked_about(films, labels={"queries": queries})
    assert (len(first), len(second)) == (queries - validation, validation)
    assert len(set(first.order.tolist())) == len(first)
    again, _ = asked_about(films, labels={"queries": queries})
    assert first.order.tolist() == again.order.tolist()


@pytest.mark.slow
def test_further_images_are_augmented_ones_as_files_hold_them(films):
    first, second = asked_about(films, labels={"queries": 100}, augmentation={"name": "affine"})
    assert len(first) + len(second) == 100
    count = len(films.rows("train"))
    assert first.turns.tolist() == [place // count for place in range(len(first))]
    plain, turned = first.images([0]), first.images([count])
    assert first.order[0] == first.order[count]
    assert (plain - turned).abs().max() > 0.05
    codes = turned * 255
    assert (codes - codes.round()).abs().max() < 1e-3
    assert torch.equal(first.images([count]), turned)
    assert torch.equal(first.images([0, count])[1], turned[0])


@pytest.mark.slow
def test_more_than_there_are_is_refused(films):
    with pytest.raises(PlanError, match=r"100 queries are asked for, and there are \d+ training and \d+ validation"):
        asked_about(films, labels={"queries": 100})


@pytest.mark.slow
@pytest.mark.parametrize(("access", "answers", "kept"), [
    (Access.SCORES, "scores", "scores"), (Access.SCORES, "decisions", "decisions"),
    (Access.LABELS, "scores", "decisions")])
def test_what_is_kept_is_what_the_model_answers(films, model, tmp_path, access, answers, kept):
    parts, box = asked_about(films, labels={"queries": 30}), Counting(model, access)
    assert ask(box, parts, tmp_path / "a.npy", key="k", name="victim", answers=answers) == box.asked == 30
    for part in parts:
        images, labels = part.fetch(range(len(part)))
        expected = model.probabilities(images) if kept == "scores" else nn.functional.one_hot(model.predict(images), 3)
        torch.testing.assert_close(labels, expected.float())
        assert labels is not part.labels
    assert read_json(tmp_path / "a.json") == {**read_json(tmp_path / "a.json"), "asked": 30, "done": 30,
                                              "answers": kept, "model": "victim"}


@pytest.mark.slow
def test_findings_are_kept_as_they_are_read(films, tmp_path):
    findings = tiny_classifier(films.classes, SIZE)
    findings.card = findings.card.model_copy(update={"task": "multilabel", "thresholds": (0.3, 0.5, 0.7)})
    parts = asked_about(films, labels={"queries": 10})
    ask(Counting(findings, Access.LABELS), parts, tmp_path / "a.npy", key="k", name="m")
    images, labels = parts.training.fetch([0, 1, 2])
    assert torch.equal(labels, findings.predict(images).float())


@pytest.mark.slow
def test_what_was_asked_before_a_stop_is_not_asked_again_and_counts(films, model, tmp_path):
    whole = asked_about(films)
    count = sum(map(len, whole))
    assert count > 40
    ask(Counting(model), whole, tmp_path / "whole.npy", key="k", name="m")
    parts, box = asked_about(films), Counting(model, lives=40)
    with pytest.raises(KeyboardInterrupt):
        ask(box, parts, tmp_path / "a.npy", key="k", name="m")
    again = Counting(model)
    total = ask(again, parts, tmp_path / "a.npy", key="k", name="m")
    assert again.asked == count - 32
    assert total == box.asked + again.asked > count  # the batch whose answers were lost was asked for twice
    assert all(torch.equal(*pair) for pair in zip((part.labels for part in parts), (part.labels for part in whole),
                                                  strict=True))
    assert ask(nobody := Counting(model), parts, tmp_path / "a.npy", key="k", name="m") == total
    assert nobody.asked == 0
    assert ask(Counting(model), parts, tmp_path / "a.npy", key="other", name="m") == count
    (tmp_path / "a.npy").write_bytes(b"damaged")
    assert ask(Counting(model), parts, tmp_path / "a.npy", key="other", name="m") == count


@pytest.mark.slow
def test_a_model_is_extracted_from_another_and_attacks_carry_over(tmp_path, monkeypatch):
    phases = [{"name": "all", "trunk": "trained", "epochs": 8, "learning_rate": 5e-3, "schedule": "one-cycle"}]
    how = training(architecture="small", phases=phases)
    plan = make_study(data={"source": {"name": "phantoms", "options": {"count": 240, "size": SIZE}}, "size": SIZE},
                      models={"victim": {"training": how}, "thief": {"training": how, "labels_from": "victim"}},
                      defences=[])
    made = train_models(plan, tmp_path / "run", device="cpu")
    images = PreparedImages.load(tmp_path / "run" / "data" / "prepared")
    rows = images.rows("test")
    films, labels = images.tensor(rows), images.labels[rows]
    victim, surrogate = made["victim"], made["thief"]
    own = victim.predict(films)
    agreed = (surrogate.predict(films) == own).float().mean()
    assert agreed > own.bincount().amax() / len(own) + 0.2  # far above that of the commonest answer
    attacked = MomentumFGSM(epsilon=16 / 255).run(surrogate, films, labels).images
    before, after = ((victim.predict(seen) == labels).float().mean() for seen in (films, attacked))
    assert after < before - 0.1
    count = len(images.rows("train")) + len(images.rows("validation"))
    assert query_notes({"thief": tmp_path / "run" / "models" / "thief", "victim": tmp_path / "run" / "models" / "victim"
                        }) == {"thief queries": f"{count} to victim, scores kept"}
    assert surrogate.card.notes.startswith("extracted: labels are the answers of victim to each training and valid")
    monkeypatch.setattr(Classifier, "answers", lambda *_given: 1 / 0)
    assert train_models(plan, tmp_path / "run", device="cpu")["thief"].card == surrogate.card


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on_without_asking_again(films, model, tmp_path, monkeypatch):
    plan, asked, answers = study(thief(queries=30)), [], Classifier.answers
    monkeypatch.setattr(Classifier, "answers", lambda self, images, batch=32: asked.append(len(images)) or answers(
        self, images, batch))
    made = {"victim": model}
    whole, _ = make_model(plan, "thief", films, made, tmp_path / "whole", device="cpu")
    assert sum(asked) == 30
    with monkeypatch.context() as patch:
        patch.setattr(train_file, "train", lambda *_given, **_named: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            make_model(plan, "thief", films, made, tmp_path / "thief", device="cpu")
    assert sum(asked) == 60
    again, trained = make_model(plan, "thief", films, made, tmp_path / "thief", device="cpu")
    assert trained
    assert sum(asked) == 60
    assert again.card.sha256 == whole.card.sha256


@pytest.mark.slow
def test_the_report_says_how_many_were_asked_for(tmp_path):
    result = run_study(study(thief(queries=30, answers="decisions"), attacks=[
        {"label": "t", "name": "fgsm", "surrogate": "thief", "knowledge": ["transfer"]}]), tmp_path, device="cpu")
    assert result.provenance["thief queries"] == "30 to victim, decisions kept"
    assert "30 to victim, decisions kept" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_onnx_file_is_asked_and_another_file_is_another_model(films, tmp_path):
    keys = []
    for seed in (0, 1):
        network = tiny_classifier(films.classes, SIZE, seed=seed).module
        export(nn.Sequential(nn.AvgPool2d(6), *list(network)[1:]), tmp_path / "model.onnx",
               side=SIZE, classes=list(films.classes), size=SIZE)
        plan = study(thief(model=str(tmp_path / "model.onnx"), queries=30))
        made, trained = make_model(plan, "thief", films, {}, tmp_path / "thief", device="cpu")
        assert trained
        box, (kept, _) = load(str(tmp_path / "model.onnx")), asked_about(films, labels={"queries": 30})
        answers = np.load(tmp_path / "thief" / "answers.npy")
        torch.testing.assert_close(torch.from_numpy(answers[:24]), box.scores(kept.images(range(24))))
        assert read_json(tmp_path / "thief" / "answers.json")["asked"] == 30
        keys.append(read_json(tmp_path / "thief" / "inputs.json"))
        assert not make_model(plan, "thief", films, {}, tmp_path / "thief", device="cpu")[1]
        assert made.card.name == "thief"
    assert keys[0] != keys[1]


@pytest.mark.slow
def test_a_server_is_asked_about_each_image_once(films, model, tmp_path):
    with ModelServer(open_inference(model.module, metadata([-1, 3, SIZE, SIZE]))) as server:
        def images_sent() -> int:
            return sum(asked.content["inputs"][0]["shape"][0] for asked in server.posts())

        place = write_served(tmp_path / "m.http.json", f"{server.root}/v2/models/lungs", {
            "name": "m", "architecture": "x", "size": SIZE, "classes": list(films.classes)})
        load(str(place)).fingerprint()
        before = images_sent()
        make_model(study(thief(model=str(place), queries=20)), "thief", films, {}, tmp_path / "thief", device="cpu")
        assert images_sent() == 2 * before + 20  # beside the queries it is loaded and told apart once
    assert read_json(tmp_path / "thief" / "answers.json")["asked"] == 20


@pytest.mark.slow
def test_thresholds_of_probabilities_are_learnt_and_those_of_decisions_are_not(films):
    findings = tiny_classifier(films.classes, SIZE)
    findings.card = findings.card.model_copy(update={"task": "multilabel", "thresholds": (0.3, 0.5, 0.7)})
    for access, answers, bars in ((Access.SCORES, "scores", (0.3, 0.5, 0.7)), (Access.SCORES, "decisions", ()),
                                  (Access.LABELS, "scores", ())):
        asked = AskedModel(Counting(findings, access), LabelsPlan(model="m", answers=answers), "f")
        assert asked.thresholds == bars


@pytest.mark.slow
def test_who_is_asked_is_made_first_and_plans_without_stay_as_they_were():
    plan = study(thief())
    assert plan.training_order() == ("victim", "thief")
    assert plan.models["thief"].looks_at() == ("victim",)
    assert study({**thief(), "labels_from": "victim"}).models["thief"] == plan.models["thief"]
    assert study({**thief(), "labels_from": "./victim"}).models["thief"].looks_at() == ()
    assert "labels_from" not in plan.models["victim"].model_dump()
    assert plan.models["thief"].model_dump()["labels_from"]["queries"] is None


@pytest.mark.parametrize(("changes", "said"), [
    ({"labels_from": "vicitm"}, "'vicitm', which is not among the other models .*a folder is written './vicitm'"),
    ({"labels_from": "thief"}, "takes its labels from model 'thief', which is not among the other models"),
    ({"labels_from": {"model": "victim", "queries": 1}}, "queries"),
    ({"labels_from": {"model": ""}}, "labels_from.model"),
    ({"robust": {}}, "trained on those alone: leave out adversarial and robust"),
    ({"training": training("victim")}, "knows neither its weights nor the labels"),
    ({"training": training(positives="balanced")}, "knows neither its weights nor the labels"),
    ({"augmentation": {"name": "affine"}}, "give the number of queries"),
    ({"augmentation": {"name": "augmix", "options": {"views": 2}}, "labels_from": {"model": "victim", "queries": 9}},
     "without views")])
def test_what_makes_no_sense_is_refused_as_the_plan_is_read(changes, said):
    with pytest.raises(PlanError, match=said) as caught:
        study({**thief(), **changes})
    assert "\n" not in str(caught.value)


def test_the_victim_cannot_learn_from_itself():
    with pytest.raises(PlanError, match="model 'victim' takes its labels from model 'victim'"):
        make_study(models={"victim": {"training": training(), "labels_from": "victim"}}, defences=[])


@pytest.mark.parametrize(("reference", "kind", "said"), [
    ("./nothing", ModelError, "there is no model at"), ("my_model.py:build", UnsafeModelError, "Python code")])
def test_a_reference_behind_which_is_no_model_is_refused_before_data_is_touched(reference, kind, said, tmp_path,
                                                                                          monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text("build = None\n")
    plan = study(thief(model=reference))
    with pytest.raises(kind, match=said):
        refuse_study(plan)
    with pytest.raises(kind, match=said):
        train_models(plan, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "data").exists()


@pytest.mark.slow
def test_a_model_of_other_classes_is_refused(films, model, tmp_path):
    strange = copy.deepcopy(model)
    strange.card = model.card.model_copy(update={"classes": films.classes[::-1]})
    with pytest.raises(ModelError, match="class order"):
        make_model(study(thief()), "thief", films, {"victim": strange}, tmp_path, device="cpu")
    with pytest.raises(PlanError, match="'thief' needs model 'victim', which is not made yet"):
        make_model(study(thief()), "thief", films, {}, tmp_path, device="cpu")
