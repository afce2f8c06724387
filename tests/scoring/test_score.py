"""A score falls by what makes a system worse, and by no trick rises."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from score_factory import CLASSES, Weak, World, weak

from radversary.auditing.batteries import VERSION, entries
from radversary.auditing.cells import Condition
from radversary.auditing.measurement.checks import Sign
from radversary.auditing.packed import Characteristic, packed
from radversary.core.errors import DataError, InputError, PlanError, UnknownNameError
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Norm
from radversary.scoring.advice import changes
from radversary.scoring.profile import Profile, load_profile
from radversary.scoring.score import from_vector, scores_of

PROFILE = load_profile()


def score(world: World, name: str = "none"):
    return next(item for item in scores_of(world.result(), PROFILE) if item.system == name)


def parts(world: World, name: str = "none") -> dict[str, float]:
    return {part.key: part.value for part in score(world, name).parts}


def constant(labels: np.ndarray, reading: int = 0) -> Weak:
    return Weak(labels == reading, {}, np.full(len(labels), reading))


@pytest.mark.slow
def test_a_sturdy_system_beats_a_weak_one_and_the_vector_gives_the_number_again():
    labels = World.of().labels
    values = []
    for size in (0.3, 1.0, 3.0):
        made = score(World.of(none=weak(labels, epsilon=size * 6 / 255, style=size * 0.6)))
        assert from_vector(made.vector, PROFILE) == made.value
        values.append(made.uncapped)
    assert values == sorted(values)
    assert values[0] < values[-1]


@pytest.mark.slow
def test_a_constant_model_and_one_that_flags_everything_have_nothing():
    labels = World.of().labels
    assert score(World.of(none=constant(labels))).value == 0
    everything = weak(labels, flags=lambda condition: np.ones(len(labels), dtype=bool))
    made = score(World.of(none=weak(labels), guarded=everything), "guarded")
    assert {part.key: part.value for part in made.parts} == dict.fromkeys(("WB", "ST", "BB", "DT", "CO", "CU"), 0.0)
    assert made.value == 0


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.95))
def test_abstaining_at_random_raises_nothing_but_what_it_detects(seed, share):
    labels = World.of(60).labels
    plain = weak(labels, seed=seed)
    stream = np.random.default_rng(seed)

    def at_random(condition):
        return stream.random(len(labels)) < share

    world = World.of(60, none=plain, guarded=Weak(plain.right, plain.bears, plain.misread, at_random))
    made, plainly = score(world, "guarded"), score(world)
    assert made.value <= plainly.value
    drawn, never = ({part.key: part.value for part in item.parts} for item in (made, plainly))
    for key in ("CO", "CU"):
        assert drawn[key] <= never[key] + 1e-9, key
    assert drawn["DT"] == 0


@pytest.mark.slow
def test_flagging_attacks_alone_raises_it_and_no_clean_image_need_suffer():
    labels = World.of().labels
    plain = weak(labels, epsilon=2 / 255)
    sees = Weak(plain.right, plain.bears, plain.misread, lambda condition: np.full(
        len(labels), condition.family.aimed))
    world = World.of(none=plain, guarded=sees)
    assert parts(world, "guarded")["WB"] > parts(world)["WB"]
    assert parts(world, "guarded")["DT"] > 95
    assert parts(world)["DT"] == 0


@pytest.mark.slow
def test_copies_of_images_change_nothing():
    world = World.of(100)
    system, n = world.systems["none"], len(world.labels)
    easy = np.flatnonzero(system.right)[:150]
    rows = np.concatenate([np.arange(n), easy])

    def copied(condition, labels):
        return tuple(item[rows] for item in system(condition, world.labels))

    more = World(world.labels[rows], {"none": copied}, np.arange(len(rows)), rows, subgroups={
        kind: np.array(values)[rows].tolist() for kind, values in world.subgroups.items()})
    assert score(more).vector == score(world).vector


@pytest.mark.slow
def test_few_images_lower_it_and_take_the_letter():
    labels = World.of(400).labels
    sturdy = Weak(np.ones(len(labels), dtype=bool), {}, (labels + 1) % 3)
    whole = score(World.of(400, none=sturdy))
    few = World.of(20)
    small = score(few.but(systems={"none": Weak(np.ones(60, dtype=bool), {}, (few.labels + 1) % 3)}))
    assert small.uncapped < whole.uncapped
    assert (small.letter, whole.letter) == ("", "A" if whole.value < 90 else "A+")
    assert [cap.code for cap in small.caps] == ["G4"]


@pytest.mark.slow
def test_many_films_of_few_patients_are_few():
    labels = World.of(200).labels
    system = weak(labels)
    assert score(World.of(200, films=20, none=system)).uncapped < score(World.of(200, none=system)).uncapped


@pytest.mark.slow
@pytest.mark.parametrize(("label", "key"), [
    ("auto-attack", "WB"), ("worst of 10 styles", "ST"), ("curve", "ST"), ("square", "BB"), ("gaussian-noise", "CO")])
def test_what_was_not_run_counts_as_failed(label, key):
    world = World.of()
    without = score(world.but(keep=lambda condition: condition.attack != label))
    assert {part.key: part.value for part in without.parts}[key] < parts(world)[key]
    assert without.uncapped < score(world).uncapped
    assert any(label in item.missing for part in without.parts for item in part.parts)


@pytest.mark.slow
def test_smaller_budgets_and_own_attacks_are_no_evidence():
    world = World.of()
    small = parts(world.but(keep=lambda condition: not condition.epsilon or condition.epsilon < 3 / 255))
    assert small["WB"] < parts(world)["WB"]
    own = score(world.but(battery=None))
    assert {part.key: part.value for part in own.parts if part.key != "CU"} == dict.fromkeys(
        ("WB", "ST", "BB", "DT", "CO"), 0.0)
    assert own.letter == ""
    assert (own.level, score(world).level) == (0, 2)


@pytest.mark.slow
def test_a_bound_that_images_cannot_hold_is_read_at_the_next():
    labels = World.of().labels
    world = World.of(none=weak(labels))
    eight_bit = world.but(keep=lambda condition: condition.epsilon is None or condition.epsilon > 0.9 / 255)
    assert 0 < parts(eight_bit)["WB"] <= parts(world)["WB"]


EXTRA = st.builds(
    lambda family, norm, size, knowledge: Condition(
        attack="extra", strength=size, knowledge=knowledge, measure="epsilon", family=family, norm=norm,
        epsilon=size if norm else None,
        contract=AttackContract.FIXED_BUDGET if norm else AttackContract.UNRESTRICTED),
    st.sampled_from([family for family in AttackFamily if family != AttackFamily.CONTROL]),
    st.sampled_from([None, Norm.LINF, Norm.L2]), st.floats(0.001, 1.0), st.sampled_from(AttackerKnowledge))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(EXTRA, st.integers(0, 2**31), st.integers(1, 180))
def test_a_further_attack_never_raises_it(extra, seed, count):
    labels = World.of(60).labels
    plain = weak(labels, seed=seed)
    stream = np.random.default_rng(seed)
    falls, flags = stream.random(len(labels)) < 0.3, stream.random(len(labels)) < 0.5
    rows = np.sort(stream.choice(len(labels), count, replace=False))

    def guarded(condition, labels):
        read, _ = plain(condition, labels)
        if condition.attack == "extra":
            return np.where(falls, plain.misread, read), flags
        return read, np.full(len(labels), condition.attack != "clean")

    guarded.flags = True
    world = World.of(60, none=guarded)
    more = world.but(further=(extra,), images=lambda condition: rows if condition.attack == "extra" else None)
    before, after = score(world), score(more)
    assert after.value <= before.value
    assert after.uncapped <= before.uncapped
    for one, other in zip(before.parts, after.parts, strict=True):
        assert other.value <= one.value, one.key


@pytest.mark.slow
def test_masked_gradients_cap_it():
    world = World.of(suspect=weak(World.of().labels, epsilon=40 / 255, style=4.0))
    world = world.but(systems={"none": world.systems["suspect"]})
    assert score(world).value > PROFILE.caps.suspect
    masked = score(world.but(suspects={"none": [Sign.ZERO_GRADIENTS]}))
    assert masked.value == PROFILE.caps.suspect
    assert masked.caps[0].code == "G1"
    assert "zero gradients" in masked.caps[0].reason


@pytest.mark.slow
def test_a_defence_that_nobody_attacked_who_knew_it_is_capped():
    labels = World.of().labels
    world = World.of(none=weak(labels), defended=weak(labels, epsilon=60 / 255, style=5.0))
    blind = world.but(keep=lambda condition: condition.knowledge != AttackerKnowledge.ADAPTIVE)
    assert "G2" in {cap.code for cap in score(blind, "defended").caps}
    assert score(blind, "defended").value <= PROFILE.caps.not_adaptive
    assert "G2" not in {cap.code for cap in (*score(blind).caps, *score(world, "defended").caps)}


VECTOR_TEXT = ("MIRS:1.0/P:{digest}/B:battery-2026.1-standard/T:0123456789ab/WB:5.0/ST:60.0/BB:40.0/DT:80.0"
               "/CO:65.0/CU:90.0/N:900/CAP:G1/E:2/S:34.0")


@pytest.mark.parametrize(("old", "new", "said"), [
    ("/CU:90.0", "", "are its sub-scores, each once"), ("/CU:90.0", "/XX:90.0", "are its sub-scores, each once"),
    ("/CU:90.0", "/CU:90.0/CU:90.0", "are its sub-scores, each once"), ("CU:90.0", "CU:1.2.3", "CU is no number"),
    ("WB:5.0", "WB:90013.8", "WB is no number"), ("S:34.0", "S:64.0", "says a score of 64.0, and its parts give 34.0"),
    ("CAP:G1", "CAP:G11", "unknown cap 'G11'"), ("MIRS:1.0", "mirs", "is no vector")])
def test_a_vector_that_was_changed_is_a_sentence(old, new, said):
    text = VECTOR_TEXT.format(digest=PROFILE.digest)
    assert from_vector(text, PROFILE) == 34.0
    with pytest.raises(InputError, match=re.escape(said)):
        from_vector(text.replace(old, new), PROFILE)


@pytest.mark.parametrize("change", [{"name": "my profile"}, {"version": "1-0"}, {"name": ""}])
def test_a_profile_has_a_name_that_a_vector_can_bear(change):
    with pytest.raises(ValidationError):
        Profile.model_validate({**PROFILE.model_dump(), **change})


def test_a_result_whose_readings_do_not_fit_is_a_sentence():
    result = World.of(20).result()
    known = {"sex": Characteristic(values=("F", "M"), of=packed([0, 1]))}
    for change in (known, {"sex": Characteristic(values=("F",), of=packed([3] * 60))}):
        broken = result.readings.model_copy(update={"characteristics": change})
        with pytest.raises(DataError, match="do not fit its figures"):
            scores_of(result.model_copy(update={"readings": broken}), PROFILE)
    gone = result.model_copy(update={"cells": result.cells[1:]})
    with pytest.raises(DataError, match="do not fit its figures"):
        scores_of(gone, PROFILE)


@pytest.mark.slow
def test_who_knows_a_guard_evades_its_detectors():
    labels = World.of().labels
    silent = weak(labels, flags=lambda condition: np.zeros(len(labels), dtype=bool))
    world = World.of(none=weak(labels), guarded=silent)
    assert "G2" not in {cap.code for cap in score(world, "guarded").caps}
    assert score(world, "guarded").level == 2
    blind = score(world.but(keep=lambda condition: not condition.evades), "guarded")
    assert "G2" in {cap.code for cap in blind.caps}
    assert {part.key: part.value for part in blind.parts}["WB"] == 0
    assert blind.level == 0
    own = Condition(attack="my own", strength=2 / 255, epsilon=2 / 255, norm=Norm.LINF, family=AttackFamily.GRADIENT,
                    contract=AttackContract.FIXED_BUDGET, knowledge=AttackerKnowledge.ADAPTIVE, evades=True)
    alone = world.but(keep=lambda condition: not condition.evades or condition.attack == "my own", further=(own,))
    assert "G2" in {cap.code for cap in score(alone, "guarded").caps}


@pytest.mark.slow
@pytest.mark.parametrize("a_class", [50, 200])
def test_a_guard_that_falls_to_who_knows_it_gains_nothing_by_images_that_nobody_attacked(a_class):
    labels = World.of(a_class).labels

    def flags(condition):
        return np.full(len(labels), condition.attack != "clean" and not condition.evades)

    broken = weak(labels, epsilon=0.01 / 255, style=0.01, flags=flags)
    world = World.of(a_class, none=weak(labels, epsilon=0.01 / 255, style=0.01), guarded=broken)
    some = world.but(images=lambda condition: np.arange(len(labels))[::max(1, len(labels) // 100)]
                     if condition.evades else None)
    found = {part.key: part.value for part in score(some, "guarded").parts}
    assert (found["WB"], found["ST"]) == (0, 0)
    assert {cap.code for cap in score(some, "guarded").caps} & {"G5", "G5F"}


@pytest.mark.slow
def test_a_second_label_does_not_hide_that_gradients_are_masked():
    labels = World.of().labels
    world = World.of(none=weak(labels), a=weak(labels, seed=1), b=weak(labels, seed=1)).but(
        suspects={"a": [Sign.ZERO_GRADIENTS]}, models={"a": "hardened", "b": "hardened"})
    assert "G1" in {cap.code for cap in score(world, "b").caps}
    assert "G1" not in {cap.code for cap in score(world).caps}


@pytest.mark.slow
def test_what_nobody_probed_has_no_letter():
    world = World.of()
    assert "G8" not in {cap.code for cap in score(world).caps}
    for few in (world.but(probed=PROFILE.evidence.probe_images - 1), world.but(probed=0)):
        assert "G8" in {cap.code for cap in score(few).caps}
        assert not score(few).letter


@pytest.mark.slow
def test_what_is_not_known_of_patients_takes_the_letter():
    world = World.of()
    assert not [cap for cap in score(world).caps if cap.code == "G9"]
    n = len(world.labels)
    hidden = {**world.subgroups, "sex": ["unknown"] * n}
    for other, word in ((world.but(patients_known=False), "patient"), (world.but(subgroups={}), "sex"),
                        (world.but(subgroups=hidden), "sex")):
        reasons = [cap.reason for cap in score(other).caps if cap.code == "G9"]
        assert word in reasons[0]
        assert not score(other).letter
        assert score(other).value <= score(world).value


@pytest.mark.slow
def test_a_class_without_a_finding_may_have_any_of_its_names():
    labels = World.of().labels
    fatal = weak(labels, epsilon=0.01 / 255)
    fatal = Weak(fatal.right, fatal.bears, np.where(labels == 0, 1, 0))
    result = World.of(none=fatal).result()
    renamed = result.model_copy(update={"classes": ("No Finding", *result.classes[1:])})
    codes = [{cap.code for cap in scores_of(item, PROFILE)[0].caps} for item in (result, renamed)]
    assert "G5F" in codes[0]
    assert codes[0] == codes[1]
    odd = result.model_copy(update={"classes": ("Other", *result.classes[1:])})
    assert "pneumothorax read as normal" in scores_of(odd, PROFILE)[0].unjudged
    assert not scores_of(result, PROFILE)[0].unjudged


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_chance_between_subgroups_of_a_fair_model_costs_next_to_nothing(seed):
    stream, labels = np.random.default_rng(seed), World.of(60).labels
    world = World.of(60, none=weak(labels, clean=0.9)).but(subgroups={
        "age": [f"band {band}" for band in stream.integers(0, 5, len(labels))]})
    assert parts(world.but(subgroups={}))["CU"] - parts(world)["CU"] < 8


@pytest.mark.slow
def test_a_guard_does_not_hide_that_the_gradients_of_its_model_are_masked():
    labels = World.of().labels
    silent = weak(labels, flags=lambda condition: np.zeros(len(labels), dtype=bool))
    world = World.of(none=weak(labels), guarded=silent).but(suspects={"none": [Sign.ZERO_GRADIENTS]})
    assert "G1" in {cap.code for cap in score(world.but(models={"guarded": "none"}), "guarded").caps}
    assert "G1" not in {cap.code for cap in score(world, "guarded").caps}


@pytest.mark.slow
def test_what_a_defence_costs_when_clean_caps_it():
    labels = World.of().labels
    world = World.of(none=weak(labels), costly=weak(labels, clean=0.85, epsilon=60 / 255, style=5.0))
    assert "G3" in {cap.code for cap in score(world, "costly").caps}


@pytest.mark.slow
@pytest.mark.parametrize(("share", "code"), [(0.1, None), (0.4, "G5"), (0.8, "G5F")])
def test_critical_misses_under_the_faintest_attacks_cap_it(share, code):
    labels = World.of().labels
    stream, n = np.random.default_rng(0), len(labels)
    falls = (labels == CLASSES.index("Pneumothorax")) & (stream.random(n) < share)
    system = Weak(np.ones(n, dtype=bool), {"linf": np.where(falls, 0.5 / 255, 1.0)}, np.zeros(n, dtype=int))
    codes = {cap.code for cap in score(World.of(none=system)).caps}
    assert codes & {"G5", "G5F"} == ({code} if code else set())


@pytest.mark.slow
def test_a_leak_takes_the_letter():
    labels = World.of(400).labels
    world = World.of(400, none=weak(labels, epsilon=60 / 255, style=5.0))
    assert score(world).letter
    leaky = score(world.but(leaks=("3 patients are in train and test",)))
    assert (leaky.letter, leaky.value) == ("", score(world).value)
    assert "3 patients" in leaky.caps[-1].reason


@pytest.mark.slow
def test_the_gap_between_subgroups_costs():
    labels = World.of().labels
    n = len(labels)
    women = np.arange(n) % 2 == 0
    right = np.where(women, np.arange(n) % 10 != 0, np.arange(n) % 3 != 0)
    world = World.of(none=Weak(right, {}, (labels + 1) % 3))
    parted = world.but(subgroups={"sex": np.where(women, "F", "M").tolist()})
    made = next(part for part in score(parted).parts if part.key == "CU")
    assert made.value < parts(world.but(subgroups={}))["CU"]
    assert made.parts[1].title == "gap by sex: F and M"
    few = ["F" if place < 20 else "M" for place in range(n)]
    assert parts(world.but(subgroups={"sex": few}))["CU"] == parts(world.but(subgroups={}))["CU"]


@pytest.mark.slow
def test_three_changes_are_named_and_a_cap_that_binds_comes_first():
    world = World.of().but(suspects={"none": [Sign.UNFINISHED]}, systems={
        "none": weak(World.of().labels, epsilon=40 / 255, style=4.0)})
    found = changes(score(world), PROFILE)
    assert len(found) == 3
    assert "audit again" in found[0].what
    assert found[0].gain > 0
    assert found[1].gain == 0 <= found[1].potential


@pytest.mark.slow
def test_attacks_that_are_missing_are_one_change(tmp_path):
    found = changes(score(World.of().but(battery=None)), PROFILE)
    assert found[0].what.startswith("audit with --battery standard (white-box attacks 0.0, style and acquisition 0.0")
    assert found[0].gain == pytest.approx(80, abs=0.2)
    some = changes(score(World.of().but(keep=lambda condition: condition.attack != "square")), PROFILE)
    assert any(item.what.startswith("run what is missing: square (black-box") for item in some)


@pytest.mark.slow
def test_a_vector_of_another_profile_is_refused(tmp_path):
    other = PROFILE.model_copy(update={"version": "1.1"})
    with pytest.raises(InputError, match="figures of two profiles cannot be compared"):
        from_vector(score(World.of()).vector, other)
    with pytest.raises(InputError, match="is no vector"):
        from_vector("MIRS", PROFILE)
    with pytest.raises(UnknownNameError, match=r"unknown profile 'mirs'; did you mean 'mirs-1\.0'"):
        load_profile("mirs")


@pytest.mark.parametrize(("where", "value", "said"), [
    (("white_box", "weight"), 31, "the weights add up to 101 and not to 100"),
    (("style", "tiers", 0, "share"), 0.5, "the shares of the tiers do not add up to 1")])
def test_a_profile_whose_parts_do_not_add_up_is_refused(where, value, said):
    from radversary.storage.plans import parse_plan

    keys = PROFILE.model_dump(mode="json")
    at = keys
    for step in where[:-1]:
        at = at[step]
    at[where[-1]] = value
    with pytest.raises(PlanError, match=said):
        parse_plan(Profile, keys, source="the profile")


def test_a_result_without_readings_or_labels_is_refused_in_a_sentence():
    made = World.of(20).result()
    with pytest.raises(DataError, match="holds no readings"):
        scores_of(made.model_copy(update={"readings": None}), PROFILE)
    with pytest.raises(DataError, match="no image of this audit has a label"):
        scores_of(made.model_copy(update={"labels": "own readings"}), PROFILE)


@pytest.mark.parametrize("change", [
    {"labels": packed([0, 1])}, {"pictures": packed([0])}, {"read": ()}, {"patients": packed([])}, {"labels": "AAAA"}])
def test_readings_that_were_changed_are_refused_in_a_sentence(change):
    made = World.of(12).result()
    with pytest.raises(DataError, match=r"readings (are damaged|of the result do not fit)") as caught:
        scores_of(made.model_copy(update={"readings": made.readings.model_copy(update=change)}), PROFILE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["standard", "full"])
def test_the_batteries_of_the_profile_hold_all_that_it_asks_for(name):
    assert f"{VERSION}/{name}" in PROFILE.batteries
    strengths = {item["label"]: item["strengths"] for item in entries(name)}
    assert set(PROFILE.corruption.severities) <= set.intersection(*(set(strengths[kind])
                                                                    for kind in PROFILE.corruption.kinds))
    for bound in PROFILE.white_box.bounds:
        assert all(any(abs(size - bound.epsilon) < 1e-9 for size in strengths[label])
                   for label in PROFILE.white_box.attacks)
    for label in (*PROFILE.black_box.attacks, *(label for tier in PROFILE.style.tiers for label in tier.attacks)):
        assert label in strengths
    assert all(part.missing == () for part in [item for sub in score(World.of(12)).parts for item in sub.parts])
