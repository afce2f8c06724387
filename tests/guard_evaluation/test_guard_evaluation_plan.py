from __future__ import annotations

import pytest
from tiny_guard_evaluation import NOISE, make_plan

from radversary.audit.threat_model import Rung
from radversary.core.errors import PlanError, UnknownNameError
from radversary.guard_evaluation.plan import WatchPlan, rung_of
from radversary.imaging.reencoding import HARMLESS
from radversary.storage.plans import parse_plan
from random_parts import smooth_images


def test_the_name_of_an_attack_says_what_it_knows():
    plan = make_plan(attacks=[NOISE, {"label": "a", "name": "evasive-pgd"}])
    assert [rung_of(attack) for attack in plan.attacks] == [Rung.OBLIVIOUS, Rung.ADAPTIVE]


@pytest.mark.parametrize(("attack", "said"), [
    ({"label": "window", "name": "noise"}, "'window' is used twice or reserved"),
    ({"label": "clean", "name": "noise"}, "'clean' is used twice or reserved"),
    ({"label": "a", "name": "pgd", "rungs": ["classifier"]}, "rungs oblivious and adaptive, not classifier"),
    ({"label": "a", "name": "pgd", "rungs": ["adaptive"]}, "runs on rung oblivious alone"),
    ({"label": "a", "name": "evasive-pgd", "rungs": ["oblivious"]}, "runs on rung adaptive alone"),
    ({"label": "a", "name": "pgd", "surrogate": "b"}, "without surrogates and defences"),
    ({"label": "a", "name": "pgd", "defences": ["none"]}, "without surrogates and defences"),
])
def test_what_fits_no_guard_is_refused_in_a_sentence(attack, said):
    with pytest.raises(PlanError, match=said):
        parse_plan(WatchPlan, {"attacks": [attack]}, source="plan")


def test_an_unknown_key_is_answered_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="prevalence"):
        parse_plan(WatchPlan, {"attacks": [NOISE], "prevalance": 0.1}, source="plan")


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_changes_are_small_and_keep_shape_and_range(name):
    images = smooth_images(3, size=32)
    changed = HARMLESS[name](images)
    assert changed.shape == images.shape
    assert 0.0 <= float(changed.min()) <= float(changed.max()) <= 1.0
    assert (changed - images).abs().mean() < 0.04
    assert (name == "as stored") == bool((changed == images).all())
