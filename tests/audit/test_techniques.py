"""Techniques of an audit's attacks, and the intended use that a plan states."""

from __future__ import annotations

import pytest
from tiny_audit import STYLE

from radversary.attacks.catalogue import catalogue
from radversary.attacks.registry import ATTACKS
from radversary.auditing.plan import AuditPlan
from radversary.auditing.summarise.techniques import named, technique_of
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import AttackerKnowledge
from radversary.storage.plans import parse_plan


@pytest.mark.parametrize("name", ["fgsm", "square", "hopskipjump", "style-transfer"])
def test_techniques_are_those_of_the_catalogue_and_have_names(name):
    made = technique_of("label", name, ATTACKS.create(name), AttackerKnowledge.OBLIVIOUS)
    row = catalogue()[name]
    assert (made.nist.id, made.atlas.id, made.access) == (row.nist, row.atlas, row.access)
    assert made.nist.name
    assert made.atlas.version


def test_an_attack_on_a_surrogate_is_black_box_transfer():
    made = technique_of("label", "fgsm", ATTACKS.create("fgsm"), AttackerKnowledge.TRANSFER)
    assert (made.nist.name, made.atlas.name) == ("Black-box Evasion", "Black-Box Transfer")


def test_an_id_of_a_third_party_is_kept_without_a_name():
    assert (named("OWN.1").id, named("OWN.1").name) == ("OWN.1", "")


@pytest.mark.slow
def test_a_run_tells_the_techniques_of_its_aimed_attacks_alone(finished):
    assert [item.attack for item in finished[0].techniques] == ["style"]


@pytest.mark.parametrize(("use", "kind", "words"), [
    ({"statement": "x", "user": "y"}, UnknownNameError, "did you mean 'users'"),
    ({"statement": " "}, PlanError, "statement"),
    ({"statement": "x" * 601}, PlanError, "statement"),
    ({"users": "x"}, PlanError, "statement"),
])
def test_an_intended_use_that_says_nothing_is_refused(use, kind, words):
    with pytest.raises(kind, match=words):
        parse_plan(AuditPlan, {"attacks": [STYLE], "intended_use": use}, source="test")


def test_an_intended_use_is_kept():
    plan = parse_plan(AuditPlan, {"attacks": [STYLE], "intended_use": {"statement": " triage "}}, source="test")
    assert plan.intended_use.statement == "triage"
