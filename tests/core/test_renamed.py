"""Names of earlier versions are read, each with one sentence."""

from __future__ import annotations

import warnings
from dataclasses import asdict

import numpy as np
import pytest

from radversary.auditing.plan import AttackPlan, AuditPlan
from radversary.calibration.combining import known_rule, rule_named
from radversary.calibration.fusion import Fusion, fuse
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import AttackerKnowledge
from radversary.guard_evaluation.plan import GuardEvaluationPlan
from radversary.storage.plans import parse_plan, plan_text

PGD = {"label": "a", "name": "pgd"}


def test_plan_keys_of_old_give_the_same_plan_with_one_sentence_each():
    old = {"attacks": [{**PGD, "rungs": ["oblivious", "classifier"]}], "exhibits": 3}
    new = {"attacks": [{**PGD, "knowledge": ["oblivious", "gray-box"]}], "gallery": 3}
    with pytest.warns(FutureWarning) as caught:
        read = parse_plan(AuditPlan, old, source="test")
    assert sorted(str(item.message) for item in caught) == [
        "knowledge 'classifier' is deprecated; write 'gray-box'", "plan key 'exhibits' is deprecated; write 'gallery'",
        "plan key 'rungs' is deprecated; write 'knowledge'"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_plan(AuditPlan, new, source="test") == read
    assert "rungs" not in plan_text(read)


def test_old_and_new_key_together_are_refused():
    with pytest.raises(UnknownNameError, match="'rungs'"):
        parse_plan(AttackPlan, {**PGD, "rungs": ["oblivious"], "knowledge": ["adaptive"]}, source="test")


def test_a_guard_s_plan_too():
    with pytest.warns(FutureWarning, match="'exhibits' is deprecated"):
        assert parse_plan(GuardEvaluationPlan, {"attacks": [PGD], "exhibits": 2}, source="test").gallery == 2


def test_knowledge_nobody_has_stays_unknown():
    with pytest.raises(ValueError, match="'clasifier' is not a valid AttackerKnowledge"):
        AttackerKnowledge("clasifier")
    with pytest.raises(PlanError, match="knowledge"):
        parse_plan(AttackPlan, {**PGD, "knowledge": ["clasifier"]}, source="test")


def test_the_rule_of_old_is_the_rule_of_today():
    with pytest.warns(FutureWarning, match="rule 'kindred' is deprecated; write 'fisher_within_tippett_across'"):
        assert known_rule("kindred") == "fisher_within_tippett_across"
    with pytest.warns(FutureWarning):
        assert rule_named("kindred") is rule_named("fisher_within_tippett_across")


def test_a_guard_saved_with_the_rule_of_old_is_read_without_a_word():
    scores = np.random.default_rng(0).normal(size=(120, 2))
    fusion = fuse(scores, [f"p{index}" for index in range(120)], alpha=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Fusion.restore({**asdict(fusion), "rule": "kindred"}) == fusion
