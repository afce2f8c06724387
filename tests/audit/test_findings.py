"""Signs that an attack was too weak, and worst cases: counted here by other means than the audit's."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_audit import make_plan, with_models
from torch import nn

from radversary.attacks.registry import ATTACKS
from radversary.auditing.cells import Cell, OutcomeSummary
from radversary.auditing.findings import findings_of, outcome
from radversary.auditing.result import FindingKind
from radversary.auditing.run import run_audit
from radversary.auditing.setup import condition_of, prepare_context
from radversary.classifiers.torch_module import wrap
from radversary.core.types import AttackerKnowledge, Estimate
from radversary.metrics.performance import PairedTest, Performance

ALL = 1000
PGD = {"label": "pgd", "name": "pgd", "options": {"epsilon": 8 / 255, "steps": 4}}


def cell(label: str, right: int, *, name: str = "pgd", strength: float = 0.1,
         knowledge: AttackerKnowledge = AttackerKnowledge.TRANSFER,
         before: int = 900, n: int = ALL, defence: str = "jpeg", **options) -> Cell:
    """Figures of one attack with binomial intervals."""
    half = 1.96 * np.sqrt(max(right * (n - right), 1) / n**3)
    share, change = Estimate(right / n, right / n - half, right / n + half, n), (right - before) / n
    return Cell(condition=condition_of(label, ATTACKS.create(name, **options).at(strength), knowledge), defence=defence,
                performance=Performance(share, share, share, share, None, (), ((right, n - right), (0, 0))),
                against_clean=PairedTest(Estimate(change, change - half, change + half, n), 0, 0, 0.5))


def attackers(*, adaptive: int, lower: int, knowledge: AttackerKnowledge = AttackerKnowledge.TRANSFER, **more):
    """One attack by an attacker who knows all and by one who knows less."""
    return [cell("label", lower, knowledge=knowledge, **more),
            cell("label", adaptive, knowledge=AttackerKnowledge.ADAPTIVE, **more)]


@pytest.mark.parametrize("knowledge",
                         [AttackerKnowledge.OBLIVIOUS, AttackerKnowledge.TRANSFER, AttackerKnowledge.GRAY_BOX])
def test_a_figure_that_rises_with_knowledge_is_named(knowledge):
    (found,) = findings_of(attackers(adaptive=700, lower=500, knowledge=knowledge))
    assert (found.kind, found.defence, found.others) == (FindingKind.WEAK_ATTACKER, "jpeg", 0)
    assert (found.condition.knowledge, found.lower.knowledge) == (AttackerKnowledge.ADAPTIVE, knowledge)
    assert found.value == pytest.approx(0.2)
    assert "leaves 70.0 % [67.2, 72.8] (n=1000) right, the " + str(knowledge) in found.sentence


@pytest.mark.parametrize(("adaptive", "lower"), [(500, 700), (500, 500), (520, 500)])
def test_what_falls_or_lies_inside_the_interval_is_not(adaptive, lower):
    assert findings_of(attackers(adaptive=adaptive, lower=lower)) == ()


def test_few_images_need_a_wider_gap():
    assert findings_of(attackers(adaptive=12, lower=10, n=20, before=19)) == ()
    assert findings_of(attackers(adaptive=18, lower=6, n=20, before=19))


def test_noise_that_nobody_aims_is_no_attacker():
    assert findings_of(attackers(adaptive=700, lower=500, name="equal-noise", like={"name": "pgd"})) == ()
    assert findings_of([cell("grain", 950, name="noise", knowledge=AttackerKnowledge.OBLIVIOUS)]) == ()


def test_strengths_and_attacks_are_not_mixed():
    assert findings_of([cell("label", 800, knowledge=AttackerKnowledge.ADAPTIVE), cell("label", 300, strength=0.2),
                        cell("other", 300, name="stm")]) == ()


def test_the_widest_gap_speaks_for_the_others():
    (found,) = findings_of([*attackers(adaptive=700, lower=600), *attackers(adaptive=650, lower=300, strength=0.2)])
    assert (found.condition.strength, found.others) == (0.2, 1)
    assert "and likewise in one more comparison" in found.sentence


def test_an_attack_that_helps_is_named():
    (found,) = findings_of([cell("label", 700, before=500), cell("label", 600, before=500, strength=0.2)])
    assert (found.kind, found.others, found.value) == (FindingKind.HELPFUL_ATTACK, 1, pytest.approx(0.2))
    assert "pgd" not in found.sentence
    assert "label, ε 25.5/255 raises the accuracy of jpeg by 20.0 points" in found.sentence


class Shattered(torch.autograd.Function):
    """The images on four grey levels, without a gradient: robust only in looks."""

    @staticmethod
    def forward(context, images):
        return (images * 3).round() / 3

    @staticmethod
    def backward(context, gradient):
        return torch.zeros_like(gradient)


class Steps(nn.Module):
    """A linear classifier behind it."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        return self.inner(Shattered.apply(inputs))


