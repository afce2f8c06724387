"""Audits of models that read findings, that have a threshold, and of images without labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, recall_score, roc_auc_score
from tiny_audit import SIZE, make_inputs, make_plan

from radversary.auditing.run import run_audit
from radversary.auditing.setup import prepare_context
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError, PlanError
from radversary.core.types import Task
from radversary.data.checks import check_data
from radversary.data.prepare_folder import prepare_images
from radversary.data.table import ImageTable
from radversary.report.html import write_report
from random_parts import tiny_classifier

FINDINGS = ("Effusion", "Mass", "Nodule")
ATTACKS = [{"label": "pgd", "name": "pgd", "options": {"epsilon": 4 / 255, "steps": 4}},
           {"label": "hide", "name": "pgd", "options": {"epsilon": 60 / 255, "goal": "hide Mass"}},
           {"label": "invent", "name": "i-fgsm", "options": {"epsilon": 60 / 255, "goal": "invent Nodule keep"}},
           {"label": "style", "name": "style-transfer", "strengths": [0.5],
            "options": {"generator": "fourier", "count": 3, "style_size": 32}}]


def with_table(inputs, folder: Path, change):
    """The same films under other labels."""
    frame = change(inputs.images.table.frame.copy())
    images = prepare_images(ImageTable(frame), size=SIZE, folder=folder)
    return replace(inputs, images=images, report=check_data(images))


def findings_at_random(frame: pd.DataFrame) -> pd.DataFrame:
    drawn = np.random.default_rng(5).choice(["1", "0", "0", ""], (len(frame), len(FINDINGS)))
    return frame.drop(columns="label").assign(**{f"finding:{name}": drawn[:, place]
                                                 for place, name in enumerate(FINDINGS)})


def as_task(classes, task, **card) -> TorchClassifier:
    tiny = tiny_classifier(classes, SIZE)
    return TorchClassifier(tiny.module, tiny.card.model_copy(update={"task": Task(task), **card}))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def multilabel(inputs, tmp_path_factory):
    made = with_table(inputs, tmp_path_factory.mktemp("findings"), findings_at_random)
    models = {name: as_task(FINDINGS, "multilabel", thresholds=(0.3, 0.5, 0.6)) for name in ("victim", "other")}
    return replace(made, classifiers=models)


@pytest.fixture(scope="module")
def audited(multilabel, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    result = run_audit(make_plan(attacks=ATTACKS, gallery=3), multilabel, out)
    return result, pd.read_parquet(out / "predictions.parquet"), out


@pytest.mark.slow
def test_predictions_are_one_row_a_finding(audited, multilabel):
    result, table, _ = audited
    assert result.task == Task.MULTILABEL
    assert {"finding", "label", "predicted", "score"} <= set(table)
    clean = table[(table["attack"] == "clean") & (table["defence"] == "none")]
    images, victim = multilabel.images, multilabel.classifiers["victim"]
    rows = images.rows("test")
    assert len(clean) == len(rows) * len(FINDINGS)
    with torch.no_grad():
        expected = victim.logits(images.tensor(rows)).sigmoid().numpy()
    np.testing.assert_allclose(clean["score"].to_numpy().reshape(-1, 3), expected, atol=1e-5)
    said = (clean["predicted"] == "present").to_numpy().reshape(-1, 3)
    np.testing.assert_array_equal(said, expected >= np.array([0.3, 0.5, 0.6]))
    states = {1: "present", 0: "absent", -1: "unknown"}
    assert clean["label"].tolist() == [states[int(label)] for label in images.labels[rows].flatten()]


@pytest.mark.slow
def test_figures_by_finding_equal_scikit_learn_on_what_is_known(audited):
    result, table, _ = audited
    for cell in result.cells:
        what = cell.condition
        own = table[(table["attack"] == what.attack) & (table["strength"] == what.strength)
                    & (table["knowledge"] == str(what.knowledge)) & (table["defence"] == cell.defence)
                    & (table["label"] != "unknown")]
        assert cell.performance.accuracy.value == pytest.approx((own["label"] == own["predicted"]).mean())
        assert cell.performance.accuracy.n == len(own)
        for figures in cell.findings.findings:
            rows = own[own["finding"] == figures.name]
            true, read = rows["label"] == "present", rows["predicted"] == "present"
            if figures.sensitivity is not None:
                assert figures.sensitivity.value == pytest.approx(recall_score(true, read))
                assert figures.f1.value == pytest.approx(f1_score(true, read))
            if figures.auroc is not None:
                assert figures.auroc.value == pytest.approx(roc_auc_score(true, rows["score"]))
                assert figures.average_precision.value == pytest.approx(average_precision_score(true, rows["score"]))
    assert any(item.auroc for cell in result.cells for item in cell.findings.findings)


@pytest.mark.slow
def test_hiding_and_inventing_are_counted_on_what_was_read_rightly(audited):
    result, table, _ = audited
    clean = table[(table["attack"] == "clean") & (table["defence"] == "none")].set_index(["image_id", "finding"])
    for label, finding, before, after in (("hide", "Mass", "present", "absent"), ("invent", "Nodule", "absent",
                                                                                    "present")):
        cell = next(cell for cell in result.cells if cell.condition.attack == label and cell.defence == "none")
        own = table[(table["attack"] == label) & (table["defence"] == "none") & (table["finding"] == finding)
                    & (table["knowledge"] == str(cell.condition.knowledge))]
        right = np.array([clean.loc[(name, finding), "predicted"] == before for name in own["image_id"]])
        counted = own[(own["label"] == before) & right]
        flips = next(item for item in cell.flips.findings if item.name == finding)
        found = flips.hidden if label == "hide" else flips.invented
        assert found.value == pytest.approx((counted["predicted"] == after).mean())
        assert found.n == len(counted) > 0
        assert found.value > 0.5
        assert (own["label"] == before).all()  # no image is attacked on which there is nothing to change


@pytest.mark.slow
def test_what_is_kept_stays_as_it_was_read(audited):
    result, table, _ = audited
    outcome = next(item for item in result.outcomes if item.condition.attack == "invent" and item.target == "none")
    keys = ["image_id", "finding"]
    clean = table[(table["attack"] == "clean") & (table["defence"] == "none")].set_index(keys)["predicted"]
    own = table[(table["attack"] == "invent") & (table["defence"] == "none")
                & (table["knowledge"] == str(outcome.condition.knowledge))].set_index(keys)["predicted"]
    wide = own.unstack()
    before = clean.loc[own.index].unstack()
    kept = (wide[["Effusion", "Mass"]] == before[["Effusion", "Mass"]]).all(axis=1) & (wide["Nodule"] == "present")
    assert outcome.success.value == pytest.approx(kept.mean())


@pytest.mark.slow
def test_a_goal_counts_as_reached_where_it_was_not_before(audited):
    """An image whose finding the model misses anyway is no success of an attack that hides it."""
    result, table, _ = audited
    wanted = {"hide": ("Mass", "absent"), "invent": ("Nodule", "present")}
    cells = [cell for cell in result.cells if cell.condition.attack in wanted]
    assert {cell.defence for cell in cells} == {"none", "jpeg", "other"}
    for cell in cells:
        finding, after = wanted[cell.condition.attack]
        rows = table[table["defence"] == cell.defence]
        now = rows[(rows["attack"] == cell.condition.attack) & (rows["knowledge"] == str(cell.condition.knowledge))]
        wide = now.pivot(index="image_id", columns="finding", values="predicted")
        before = rows[rows["attack"] == "clean"].pivot(index="image_id", columns="finding", values="predicted")
        before = before.loc[wide.index]
        turned = wide[finding] == after
        if cell.condition.attack == "invent":
            turned &= (wide.drop(columns=finding) == before.drop(columns=finding)).all(axis=1)
        counted = before[finding] != after
        if counted.any():
            assert cell.reached.n == counted.sum()
            assert cell.reached.value == pytest.approx(turned[counted].mean())
        else:
            assert cell.reached is None
    assert any(cell.reached and cell.reached.n < cell.performance.accuracy.n / 3 for cell in cells)


@pytest.mark.slow
def test_it_is_resumed_and_reported(audited, multilabel, tmp_path):
    result, _, out = audited
    again = run_audit(make_plan(attacks=ATTACKS, gallery=3), multilabel, out)
    assert again.cells == result.cells
    page = write_report(out).read_text()
    for finding in FINDINGS:
        assert finding in page
    assert {case.goal for case in result.worst_cases} == {"untargeted", "hide Mass", "invent Nodule keep"}
    assert len(result.gallery) == 3


@pytest.mark.slow
def test_a_binary_model_is_judged_at_its_threshold(inputs, tmp_path):
    def two_classes(frame):
        return frame.assign(label=frame["label"].where(frame["label"] == "Normal", "Sick"))

    made = with_table(inputs, tmp_path / "images", two_classes)
    models = {name: as_task(("Normal", "Sick"), "binary", thresholds=(0.2,)) for name in ("victim", "other")}
    plan = make_plan(attacks=[{"label": "hide", "name": "pgd", "options": {"goal": "hide", "steps": 3}}], gallery=1)
    result = run_audit(plan, replace(made, classifiers=models), tmp_path / "run")
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert ((table["p_Sick"] >= 0.2) == (table["predicted"] == "Sick")).all()
    assert set(table.loc[table["attack"] == "hide", "label"]) == {"Sick"}
    (clean,) = (cell for cell in result.cells if cell.condition.attack == "clean" and cell.defence == "none")
    (only,) = clean.findings.findings
    rows = table[(table["attack"] == "clean") & (table["defence"] == "none")]
    assert only.name == "Sick"
    assert only.auroc.value == pytest.approx(roc_auc_score(rows["label"] == "Sick", rows["p_Sick"]))
    write_report(tmp_path / "run")


@pytest.mark.slow
def test_without_labels_an_audit_says_how_stable_readings_are(inputs, tmp_path):
    made = with_table(inputs, tmp_path / "images", lambda frame: frame.assign(label=""))
    made = replace(made, images=replace(made.images, table=replace(
        made.images.table, classes=inputs.images.classes)))
    result = run_audit(make_plan(attacks=ATTACKS[:1], gallery=0), made, tmp_path / "run")
    assert result.labels == "own readings"
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    clean = table[(table["attack"] == "clean") & (table["defence"] == "none")].set_index("image_id")["predicted"]
    assert result.cell("clean", 0.0, "none").performance.accuracy.value == 1.0
    attacked = table[(table["attack"] == "pgd") & (table["defence"] == "none")
                     & (table["knowledge"] == "oblivious")].set_index("image_id")["predicted"]
    expected = (attacked == clean.loc[attacked.index]).mean()
    assert result.cell("pgd", 4 / 255, "none").performance.accuracy.value == pytest.approx(expected)


@pytest.mark.slow
def test_a_goal_without_images_and_labels_of_another_kind_are_one_sentence(inputs, multilabel):
    images, plan = multilabel.images, make_plan(attacks=[{**ATTACKS[1], "label": "x"}])
    frame = images.table.frame.assign(**{"finding:Mass": "0"})
    nothing = replace(multilabel, images=replace(images, table=replace(images.table, frame=frame)))
    with pytest.raises(PlanError, match=r"goal hide Mass of attack 'x' makes sense for none of .* test images"):
        prepare_context(plan, nothing)
    with pytest.raises(ModelError, match="reads several findings an image, and the labels name one class an image"):
        prepare_context(make_plan(), replace(inputs, classifiers=multilabel.classifiers))


@pytest.mark.slow
@pytest.mark.parametrize("attack", [{}, {"surrogate": "other", "knowledge": ["transfer"]}])
def test_a_goal_is_checked_against_every_model_that_is_attacked(inputs, tmp_path, attack):
    def two_classes(frame):
        return frame.assign(label=frame["label"].where(frame["label"] == "Normal", "Sick"))

    made = with_table(inputs, tmp_path / "images", two_classes)
    second = TorchClassifier(tiny_classifier(("Normal", "Sick"), SIZE, seed=5).module, tiny_classifier(
        ("Normal", "Sick"), SIZE).card)
    mixed = replace(made, classifiers={"victim": as_task(("Normal", "Sick"), "binary"), "other": second})
    hide = {"label": "hide", "name": "pgd", "options": {"goal": "hide"}, **attack}
    with pytest.raises(PlanError, match="attack 'hide' is made on model 'tiny' too: the goal hide of a multiclass"):
        prepare_context(make_plan(attacks=[hide]), mixed)
    prepare_context(make_plan(attacks=[{**hide, "options": {"goal": "hide Sick"}}]), mixed)
