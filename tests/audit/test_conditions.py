"""What a condition says of its attack follows from the attack, never from what a plan calls it."""

from __future__ import annotations

import pytest

from radversary.attacks.registry import ATTACKS
from radversary.audit.cells import Condition
from radversary.audit.setup import PlannedAttack, condition_of, sized_by
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Colour, Norm

STYLE = {"generator": "microast", "count": 24}


def run(name: str, *, label: str = "label", strength: float = 0.3, **options) -> Condition:
    return condition_of(label, ATTACKS.create(name, **options).at(strength), AttackerKnowledge.OBLIVIOUS)


@pytest.mark.parametrize(("name", "label", "aimed"), [
    ("noise", "grain", False), ("equal-noise", "the same size", False), ("identity", "nothing", False),
    ("pgd", "noise-like", True), ("stm", "noisy stm", True), ("style-transfer", "Noise", True)])
def test_whether_it_is_aimed_does_not_depend_on_its_label(name, label, aimed):
    assert run(name, label=label).family.aimed == aimed


def test_every_attack_has_a_family_and_bounded_ones_a_budget():
    for name in ATTACKS.names():
        attack = ATTACKS.get(name)
        assert attack.family in AttackFamily
        bounded = attack.contract == AttackContract.FIXED_BUDGET
        assert (run(name).norm is not None) == bounded
        assert (run(name).epsilon is not None) == bounded


def test_a_budget_is_that_of_the_strength():
    bounded = run("pgd", strength=4 / 255)
    assert (bounded.norm, bounded.epsilon, bounded.queries) == (Norm.LINF, 4 / 255, None)
    asking = run("worst-style", k=7, eot=3)
    assert (asking.norm, asking.epsilon, asking.queries) == (None, None, 21)
    assert run("evasive-style", k=5, tuned="yes").queries == 35


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


def test_only_a_plain_style_is_a_mixture_of_its_full_strength():
    assert {name for name in ATTACKS.names() if run(name).mixture} == {"style-transfer"}
