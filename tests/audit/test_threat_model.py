from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_audit import make_plan, with_models

from radversary.attacks.controls.noise import Noise
from radversary.attacks.gradient.fgsm import FGSM
from radversary.auditing.measure import attacked_batches
from radversary.auditing.run import run_audit
from radversary.auditing.setup import prepare_context
from radversary.auditing.threat_model import (
    EXPECTATION,
    Aim,
    AttackerKnowledge,
    aims,
    base_classifier,
    possible_knowledge,
    white_box_view,
    with_eot,
)
from radversary.auditing.units import work_units
from radversary.core.errors import AccessError, PlanError, UnknownNameError
from radversary.core.types import Access
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from random_parts import smooth_images, tiny_classifier

FGSM_PLAN = {"label": "fgsm", "name": "fgsm", "options": {"epsilon": 8 / 255}}
JPEG = {"label": "jpeg", "transforms": ["jpeg"]}
OTHER = {"label": "other", "model": "other"}
BOTH = {"label": "both", "model": "other", "transforms": ["jpeg"]}
ALL = [JPEG, OTHER, BOTH]


def pictures(context, knowledge):
    """Defence label to the images it is given, first test rows, one strength."""
    found, rows = {}, context.images.rows("test")[:4]
    for unit in work_units(context, rows):
        for known, defences in unit.views if unit.label == "fgsm" else ():
            if known == knowledge:
                (outcome,) = attacked_batches(context, unit, rows)
                found |= dict.fromkeys(defences, outcome.images)
    return found


@pytest.fixture(scope="module")
def context(inputs):
    models = with_models(inputs, stranger=tiny_classifier(inputs.images.classes, 48, seed=9))
    plan = make_plan(attacks=[{**FGSM_PLAN, "surrogate": "stranger"}], defences=ALL)
    return prepare_context(plan, models)


@pytest.mark.slow
def test_below_the_classifier_all_defences_meet_the_same_images(context):
    for knowledge in (AttackerKnowledge.OBLIVIOUS, AttackerKnowledge.TRANSFER):
        met = pictures(context, knowledge)
        assert set(met) == {"none", "jpeg", "other", "both"}
        assert all(torch.equal(images, met["none"]) for images in met.values())
    assert not torch.equal(pictures(context, AttackerKnowledge.OBLIVIOUS)["none"],
                           pictures(context, AttackerKnowledge.TRANSFER)["none"])


@pytest.mark.slow
def test_who_knows_the_classifier_attacks_the_defences_own_one(context):
    met, before = pictures(context, AttackerKnowledge.GRAY_BOX), pictures(context, AttackerKnowledge.OBLIVIOUS)
    assert torch.equal(met["none"], before["none"])
    assert torch.equal(met["jpeg"], before["none"])
    assert torch.equal(met["other"], met["both"])
    assert not torch.equal(met["other"], met["none"])


@pytest.mark.slow
def test_who_knows_all_attacks_through_the_defence(context):
    met, before = pictures(context, AttackerKnowledge.ADAPTIVE), pictures(context, AttackerKnowledge.GRAY_BOX)
    assert torch.equal(met["none"], before["none"])
    assert torch.equal(met["other"], before["other"])
    assert not torch.equal(met["jpeg"], before["jpeg"])
    assert not torch.equal(met["both"], met["jpeg"])


def test_an_attack_that_looks_at_nothing_is_oblivious():
    assert possible_knowledge(Noise(), surrogate=True) == (AttackerKnowledge.OBLIVIOUS,)
    assert possible_knowledge(FGSM(), surrogate=False) == (AttackerKnowledge.OBLIVIOUS, AttackerKnowledge.GRAY_BOX,
                                                           AttackerKnowledge.ADAPTIVE)
    assert possible_knowledge(FGSM(), surrogate=True) == tuple(AttackerKnowledge)


