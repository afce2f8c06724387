"""A transfer attack on several surrogates at once."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_audit import make_plan, with_models

from radversary.auditing.identity import classifier_hash
from radversary.auditing.plan import AttackPlan, AuditPlan
from radversary.auditing.run import run_audit
from radversary.auditing.setup import prepare_context
from radversary.auditing.threat_model import Aim, is_random
from radversary.auditing.units import work_units
from radversary.classifiers.base import Classifier
from radversary.classifiers.ensemble import Ensemble
from radversary.core.errors import AccessError, ModelError, PlanError, UnknownNameError
from radversary.core.types import Access, AttackerKnowledge
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from radversary.storage.plans import parse_plan, plan_text
from random_parts import tiny_classifier

TRANSFER = {"label": "fgsm", "name": "fgsm", "knowledge": ["transfer"], "options": {"epsilon": 8 / 255}}


@pytest.fixture
def models(inputs):
    classes = inputs.images.classes
    return with_models(inputs, **{f"s{seed}": tiny_classifier(classes, 48, seed=seed) for seed in (3, 4)})


class Dice(JpegCompression):
    random = True


def planned(surrogate, **changes):
    return make_plan(attacks=[{**TRANSFER, "surrogate": surrogate, **changes}], defences=[])


def test_the_attack_is_made_on_the_mean_of_their_logits(models):
    (aim,) = {unit.aim for unit in work_units(prepare_context(planned(["s3", "s4"]), models),
                                              models.images.rows("test")) if unit.label == "fgsm"}
    images = models.images.images[:3]
    images = torch.from_numpy(images).float() / 255 if not isinstance(images, torch.Tensor) else images
    found = [models.classifiers[name].logits(images) for name in ("s3", "s4")]
    torch.testing.assert_close(aim.target.logits(images), sum(found) / 2)


def test_a_list_of_one_is_that_one(models):
    context = prepare_context(planned(["s3"]), models)
    assert context.attacks["fgsm"].surrogate is models.classifiers["s3"]


@pytest.mark.slow
def test_an_audit_of_two_surrogates_is_one_of_its_own(models, tmp_path):
    one, several = (run_audit(planned(surrogate), models, tmp_path / str(place), workers=1)
                    for place, surrogate in enumerate(("s3", ["s3", "s4"])))
    first, second = (result.cell("fgsm", 8 / 255, "none", AttackerKnowledge.TRANSFER) for result in (one, several))
    assert first.performance != second.performance
    assert second.success is not None
    again = run_audit(planned(["s3", "s4"]), models, tmp_path / "again")
    assert again.cell("fgsm", 8 / 255, "none", AttackerKnowledge.TRANSFER).performance == second.performance


def test_members_behind_transforms_let_gradients_through_and_are_random_where_one_is():
    behind = Defended(tiny_classifier(seed=1), JpegCompression(), inherent=True)
    ensemble = Ensemble([tiny_classifier(), behind])
    aim = Aim.at(ensemble, ("none",))
    assert (ensemble.access, aim.target.access, aim.random) == (Access.SCORES, Access.GRADIENTS, False)
    dice = Defended(tiny_classifier(seed=1), Dice(), inherent=True)
    assert [is_random(model) for model in (ensemble, dice, Ensemble([tiny_classifier(), dice]))] == [False, True, True]


def test_it_is_known_by_the_answers_of_each_member():
    first, second = tiny_classifier(seed=1), tiny_classifier(seed=2)
    before = classifier_hash(Ensemble([first, second]))
    assert classifier_hash(Ensemble([first, second])) == before
    with torch.no_grad():
        second.module[2].bias[0] += 1
    assert classifier_hash(Ensemble([first, second])) != before


def test_one_name_is_written_as_before_and_a_list_as_a_list():
    one, several = planned("s3"), planned(["s3", "s4"])
    assert "surrogate: s3\n" in plan_text(one)
    assert one.attacks[0].surrogates() == ("s3",)
    assert "surrogate:\n  - s3\n  - s4\n" in plan_text(several)
    assert several.attacks[0].surrogates() == ("s3", "s4")
    assert AttackPlan(label="a", name="fgsm").surrogates() == ()


@pytest.mark.parametrize(("surrogate", "said"), [
    ([], "an empty list names no surrogate"),
    (["a", "b", "a"], "it names 'a' twice"),
    (5, "it must be the name of a model, or a list of names"),
    (["a", 5], "it must be the name of a model, or a list of names")])
def test_a_list_that_is_none_is_refused_as_the_plan_is_read(surrogate, said):
    with pytest.raises(PlanError, match=said) as caught:
        parse_plan(AuditPlan, {"attacks": [{**TRANSFER, "surrogate": surrogate}]}, source="test")
    assert "\n" not in str(caught.value)


class LabelsAlone(Classifier):
    access = Access.LABELS

    def __init__(self, other):
        self.other, self.card = other, other.card

    def decide(self, images):
        return self.other.decide(images)

    def fingerprint(self):
        return "labels"


@pytest.mark.parametrize(("names", "kind", "said"), [
    (["s3", "s5"], UnknownNameError, "surrogate of attack 'fgsm' 's5'; did you mean 's[34]'"),
    (["s3", "victim"], PlanError, "surrogate 'victim' of attack 'fgsm' is the victim itself"),
    (["s3", "copy"], PlanError, "surrogate 'copy' of attack 'fgsm' is the victim itself"),
    (["s3", "twin"], PlanError, "the surrogates 's3' and 'twin' of attack 'fgsm' are one model: name it once"),
    (["s3", "strange"], ModelError, "class order of model 'tiny'"),
    (["s3", "labels"], AccessError, "an ensemble, which averages logits, needs scores")])
def test_a_list_with_what_is_no_surrogate_is_refused_in_a_sentence(models, names, kind, said):
    classes = models.images.classes
    models = with_models(models, copy=copy.deepcopy(models.classifiers["victim"]),
                         twin=copy.deepcopy(models.classifiers["s3"]), labels=LabelsAlone(models.classifiers["other"]))
    models = with_models(models, strange=tiny_classifier(classes[::-1], 48)) if "strange" in names else models
    with pytest.raises(kind, match=said):
        prepare_context(planned(names), models)
