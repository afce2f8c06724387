"""What a condition says of its attack follows from the attack, never from what a plan calls it."""

from __future__ import annotations

import pytest
from tiny_audit import make_plan

from radversary.attacks.registry import ATTACKS
from radversary.auditing.cells import Condition
from radversary.auditing.run import run_audit
from radversary.auditing.setup import PlannedAttack, condition_of, prepare_context, sized_by
from radversary.auditing.threat_model import EXPECTATION
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Colour, Norm
from radversary.defenses.jpeg import JpegCompression

STYLE = {"generator": "microast", "count": 24}


def run(name: str, *, label: str = "label", strength: float = 0.3, **options) -> Condition:
    return condition_of(label, ATTACKS.create(name, **options).at(strength), AttackerKnowledge.OBLIVIOUS)


@pytest.mark.parametrize(("name", "label", "aimed"), [
    ("noise", "grain", False), ("equal-noise", "the same size", False), ("identity", "nothing", False),
    ("pgd", "noise-like", True), ("stm", "noisy stm", True), ("style-transfer", "Noise", True)])
def test_whether_it_is_aimed_does_not_depend_on_its_label(name, label, aimed):
    assert run(name, label=label).family.aimed == aimed


@pytest.mark.slow
def test_every_attack_has_a_family_and_bounded_ones_a_budget():
    for name in ATTACKS.names():
        attack = ATTACKS.get(name)
        assert attack.family in AttackFamily
        assert (run(name).norm is not None) == (attack.contract != AttackContract.UNRESTRICTED)
        assert (run(name).epsilon is not None) == (attack.contract == AttackContract.FIXED_BUDGET)


def test_a_budget_is_that_of_the_strength():
    bounded = run("pgd", strength=4 / 255)
    assert (bounded.norm, bounded.epsilon, bounded.queries) == (Norm.LINF, 4 / 255, None)
    asking = run("worst-style", k=7, eot=3)
    assert (asking.norm, asking.epsilon, asking.queries) == (None, None, 21)
    assert run("evasive-style", k=5, tuned="yes").queries == 36


def test_clean_images_are_nobodys_attack():
    assert Condition(attack="clean", strength=0).family == AttackFamily.CONTROL


@pytest.mark.parametrize(("name", "options", "colour"), [
    ("style-transfer", {**STYLE, "colour": "rgb"}, Colour.RGB), ("stm", {"colour": "rgb"}, Colour.RGB),
    ("style-transfer", STYLE, Colour.GREY), ("pgd", {}, Colour.GREY)])
def test_colour_is_that_of_the_attack(name, options, colour):
    assert run(name, **options).colour == colour


def planned(name: str, *strengths: float, **options) -> PlannedAttack:
    return PlannedAttack(attack=ATTACKS.create(name, **options), strengths=strengths or (0.3,))


def test_noise_is_like_exactly_the_attack_that_it_names():
    noise = ATTACKS.create("equal-noise", like={"name": "style-transfer", "options": STYLE}).at(0.3)
    attacks = {"same": planned("style-transfer", 0.1, 0.3, **STYLE), "again": planned("style-transfer", **STYLE),
               "other strength": planned("style-transfer", 0.5, **STYLE),
               "colour": planned("style-transfer", **STYLE, colour="rgb"),
               "other generator": planned("style-transfer", generator="adain"),
               "other attack": planned("worst-style", **STYLE), "stm": planned("stm")}
    assert sized_by(noise, attacks) == ("same", "again")
    assert sized_by(noise.at(0.2), attacks) == ()
    assert sized_by(attacks["same"].attack.at(0.3), attacks) == ()
    assert sized_by(ATTACKS.create("equal-noise", like={"name": "stm"}).at(0.3), attacks) == ("stm",)


@pytest.mark.slow
def test_only_a_plain_style_is_a_mixture_of_its_full_strength():
    assert {name for name in ATTACKS.names() if run(name).mixture} == {"style-transfer"}


WORST = {"label": "worst", "name": "worst-style", "strengths": [0.3, 1.0],
         "options": {"generator": "fourier", "count": 4, "style_size": 32, "k": 2}}
JPEG = {"label": "jpeg", "transforms": ["jpeg"]}


@pytest.fixture
def _shaky(monkeypatch):
    """The transform says that it draws at random."""
    monkeypatch.setattr(JpegCompression, "random", True)


@pytest.mark.slow
@pytest.mark.usefixtures("_shaky")
def test_queries_are_those_of_the_target_that_takes_most(inputs):
    """Against a defence that draws at random, answers are averaged."""
    context = prepare_context(make_plan(attacks=[WORST], defences=[JPEG]), inputs)
    found = {(item.knowledge, item.strength): item.queries for item in context.conditions if item.attack == "worst"}
    assert {queries for (knowledge, _), queries in found.items() if knowledge != AttackerKnowledge.ADAPTIVE} == {2}
    assert {queries for (knowledge, _), queries in found.items() if knowledge == AttackerKnowledge.ADAPTIVE} == {
        2 * EXPECTATION}


@pytest.mark.slow
@pytest.mark.usefixtures("_shaky")
def test_measured_queries_stay_within_those_that_are_stated(inputs, tmp_path):
    result = run_audit(make_plan(attacks=[WORST], defences=[JPEG], gallery=0), inputs, tmp_path)
    asked = {(item.condition.key, item.target): (item.queries, item.condition.queries) for item in result.outcomes
             if item.condition.attack == "worst"}
    assert asked["worst@0.3", "none"] == asked["worst@1", "none"] == (2.0, 2)
    assert asked["worst@0.3/adaptive", "none"] == (2.0, 20)
    assert asked["worst@1/adaptive", "jpeg"] == (20.0, 20)


@pytest.mark.slow
def test_an_attack_of_one_s_own_that_looks_for_the_smallest_change_is_audited(inputs, tmp_path, monkeypatch):
    monkeypatch.setitem(ATTACKS._own, "smallest", "tiny_attacks:SmallestDarkening")
    plan = make_plan(attacks=[{"label": "dark", "name": "smallest", "strengths": [1.0], "knowledge": ["oblivious"]}],
                     defences=[], gallery=0, limit=5)
    result = run_audit(plan, inputs, tmp_path)
    (outcome,) = (item for item in result.outcomes if item.condition.attack == "dark")
    assert (outcome.condition.contract, outcome.condition.norm) == (AttackContract.SMALLEST_CHANGE, Norm.L2)
    assert (outcome.condition.epsilon, outcome.condition.queries) == (None, 9)
    assert outcome.queries == 9.0
    assert outcome.success is not None
