"""A failed attack on a guard is said to be one: counted here by other means than the evaluation's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_audit import SIZE
from tiny_guard_evaluation import Rough, make_images, make_plan
from torch import nn

from radversary.auditing.result import FindingKind
from radversary.classifiers.torch_module import wrap
from radversary.guard_evaluation.findings import findings_of, outcomes_of
from radversary.guard_evaluation.measure import COSTS, judged
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.guard_evaluation.run import evaluate_guard
from radversary.guard_evaluation.setup import prepare_guard_evaluation
from radversary.screening.guard import Guard
from random_parts import tiny_classifier

PGD = {"label": "pgd", "name": "pgd", "strengths": [8 / 255], "options": {"steps": 2}}
EVASIVE = {"label": "aware", "name": "evasive-pgd", "strengths": [8 / 255], "options": {"steps": 2}}


class Steps(nn.Module):
    """A linear classifier of a few grey levels, which have no slope."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        return self.inner((inputs * 20).round() / 20)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    torch.set_num_threads(1)
    return make_images(tmp_path_factory.mktemp("phantoms"))


@pytest.fixture(scope="module")
def masked(images) -> Guard:
    victim = wrap(Steps(tiny_classifier(images.classes, SIZE).module), classes=images.classes, size=SIZE, name="masked")
    rows = images.rows("train")
    return Guard(classifier=victim, detectors={"rough": Rough()}).calibrate(
        images.tensor(rows), [images.patients[row] for row in rows], alpha=0.2)


@pytest.mark.slow
def test_gradients_of_zero_are_counted_and_said(images, masked):
    context = prepare_guard_evaluation(make_plan(attacks=[PGD, EVASIVE]), masked, images)
    frame = pd.concat([judged(context, label, context.rows[:4]) for label in ("clean", "pgd", "aware")])
    assert frame.loc[frame["attack"] == "clean", list(COSTS)].isna().all(axis=None)
    outcomes = outcomes_of(context, frame)
    plain, aware = outcomes
    assert (plain.queries, plain.gradients, plain.zero_gradients, plain.linf) == (2.0, 2.0, 1.0, pytest.approx(8 / 255))
    assert (aware.queries, aware.gradients) == (3.0, 6.0)  # each step looks at the classifier's and the detectors'
    assert aware.zero_gradients == pytest.approx(0.5)
    found = [item for item in findings_of(context, frame, outcomes) if item.kind == FindingKind.ZERO_GRADIENTS]
    assert [item.defence for item in found] == ["the classifier", "the classifier and its detectors"]
    assert found[0].sentence.startswith("100.0 % of the gradients of pgd, ε 8/255 against the classifier were exactly")


@pytest.mark.slow
def test_an_attack_that_raises_the_accuracy_is_named(images, masked):
    context = prepare_guard_evaluation(make_plan(attacks=[PGD]), masked, images)
    kept = SimpleNamespace(plan=context.plan, conditions=context.conditions, suspicion="")
    one = pd.DataFrame({"image_id": [f"i{n}" for n in range(40)], "patient_id": [f"p{n}" for n in range(40)],
                        "label": "sick", "knowledge": "oblivious"})
    half = np.arange(40) < 20
    clean = one.assign(kind="clean", attack="clean", strength=0.0, right=half)
    attacked = one.assign(kind="attack", attack="pgd", strength=8 / 255, right=True)
    (found,) = findings_of(kept, pd.concat([clean, attacked]), ())
    assert (found.kind, found.value) == (FindingKind.HELPFUL_ATTACK, 0.5)
    assert "pgd, ε 8/255 raises the accuracy of the classifier by 50.0 points" in found.sentence
    assert findings_of(kept, pd.concat([clean, attacked.assign(right=half)]), ()) == ()


@pytest.mark.slow
def test_the_result_holds_them_and_one_without_is_read(images, masked, tmp_path):
    result = evaluate_guard(make_plan(attacks=[PGD], gallery=0), masked, images, tmp_path)
    path = tmp_path / "guard-evaluation.json"
    assert GuardEvaluationResult.load(path).findings == result.findings
    assert FindingKind.ZERO_GRADIENTS in {item.kind for item in result.findings}
    assert not set(COSTS) & set(pd.read_parquet(tmp_path / "scores.parquet"))
    earlier = result.model_dump(mode="json", exclude={"findings", "outcomes"})
    assert GuardEvaluationResult.model_validate(earlier).findings == ()
