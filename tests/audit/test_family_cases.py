"""What each defence keeps of each family of attacks: counted here by other means than the audit's."""

from __future__ import annotations

import pandas as pd
import pytest
from tiny_audit import make_inputs, make_plan

from radversary.auditing.run import run_audit
from radversary.core.types import AttackFamily

PGD = {"label": "pgd", "name": "pgd", "options": {"steps": 3}, "strengths": [1 / 255, 4 / 255]}
FAMILIES = {AttackFamily.GRADIENT: ["pgd", "fgsm"], AttackFamily.NOISE: ["grain"]}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A finished audit, and its predictions."""
    folder = tmp_path_factory.mktemp("families")
    plan = make_plan(attacks=[PGD, {"label": "fgsm", "name": "fgsm"}, {**PGD, "label": "few", "images": 3},
                              {"label": "other goal", "name": "fgsm", "options": {"goal": "targeted Pneumonia"}},
                              {"label": "grain", "name": "noise", "strengths": [0.1, 0.3]}],
                     defences=[{"label": "jpeg", "transforms": ["jpeg"]}], gallery=0, probe_images=0)
    inputs = make_inputs(tmp_path_factory.mktemp("inputs"))
    result = run_audit(plan, inputs, folder)
    table = pd.read_parquet(folder / "predictions.parquet")
    return result, table.assign(right=table["label"] == table["predicted"])


@pytest.mark.slow
def test_a_family_s_figures_are_over_all_attackers(audited):
    result, table = audited
    assert {(case.family, case.defence) for case in result.family_cases} == {
        (family, defence) for family in FAMILIES for defence in ("none", "jpeg")}
    for case in result.family_cases:
        assert list(case.attacks) == FAMILIES[case.family]
        rows = table[table["attack"].isin(case.attacks) & (table["defence"] == case.defence)]
        kept = rows.groupby(["image_id", "attack", "strength"])["right"].all().unstack([1, 2])
        assert case.mean.value == pytest.approx(kept.mean(axis=1).mean())
        assert case.worst.value == pytest.approx(kept.all(axis=1).mean())
        assert case.worst.value <= case.mean.value
        assert case.mean.low <= case.mean.value <= case.mean.high
        assert case.mean.high > case.mean.low  # also where nothing is left
        assert case.mean.n == len(kept)


@pytest.mark.slow
def test_what_was_run_on_few_images_is_left_out_and_counted(audited):
    result, table = audited
    for case in result.family_cases:
        gradient = case.family == AttackFamily.GRADIENT
        assert (case.left_out > 0) == gradient
        rows = table[table["attack"].isin(case.attacks) & (table["defence"] == case.defence)]
        assert case.conditions == len(rows.groupby(["attack", "strength", "knowledge"]))
