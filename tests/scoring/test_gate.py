"""A gate's rules: kept or broken by figures, beside a baseline on the same images."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from score_factory import Weak, World, weak

from radversary.core.errors import InputError, PlanError, UnknownNameError
from radversary.report.gate import annotation, junit
from radversary.scoring.gate import judged
from radversary.scoring.profile import load_profile
from radversary.scoring.rules import Floor, Rules
from radversary.storage.plans import parse_plan

PROFILE = load_profile()


def rules(**keys) -> Rules:
    return parse_plan(Rules, keys, source="the rules")


@pytest.fixture(scope="module")
def world() -> World:
    return World.of(60)


@pytest.fixture(scope="module")
def result(world):
    return world.result()


def worse(world: World, share: float) -> World:
    """The same, but for a share of images that are misread however they are shown."""
    system, n = world.systems["none"], len(world.labels)
    falls = np.random.default_rng(5).random(n) < share
    return world.but(systems={"none": Weak(system.right & ~falls, system.bears, system.misread)})


@pytest.mark.parametrize(("text", "read"), [
    ("accuracy@style=0.5:0.7", ("accuracy", "style", 0.5, 0.7)),
    ("macro-recall@auto-attack l2=2:1/2", ("macro-recall", "auto-attack l2", 2.0, 0.5)),
    ("accuracy@a=b=4/255:0", ("accuracy", "a=b", 4 / 255, 0.0)), ("accuracy@clean:0.9", ("accuracy", "clean", 0, 0.9))])
def test_a_floor_is_read_as_it_is_written(text, read):
    floor = Floor.read(text)
    assert (floor.measure, floor.attack, floor.strength, floor.least) == read


@pytest.mark.parametrize("text", ["", "accuracy", "accuracy@style:0.7", "accuracy@style=x:0.7", "accuracy@style=0.5",
                                  "accuracy@=1:0.5", "accuracy@style=1/0:0.5", "accuracy@style=0.5:1.5"])
def test_another_form_is_one_sentence(text):
    with pytest.raises(PlanError):
        rules(min=[text])


def test_an_unknown_measure_names_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown measure 'acuracy'; did you mean 'accuracy'"):
        rules(min=["acuracy@clean:0.9"])


@pytest.mark.slow
def test_a_score_and_a_floor_are_kept_or_broken(result):
    kept = judged(rules(min_score=1, min=["accuracy@clean:0.9"]), result, PROFILE)
    broken = judged(rules(min_score=99, min=["accuracy@clean:0.91"]), result, PROFILE)
    assert [item.kept for item in kept] == [True, True]
    assert [item.kept for item in broken] == [False, False]
    assert "MIRS:1.0/" in kept[0].sentence
    assert "90.0 % [88.0, 92.0] (n=600)" in broken[1].sentence


def test_a_bound_is_written_as_people_write_it(result):
    (found,) = judged(rules(min=["accuracy@auto-attack=0.0039216:0.99"]), result, PROFILE)
    assert (found.rule, found.kept) == ("accuracy@auto-attack=1/255 ≥ 0.99", False)
    assert found.sentence.endswith(", attacker oblivious")


@pytest.mark.slow
def test_what_is_as_good_as_the_baseline_is_kept_and_what_is_clearly_worse_is_not(world):
    world = world.but(keep=lambda condition: condition.attack in ("style", "square"))
    drop, result = rules(max_drop=3), world.result()
    (same,) = judged(drop, result, PROFILE, result)
    assert same.kept
    (better,) = judged(drop, result, PROFILE, worse(world, 0.3).result())
    assert better.kept
    (bad,) = judged(drop, worse(world, 0.3).result(), PROFILE, result)
    assert not bad.kept
    assert "conditions are worse; the worst: -" in bad.sentence
    (hardly,) = judged(drop, worse(world, 0.01).result(), PROFILE, result)
    assert hardly.kept, "an interval that reaches the allowance is no proof"


def test_a_condition_that_is_no_longer_run_breaks_it(world, result):
    (found,) = judged(rules(max_drop=50), world.but(keep=lambda item: item.attack != "curve").result(), PROFILE, result)
    assert not found.kept
    assert "conditions of the baseline were not run: curve@0.5" in found.sentence


@pytest.mark.slow
def test_a_guard_that_stops_working_breaks_it(world):
    labels = world.labels
    attacks = {"attacked": lambda condition: np.full(len(labels), condition.attack != "clean")}
    never, always = (np.zeros(len(labels), dtype=bool), np.ones(len(labels), dtype=bool))
    kept = world.but(keep=lambda condition: condition.attack in ("style", "aware style", "square"))

    def guarded(flags):
        return kept.but(systems={"none": weak(labels), "guard": weak(labels, flags=flags)}).result()

    rule, released = rules(max_drop=3, system="guard"), guarded(attacks["attacked"])
    assert judged(rule, released, PROFILE, released)[0].kept
    for flags in (lambda _: never, lambda _: always):
        (found,) = judged(rule, guarded(flags), PROFILE, released)
        assert not found.kept
    unguarded = kept.but(systems={"none": weak(labels), "guard": weak(labels)}).result()
    (found,) = judged(rule, unguarded, PROFILE, released)
    assert "one of the two has a guard" in found.sentence


def test_an_attack_of_the_same_label_that_was_run_otherwise_breaks_it(world, result):
    def described(item, text):
        return item.model_copy(update={"cells": tuple(cell.model_copy(update={"condition": cell.condition.model_copy(
            update={"description": text} if cell.condition.attack == "style" else {})}) for cell in item.cells)})

    (found,) = judged(rules(max_drop=50), described(result, "a weaker one"), PROFILE, result)
    assert not found.kept
    assert "with other options or on other images than for the baseline: style@0.1" in found.sentence
    rows = np.arange(0, len(world.labels), 2)
    few = world.but(images=lambda condition: rows if condition.attack == "style" else None)
    (found,) = judged(rules(max_drop=50), few.result(), PROFILE, result)
    assert "on other images" in found.sentence


@pytest.mark.parametrize(("keys", "change", "said"), [
    ({}, None, "there is no rule to keep"), ({"max_drop": 3}, None, "against a baseline"),
    ({"max_drop": 3}, {"battery": None}, "audit both with the same"),
    ({"max_drop": 3}, {"classes": ("a", "b", "c")}, "other classes"),
    ({"max_drop": 3}, "images", "other test images")])
def test_what_cannot_be_compared_is_refused_in_a_sentence(result, keys, change, said):
    if change == "images":
        change = {"data": result.data.model_copy(update={"sha256": "00" * 32})}
    with pytest.raises(InputError, match=said):
        judged(rules(**keys), result, PROFILE, None if change is None else result.model_copy(update=change))


@pytest.mark.parametrize(("keys", "said"), [
    ({"system": "jpg", "min_score": 1}, "unknown defence 'jpg'"),
    ({"min": ["accuracy@stile=0.5:0.7"]}, r"did you mean 'style=0\.5'")])
def test_what_is_not_there_names_the_nearest(result, keys, said):
    with pytest.raises(UnknownNameError, match=said):
        judged(rules(**keys), result, PROFILE)


def test_junit_and_annotations_say_the_same(result):
    verdicts = judged(rules(min_score=99, min=["accuracy@clean:0.5"]), result, PROFILE)
    suite = ElementTree.fromstring(junit(verdicts, "run").partition("\n")[2])
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.find("failure") is None for case in suite] == [item.kept for item in verdicts] == [False, True]
    assert annotation(verdicts[0]).startswith("::error title=radversary gate::score ≥ 99: ")
    assert annotation(verdicts[1]).startswith("::notice ")
    assert "100%25" in annotation(type(verdicts[0])("r", kept=False, sentence="100%\n"))


@pytest.mark.slow
def test_figures_of_another_system_are_its_own(world):
    labels = world.labels
    both = world.but(systems={"none": weak(labels), "sturdy": weak(labels, epsilon=60 / 255, style=4.0)}).result()
    one, other = (judged(rules(min_score=30, system=name), both, PROFILE)[0] for name in ("none", "sturdy"))
    assert float(other.sentence.split()[1]) > float(one.sentence.split()[1])
