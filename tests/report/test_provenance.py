"""What an attack is follows from what was run, never from what a plan calls it."""

from __future__ import annotations

import pytest

from radversary.attacks.registry import ATTACKS
from radversary.audit.result import Condition
from radversary.report.provenance import FLOORS, is_colour, is_floor, likeness

STYLE = {"generator": "microast", "count": 24}


def run(name: str, *, label: str = "label", strength: float = 0.3, **options) -> Condition:
    attack = ATTACKS.create(name, **options)
    return Condition(attack=label, strength=strength, measure=attack.strength, description=repr(attack.at(strength)))


def test_floors_are_the_classes_registered_as_such():
    table = ATTACKS.table()
    assert {table[name].partition(":")[2] for name in ("identity", "noise", "equal-noise")} == FLOORS


@pytest.mark.parametrize(("name", "label", "floor"), [
    ("noise", "grain", True), ("equal-noise", "the same size", True), ("identity", "nothing", True),
    ("pgd", "noise-like", False), ("stm", "noisy stm", False), ("style-transfer", "Noise", False)])
def test_a_floor_is_known_by_its_class_whatever_its_label(name, label, floor):
    assert is_floor(run(name, label=label)) == floor


def test_clean_and_identity_need_no_description():
    assert is_floor(Condition(attack="clean", strength=0))
    assert is_floor(Condition(attack="identity", strength=0))
    assert not is_floor(Condition(attack="noise", strength=0))


@pytest.mark.parametrize(("name", "options", "colour"), [
    ("style-transfer", {**STYLE, "colour": "rgb"}, True), ("stm", {"colour": "rgb"}, True),
    ("style-transfer", STYLE, False), ("pgd", {}, False), ("style-transfer", {**STYLE, "styles": "rgb"}, False)])
def test_colour_is_read_from_what_was_run(name, options, colour):
    assert is_colour(run(name, **options)) == colour


def test_noise_is_like_exactly_the_attack_that_it_names():
    noise = likeness(run("equal-noise", like={"name": "style-transfer", "options": STYLE}).description)
    assert noise == run("style-transfer", **STYLE).description
    others = [run("style-transfer", strength=0.5, **STYLE), run("style-transfer", **STYLE, colour="rgb"),
              run("style-transfer", generator="adain"), run("worst-style", **STYLE), run("stm")]
    assert all(noise != other.description for other in others)


def test_options_that_a_plan_leaves_out_are_the_defaults():
    noise = likeness(run("equal-noise", like={"name": "mi-fgsm"}).description)
    assert noise == run("mi-fgsm").description
    assert noise != run("mi-fgsm", steps=3).description


@pytest.mark.parametrize("text", [
    "", "Noise(deviation=0.1)", "EqualNoise(", "EqualNoise()", "EqualNoise(like=1)", "EqualNoise(like=open('x'))",
    "EqualNoise(like={'name': 'unknown'})", "EqualNoise(like={'nom': 'stm'})",
    "EqualNoise(like={'name': 'stm', 'options': {'epsilon': 'much'}})", "EqualNoise(like={'name': 'stm'}) + 1"])
def test_what_cannot_be_read_is_like_nothing(text):
    assert likeness(text) is None
