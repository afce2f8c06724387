from __future__ import annotations

import pytest
from test_restorers import full

from radversary.attacks.registry import ATTACKS
from radversary.auditing.plan import AttackPlan
from radversary.storage.plans import parse_plan
from radversary.study.checks import styles_of
from radversary.study.model_plan import TrainingAttack
from radversary.study.plan import StudyPlan
from radversary.study.training_overlap import ceilings, is_same, marks, training_overlap_of


def audited(name, **fields):
    return AttackPlan(label="a", name=name, **fields)


def trained(name, model="victim", **options):
    return TrainingAttack(label="t", name=name, model=model, options=options)


@pytest.mark.slow
def test_training_overlap_is_of_generators_and_of_surrogates():
    found = training_overlap_of(parse_plan(StudyPlan, full(), source="test"))
    assert found["cleaner"] == ["style", "fgsm@transfer"]
    assert found["friend"] == []


@pytest.mark.slow
def test_an_oracle_is_the_ceiling_of_what_it_was_trained_on_and_of_nothing_else():
    attacks = [*full()["attacks"], {"label": "more styles", "name": "style-transfer",
                                    "options": {"generator": "fourier", "styles": "test", "count": 24}}]
    plan = parse_plan(StudyPlan, {**full(), "attacks": attacks}, source="test")
    assert ceilings(plan) == {"oracle": ["style"]}
    assert training_overlap_of(plan)["oracle"] == ["style", "more styles"]


ALL = ["a@oblivious", "a@gray-box", "a@adaptive"]


@pytest.mark.parametrize(("attack", "given", "kin"), [
    (audited("style-transfer"), trained("style-transfer", styles="train", generator="distorted"), ["a"]),
    (audited("style-code"), trained("style-transfer", styles="train"), ["a"]),
    (audited("style-transfer", options={"generator": "veil"}), trained("style-transfer", styles="train"), []),
    (audited("worst-style"), trained("style-transfer", styles="train"), ["a"]),
    (audited("style-transfer"), trained("fgsm"), []),
    (audited("equal-noise", options={"like": {"name": "style-transfer"}}), trained("style-transfer"), []),
    (audited("pgd", knowledge=("oblivious",)), trained("fgsm"), ["a@oblivious"]),
    (audited("pgd"), trained("fgsm"), ALL),
    (audited("pgd", knowledge=("transfer",), surrogate="other"), trained("fgsm"), []),
    (audited("pgd", knowledge=("oblivious", "transfer"), surrogate="other"), trained("fgsm", model="other"),
     ["a@transfer"]),
    (audited("pgd", knowledge=("transfer",), surrogate=["friend", "other"]), trained("fgsm", model="other"),
     ["a@transfer"])])
def test_who_overlaps(attack, given, kin):
    assert marks(attack, [given]) == kin


def test_the_same_styles_in_another_colour_are_not_the_same_attack():
    given = trained("style-transfer", generator="fourier", count=3)
    assert is_same(audited("style-transfer", options={"generator": "fourier", "count": 3}), given)
    assert not is_same(audited("style-transfer", options={"generator": "fourier", "count": 3, "colour": "rgb"}), given)


@pytest.mark.slow
def test_a_model_that_attacks_itself_in_training_knows_the_white_box_attack():
    hard = {"robust": {"epsilon": 0.02}, "training": full()["models"]["victim"]["training"]}
    models = {**full()["models"], "hard": hard}
    found = training_overlap_of(parse_plan(StudyPlan, {**full(), "models": models}, source="test"))
    assert found["hard"] == ["fgsm@gray-box", "fgsm@adaptive"]


@pytest.mark.slow
def test_noise_of_a_style_attack_s_size_has_its_styles_and_a_gradient_attack_has_none():
    options = {"generator": "fourier", "count": 3}
    style = ATTACKS.create("style-transfer", **options)
    noise = ATTACKS.create("equal-noise", like={"name": "style-transfer", "options": options})
    assert styles_of(noise) == styles_of(style) != {}
    assert styles_of(ATTACKS.create("style-code")) == styles_of(ATTACKS.create("style-transfer"))
    assert styles_of(ATTACKS.create("pgd")) == {}
