from __future__ import annotations

import pytest
from tiny_guard_evaluation import NOISE, make_plan

from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import AttackerKnowledge
from radversary.guard_evaluation.plan import GuardEvaluationPlan, knowledge_of
from radversary.imaging.reencoding import HARMLESS
from radversary.storage.plans import parse_plan
from random_parts import smooth_images


def test_the_name_of_an_attack_says_what_it_knows():
    plan = make_plan(attacks=[NOISE, {"label": "a", "name": "evasive-pgd"}])
    assert [knowledge_of(attack) for attack in plan.attacks] == [AttackerKnowledge.OBLIVIOUS,
                                                                 AttackerKnowledge.ADAPTIVE]


@pytest.mark.parametrize(("attack", "said"), [
    ({"label": "window", "name": "noise"}, "'window' is used twice or reserved"),
    ({"label": "clean", "name": "noise"}, "'clean' is used twice or reserved"),
    ({"label": "a", "name": "pgd", "knowledge": ["gray-box"]}, "knowledge oblivious and adaptive, not gray-box"),
    ({"label": "a", "name": "pgd", "knowledge": ["adaptive"]}, "runs with knowledge oblivious alone"),
    ({"label": "a", "name": "evasive-pgd", "knowledge": ["oblivious"]}, "runs with knowledge adaptive alone"),
    ({"label": "a", "name": "pgd", "surrogate": "b"}, "without surrogates and defences"),
    ({"label": "a", "name": "pgd", "defences": ["none"]}, "without surrogates and defences"),
])
def test_what_fits_no_guard_is_refused_in_a_sentence(attack, said):
    with pytest.raises(PlanError, match=said):
        parse_plan(GuardEvaluationPlan, {"attacks": [attack]}, source="plan")


def test_an_unknown_key_is_answered_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="prevalence"):
        parse_plan(GuardEvaluationPlan, {"attacks": [NOISE], "prevalance": 0.1}, source="plan")


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_changes_are_small_and_keep_shape_and_range(name):
    images = smooth_images(3, size=32)
    changed = HARMLESS[name](images)
    assert changed.shape == images.shape
    assert 0.0 <= float(changed.min()) <= float(changed.max()) <= 1.0
    assert (changed - images).abs().mean() < 0.04
    assert (name == "as stored") == bool((changed == images).all())
