"""What an audit asks a model for is known before, and never exceeded by what it then asks for."""

from __future__ import annotations

import pytest
from tiny_audit import make_plan

from radversary.auditing.passes import passes_of
from radversary.auditing.run import run_audit
from radversary.core.types import AttackerKnowledge
from radversary.study.presets import whole_preset

JPEG = {"label": "jpeg", "transforms": [{"name": "jpeg"}]}


def test_what_is_asked_is_counted_by_hand():
    plan = make_plan(attacks=[{"label": "pgd", "name": "pgd", "strengths": [0.01, 0.02], "options": {"steps": 10},
                               "images": 5, "knowledge": ["oblivious", "adaptive"]},
                              {"label": "noise", "name": "noise", "strengths": [0.1]}], defences=[JPEG], limit=20)
    found = passes_of(plan, 60)
    assert found.images == 20
    assert found.attacks == 5 * 2 * (2 * 10) * 2  # images, strengths, passes of ten steps, systems
    assert found.readings == 20 * 2 + 5 * 2 * (2 + 1) + 20 * 2  # clean, PGD on both and on the defence, noise
    assert found.unknown == ()


@pytest.mark.slow
def test_an_audit_asks_for_no_more(inputs, tmp_path):
    plan = make_plan(attacks=[{"label": "pgd", "name": "pgd", "strengths": [0.01, 0.02], "options": {"steps": 4}},
                              {"label": "square", "name": "square", "strengths": [0.02], "options": {"queries": 20}}],
                     defences=[JPEG], gallery=0)
    result = run_audit(plan, inputs, tmp_path)
    count = result.cells[0].performance.accuracy.n
    asked = sum((item.queries + item.gradients) * count for item in result.outcomes
                if item.condition.knowledge != AttackerKnowledge.GRAY_BOX)  # the same run as the oblivious one
    assert 0 < asked <= passes_of(plan, count).attacks


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["quick", "standard", "full"])
def test_every_attack_of_a_battery_says_how_many_it_asks_for(preset):
    assert passes_of(whole_preset(preset), 100).unknown == ()