def test_opening_a_defence_reaches_every_layer():
    victim = tiny_classifier()
    inner = Defended(victim, JpegCompression(quality=80), inherent=True)
    outer = Defended(inner, JpegCompression(quality=40))
    assert (base_classifier(outer), base_classifier(inner)) == (inner, inner)
    known = white_box_view(outer)
    assert known.access == known.classifier.access == Access.GRADIENTS
    images = smooth_images(2).requires_grad_()
    known.logits(images).sum().backward()
    assert images.grad.abs().sum() > 0
    assert white_box_view(victim) is victim


class Shaky(JpegCompression):
    """A transform that says it is random."""

    random = True


def test_a_random_defence_is_attacked_in_expectation():
    defended = Defended(tiny_classifier(), Shaky(quality=50))
    (random, sure) = aims(AttackerKnowledge.ADAPTIVE, {"none": tiny_classifier(), "shaky": defended}, None)[::-1]
    assert (random.random, sure.random) == (True, False)
    assert with_eot(FGSM(eot=3), random).eot == EXPECTATION
    assert with_eot(FGSM(eot=3), sure).eot == 3
    assert with_eot(FGSM(eot=30), random).eot == 30
    assert with_eot(Noise(), random) == Noise()


@pytest.mark.slow
def test_results_tell_knowledge_apart_and_repeat_what_is_the_same(inputs, tmp_path):
    plan = make_plan(attacks=[{**FGSM_PLAN, "knowledge": ["oblivious", "adaptive"]}], defences=ALL, gallery=1)
    result = run_audit(plan, inputs, tmp_path)
    keys = [item.condition.key for item in result.cells if item.defence == "none"]
    assert keys == ["clean@0", "identity@0", f"fgsm@{8 / 255:g}", f"fgsm@{8 / 255:g}/adaptive"]
    blind, aware = (result.cell("fgsm", 8 / 255, "none", knowledge) for knowledge in (AttackerKnowledge.OBLIVIOUS,
                                                                                      AttackerKnowledge.ADAPTIVE))
    assert blind.performance == aware.performance
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["knowledge"]) == {"oblivious", "adaptive"}
    attacked = table[(table["attack"] == "fgsm") & (table["defence"] == "jpeg")]
    for knowledge, rows in attacked.groupby("knowledge"):
        accuracy = result.cell("fgsm", 8 / 255, "jpeg", AttackerKnowledge(knowledge)).performance.accuracy
        assert accuracy.value == pytest.approx((rows["label"] == rows["predicted"]).mean())
    assert {item.condition.knowledge for item in result.detections} == {AttackerKnowledge.OBLIVIOUS}


@pytest.mark.slow
def test_an_attack_may_be_run_on_some_images_and_is_paired_on_those(inputs, tmp_path):
    plan = make_plan(attacks=[{**FGSM_PLAN, "knowledge": ["oblivious"], "images": 5},
                              {"label": "noise", "name": "noise", "images": 3}], defences=[JPEG], gallery=1)
    result = run_audit(plan, inputs, tmp_path)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    sizes = table[table["defence"] == "none"].groupby("attack")["image_id"].agg(set)
    assert (len(sizes["fgsm"]), len(sizes["noise"])) == (5, 3)
    assert sizes["noise"] < sizes["fgsm"]
    cell = result.cell("fgsm", 8 / 255, "none")
    clean = table[(table["attack"] == "clean") & (table["defence"] == "none")].set_index("image_id")
    before = clean.loc[sorted(sizes["fgsm"])]
    right = (before["label"] == before["predicted"]).mean()
    assert cell.against_clean.difference.value == pytest.approx(cell.performance.accuracy.value - right)
    assert cell.performance.accuracy.n == 5