@pytest.mark.slow
def test_gradients_of_zero_are_counted_and_said(inputs, tmp_path):
    victim = inputs.classifiers["victim"]
    masked = wrap(Steps(victim.module), classes=victim.card.classes, size=victim.card.size, name="masked")
    plan = make_plan(attacks=[PGD], defences=[], gallery=0)
    result = run_audit(plan, with_models(inputs, victim=masked), tmp_path)
    found = [item for item in result.findings if item.kind == FindingKind.ZERO_GRADIENTS]
    assert [(item.value, item.defence) for item in found] == [(1.0, "none")]
    assert "100.0 % of the gradients of pgd, ε 8/255 against no defence were exactly zero" in found[0].sentence


class Turned(nn.Module):
    """A classifier whose gradient has the wrong sign."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        answer = self.inner(inputs)
        return 2 * answer.detach() - answer


@pytest.mark.slow
def test_gradients_that_mislead_are_counted_and_said(inputs, tmp_path):
    victim = inputs.classifiers["victim"]
    masked = wrap(Turned(victim.module), classes=victim.card.classes, size=victim.card.size, name="masked")
    plan = make_plan(attacks=[PGD], defences=[], gallery=0)
    result = run_audit(plan, with_models(inputs, victim=masked), tmp_path)
    (found,) = (item for item in result.findings if item.kind == FindingKind.MISLEADING_GRADIENTS)
    (outcome,) = (item for item in result.outcomes if item.condition == found.condition)
    assert (found.value, found.defence, outcome.outdone.value) == (1.0, "none", 1.0)
    assert "pgd, ε 8/255 against no defence fails on 100.0 % of the images read rightly before" in found.sentence
    table = pd.read_parquet(tmp_path / "outcomes.parquet")
    clean = pd.read_parquet(tmp_path / "predictions.parquet").query("attack == 'clean'")
    right = set(clean.loc[clean["label"] == clean["predicted"], "image_id"])
    counted = table[(table["attack"] == "pgd") & (table["knowledge"] == "oblivious")].dropna(subset="outdone")
    assert set(counted["image_id"]) == right
    assert table.loc[table["attack"] == "identity", "outdone"].isna().all()


def test_a_model_whose_answers_may_be_no_logits_is_named_once():
    (found,) = findings_of([], [], {"none": "All answers lie.", "jpeg": "All answers lie."})
    assert (found.kind, found.defence, found.others) == (FindingKind.DOUBTFUL_LOGITS, "none", 1)
    assert (found.condition.attack, found.sentence) == ("clean", "All answers lie.")


def test_a_sigmoid_at_the_end_of_a_model_is_found_before_anything_runs(inputs):
    victim = inputs.classifiers["victim"]
    doubtful = wrap(nn.Sequential(victim.module, nn.Sigmoid()), classes=victim.card.classes, size=victim.card.size,
                    name="doubtful")
    plan = make_plan(defences=[{"label": "jpeg", "transforms": ["jpeg"]}])
    context = prepare_context(plan, with_models(inputs, victim=doubtful))
    assert set(context.suspicions) == {"none", "jpeg"}
    assert "model 'doubtful'" in context.suspicions["none"]
    assert not prepare_context(plan, inputs).suspicions


@pytest.mark.parametrize(("value", "low", "said"), [(0.5, 0.05, False), (0.3, 0.2, False), (0.5, 0.2, True)])
def test_misleading_gradients_are_said_beyond_doubt(value, low, said):
    shares = {"pgd": Estimate(value, low, 0.8, 20), "fgsm": None}
    outcomes = [OutcomeSummary(condition=condition_of(name, ATTACKS.create(name), AttackerKnowledge.ADAPTIVE),
                               target="jpeg", success=None, linf=0.1, l2=1.0, queries=1.0, gradients=1.0,
                               zero_gradients=0.0, outdone=share) for name, share in shares.items()]
    found = findings_of([], outcomes)
    assert [(item.kind, item.defence, item.value) for item in found] == (
        [(FindingKind.MISLEADING_GRADIENTS, "jpeg", 0.5)] if said else [])


def summary_of(name, success, linf):
    """What is summed up of an attack that reached its goal on some images and changed each by so much."""
    count = len(linf)
    rows = pd.DataFrame({"success": success, "linf": linf, "l2": 10.0 * np.array(linf), "queries": 1.0,
                         "gradients": 1.0, "zero_gradients": 0.0, "outdone": np.nan}, index=range(3, 3 + count))
    condition = condition_of(name, ATTACKS.create(name), AttackerKnowledge.ADAPTIVE)
    return outcome(condition, "none", rows, [f"patient-{place}" for place in range(count)], draws=10, seed=1)


def test_the_distance_of_a_smallest_change_is_that_of_the_images_that_were_turned():
    """Two are turned, one was misread before, and most are left as they are, which says nothing of a distance."""
    success, linf = [1.0, 0, 0, 1, 0, 1, 0, 0], [0.2, 0, 0, 0, 0, 0.4, 0, 0]
    found = summary_of("deepfool", success, linf)
    assert (found.turned, found.linf, found.l2) == (2, pytest.approx(0.3), pytest.approx(3.0))
    assert found.success.value == pytest.approx(3 / 8)
    bounded = summary_of("pgd", success, linf)
    assert (bounded.turned, bounded.linf, bounded.l2) == (None, 0.0, 0.0)
    assert bounded.success == found.success


@pytest.mark.parametrize(("success", "linf"), [([0.0, 0.0], [0.0, 0.0]), ([1.0, 1.0], [0.0, 0.0])])
def test_where_no_image_was_turned_there_is_no_distance_and_the_summary_can_be_stored(success, linf):
    found = summary_of("deepfool", success, linf)
    assert (found.turned, found.linf, found.l2) == (0, None, None)
    assert OutcomeSummary.model_validate_json(found.model_dump_json()) == found
    from jsonschema import validate  # imported here: it takes seconds, which the quick suite spares

    validate(json.loads(found.model_dump_json()), OutcomeSummary.model_json_schema(mode="serialization"))


@pytest.mark.slow
def test_a_sound_attack_raises_no_finding_and_its_costs_are_counted(inputs, tmp_path):
    result = run_audit(make_plan(attacks=[PGD], defences=[], gallery=0), inputs, tmp_path)
    assert result.findings == ()
    (outcome,) = (item for item in result.outcomes if item.condition.attack == "pgd"
                  and item.condition.knowledge == AttackerKnowledge.OBLIVIOUS)
    assert (outcome.queries, outcome.gradients, outcome.zero_gradients) == (4.0, 4.0, 0.0)
    assert outcome.linf == pytest.approx(8 / 255, abs=1e-6)
    table = pd.read_parquet(tmp_path / "outcomes.parquet")
    rows = table[(table["attack"] == "pgd") & (table["knowledge"] == "oblivious")]
    read = pd.read_parquet(tmp_path / "predictions.parquet").query("attack == 'pgd' and knowledge == 'oblivious'")
    assert ((rows["success"] > 0).to_numpy() == (read["label"] != read["predicted"]).to_numpy()).all()
    assert outcome.success.value == pytest.approx((read["label"] != read["predicted"]).mean())


@pytest.mark.slow
def test_the_worst_case_counts_images_that_no_attack_misleads(inputs, tmp_path):
    plan = make_plan(attacks=[{**PGD, "strengths": [1 / 255, 4 / 255]}, {"label": "fgsm", "name": "fgsm"},
                              {**PGD, "label": "few", "images": 3}, {"label": "grain", "name": "noise"}],
                     defences=[{"label": "jpeg", "transforms": ["jpeg"]}], gallery=0)
    result = run_audit(plan, inputs, tmp_path)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    table["right"] = table["label"] == table["predicted"]
    counted = table[table["attack"].isin(["pgd", "fgsm"])]
    for case in result.worst_cases:
        rows = counted[(counted["defence"] == case.defence) & (counted["knowledge"] == case.knowledge)]
        assert case.accuracy.value == pytest.approx(rows.groupby("image_id")["right"].all().mean())
        assert (case.conditions, case.left_out) == (3, 1)
        least = min((item for item in result.cells if (item.defence, item.condition.knowledge) == (case.defence,
                                                                                                   case.knowledge)
                     and item.condition.attack in ("pgd", "fgsm")), key=lambda item: item.performance.accuracy.value)
        assert case.least == least.condition.key
        assert case.accuracy.value <= least.performance.accuracy.value
    assert {(case.defence, case.knowledge) for case in result.worst_cases} == {
        (defence, knowledge) for defence in ("none",
                                             "jpeg") for knowledge in AttackerKnowledge
                                             if knowledge != AttackerKnowledge.TRANSFER}