@pytest.mark.slow
def test_an_attack_may_meet_some_defences_only(inputs, tmp_path):
    plan = make_plan(attacks=[{**FGSM_PLAN, "defences": ["other"]}, {"label": "noise", "name": "noise"}],
                     defences=ALL, gallery=1)
    result = run_audit(plan, inputs, tmp_path)
    met = {attack: {item.defence for item in result.cells if item.condition.attack == attack}
           for attack in ("clean", "fgsm", "noise")}
    assert met == {"clean": {"none", "jpeg", "other", "both"}, "fgsm": {"none", "other"}, "noise": met["clean"]}
    for knowledge in AttackerKnowledge:
        if knowledge != AttackerKnowledge.TRANSFER:
            assert result.cell("fgsm", 8 / 255, "other", knowledge).against_none is not None
    assert {item.defence for item in result.visibility if item.attack == "fgsm"} == {"none", "other"}


@pytest.mark.slow
def test_costs_and_visibility_are_part_of_the_result(finished):
    result, folder = finished
    assert list(result.costs) == ["none", "jpeg", "other"]
    assert result.costs["none"].extra == 0
    assert all(cost.milliseconds > 0 for cost in result.costs.values())
    (entry,) = (item for item in result.visibility if (item.attack, item.defence) == ("style", "none"))
    scores = pd.read_parquet(folder / "detections.parquet")
    counted = [estimate.n if estimate else 0 for estimate in entry.accuracy]
    assert sum(counted) == len(scores[scores["attack"] == "style"])
    assert counted[0] == (scores[scores["attack"] == "style"]["similarity"] >= 0.98).sum()


@pytest.mark.parametrize(("attack", "problem"), [
    ({**FGSM_PLAN, "knowledge": ["transfer"]}, "names no surrogate"),
    ({"label": "n", "name": "noise", "knowledge": ["adaptive"]}, "looks at no model"),
    ({**FGSM_PLAN, "defences": ["other"]}, "names defence 'other', which is not among"),
    ({**FGSM_PLAN, "surrogate": "victim"}, "is the victim itself"),
    ({**FGSM_PLAN, "surrogate": "same"}, "is the victim itself"),
    ({**FGSM_PLAN, "options": {"epsilon": 0.4 / 255}}, "below the quantisation step")])
def test_what_makes_no_sense_is_refused_in_a_sentence(inputs, tmp_path, attack, problem):
    models = with_models(inputs, same=inputs.classifiers["victim"])
    with pytest.raises((PlanError, ValueError), match=problem):  # a plan's own checks are pydantic's until it is read
        run_audit(make_plan(attacks=[attack], defences=[]), models, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("attack", [{"name": "evasive-pgd"}, {
    "name": "equal-noise", "options": {"like": {"name": "evasive-style"}}}])
def test_who_evades_detectors_is_refused_where_there_are_none(inputs, tmp_path, attack):
    with pytest.raises(AccessError, match="evades detectors, but none guard"):
        run_audit(make_plan(attacks=[{"label": "a", **attack}], defences=[]), inputs, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_surrogates_and_transforms_are_answered_with_the_nearest(inputs, tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'other'"):
        run_audit(make_plan(attacks=[{**FGSM_PLAN, "surrogate": "othr"}]), inputs, tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'jpeg'"):
        run_audit(make_plan(defences=[{"label": "a", "transforms": ["jpg"]}]), inputs, tmp_path)


def test_aims_share_what_is_the_same_model():
    victim = tiny_classifier()
    (aim,) = aims(AttackerKnowledge.ADAPTIVE, {"none": victim, "same": victim}, None)
    assert aim == Aim(core=victim, target=victim, defences=("none", "same"))
    with pytest.raises(PlanError, match="needs a surrogate"):
        aims(AttackerKnowledge.TRANSFER, {"none": victim}, None)


@pytest.mark.slow
def test_the_whole_result_goes_through_json(finished):
    text = json.loads(finished[0].model_dump_json())
    assert text["cells"][0]["condition"]["knowledge"] == "oblivious"
    assert np.isfinite(text["costs"]["jpeg"]["milliseconds"])
