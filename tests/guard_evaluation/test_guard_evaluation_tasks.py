"""Evaluations of guards of models that read findings, with goals, and of images without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_audit import SIZE
from tiny_guard_evaluation import NOISE, Rough, make_images, make_plan

from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError, PlanError
from radversary.core.types import UNKNOWN, Task
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.table import ImageTable
from radversary.guard_evaluation.families.run import leave_one_family_out
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.guard_evaluation.run import evaluate_guard
from radversary.imaging.reencoding import STORED
from radversary.report.guard.page import write_guard_evaluation
from radversary.screening.guard import Guard
from random_parts import tiny_classifier
from tiny_learned import OneEpoch

pytestmark = pytest.mark.slow

NAMES = ("Effusion", "Mass", "Nodule")
HIDE = {"label": "hide", "name": "pgd", "strengths": [40 / 255], "options": {"steps": 3, "goal": "hide Mass"}}
AWARE = {"label": "aware", "name": "evasive-pgd", "strengths": [20 / 255],
         "options": {"steps": 2, "goal": "invent Nodule keep"}}


def under(images: PreparedImages, folder: Path, change) -> PreparedImages:
    """The same films under other labels."""
    frame = change(images.table.frame.copy())
    return prepare_images(ImageTable(frame, classes=() if "label" not in frame or frame["label"].any()
                                     else images.classes), size=SIZE, folder=folder)


def findings_at_random(frame: pd.DataFrame) -> pd.DataFrame:
    drawn = np.random.default_rng(5).choice(["1", "0", "0", ""], (len(frame), len(NAMES)))
    return frame.drop(columns="label").assign(**{f"finding:{name}": drawn[:, place]
                                                 for place, name in enumerate(NAMES)})


def guard_of(images: PreparedImages, task: str, classes=NAMES, **card) -> Guard:
    tiny = tiny_classifier(classes, SIZE)
    victim = TorchClassifier(tiny.module, tiny.card.model_copy(update={"task": Task(task), **card}))
    rows = images.rows("train")
    return Guard(classifier=victim, detectors={"rough": Rough()}).calibrate(
        images.tensor(rows), [images.patients[row] for row in rows], alpha=0.2)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> PreparedImages:
    return make_images(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def images(plain, tmp_path_factory) -> PreparedImages:
    return under(plain, tmp_path_factory.mktemp("findings"), findings_at_random)


@pytest.fixture(scope="module")
def evaluated(images, tmp_path_factory) -> tuple[GuardEvaluationResult, pd.DataFrame, Guard, Path]:
    out, guard = tmp_path_factory.mktemp("run"), guard_of(images, "multilabel", thresholds=(0.3, 0.5, 0.6))
    result = evaluate_guard(make_plan(attacks=[NOISE, HIDE, AWARE]), guard, images, out)
    return result, pd.read_parquet(out / "scores.parquet"), guard, out


def test_images_on_which_a_goal_makes_no_sense_are_not_attacked(evaluated, images):
    result, table, _, _ = evaluated
    rows = images.rows("test")
    labels = images.labels[rows]
    there, absent = int((labels[:, 1] == 1).sum()), int((labels[:, 2] == 0).sum())
    assert 0 < there < len(rows)
    assert {row.condition.attack: row.alarms.n for row in result.rows if row.condition.attack != "noise"} == {
        "hide": there, "aware": absent}
    assert set(table[table["attack"] == "hide"]["image_id"]) == {
        images.image_ids[row] for row, label in zip(rows, labels, strict=True) if label[1] == 1}
    assert result.outcomes[-1].condition.goal == "invent Nodule keep"


def test_right_is_that_no_known_finding_is_read_wrongly(evaluated, images):
    _, table, guard, _ = evaluated
    stored = table[table["attack"] == STORED].set_index("image_id")
    rows = images.rows("test")
    decided = guard.classifier.predict(images.tensor(rows)).numpy()
    labels = images.labels[rows].numpy()
    wrong = ((decided != labels) & (labels != UNKNOWN)).any(1)
    found = stored.loc[[images.image_ids[row] for row in rows]]
    assert found["predicted"].tolist() == ["|".join(np.array(NAMES)[one == 1]) or "no finding" for one in decided]
    assert found["right"].tolist() == (~wrong).tolist()
    assert 0 < wrong.sum() < len(rows)


def test_outcomes_and_success_follow_from_the_readings(evaluated):
    result, table, _, _ = evaluated
    (row,) = [row for row in result.rows if row.condition.attack == "hide"]
    own = table[table["attack"] == "hide"]
    clean = table[table["kind"] == "clean"].set_index("image_id")["predicted"]
    flipped = own["predicted"].to_numpy() != clean.loc[own["image_id"]].to_numpy()
    assert row.flipped.value == pytest.approx(flipped.mean())
    assert row.outcome.wrong_accepted.value == pytest.approx((~own["right"] & ~own["alarm"]).mean())
    assert row.undetected_success_rate.value == pytest.approx((flipped & ~own["alarm"]).mean())
    assert flipped.any()


def test_its_page_is_written(evaluated):
    _, _, _, out = evaluated
    page = write_guard_evaluation(out).read_text()
    assert "hide" in page
    assert "<html" in page.lower()


def test_images_without_labels_are_compared_with_what_the_model_reads(plain, tmp_path):
    bare = under(plain, tmp_path / "bare", lambda frame: frame.assign(label=""))
    guard = guard_of(bare, "multiclass", plain.classes)
    evaluate_guard(make_plan(attacks=[NOISE], gallery=0), guard, bare, tmp_path / "run")
    table = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    rows = bare.rows("test")
    said = [plain.classes[one] for one in guard.classifier.predict(bare.tensor(rows)).tolist()]
    read = dict(zip([bare.image_ids[row] for row in rows], said, strict=True))
    assert (table["label"] == table["image_id"].map(read)).all()


def test_a_goal_that_makes_sense_nowhere_and_labels_of_another_task_are_refused(images, plain, tmp_path):
    guard = guard_of(images, "multilabel", (*NAMES,))
    nothing = under(images, tmp_path / "none", lambda frame: frame.assign(**{"finding:Mass": "0"}))
    with pytest.raises(PlanError, match="hide Mass of attack 'hide' makes sense for none of"):
        evaluate_guard(make_plan(attacks=[HIDE]), guard, nothing, tmp_path / "run")
    with pytest.raises(ModelError, match="reads several findings an image, and the labels name one class"):
        evaluate_guard(make_plan(attacks=[NOISE]), guard_of(plain, "multilabel", plain.classes), plain, tmp_path)


def test_the_learned_detector_is_taught_with_goals(images, tmp_path):
    victim = guard_of(images, "multilabel").classifier
    result = leave_one_family_out(make_plan(attacks=[{**NOISE, "strengths": [0.2]}, HIDE]), victim, images, tmp_path,
                                  train_images=24, detector=OneEpoch())
    there = int((images.labels[torch.from_numpy(images.rows("train"))][:, 1] == 1).sum())
    assert 0 < result.taught_attacked["gradient"] < min(there + 1, result.taught_clean)
    assert len(result.rows) == 2


def test_an_image_of_which_nothing_is_known_is_neither_right_nor_without_finding(plain, tmp_path):
    rows = plain.rows("test")
    known = [plain.image_ids[row] for row in rows[::3]]

    def few(frame: pd.DataFrame) -> pd.DataFrame:
        cells = frame["image_id"].isin(known) | (frame["split"] != "test")
        return frame.drop(columns="label").assign(**{f"finding:{name}": cells.map({True: "0", False: ""})
                                                     for name in NAMES})

    images = under(plain, tmp_path / "few", few)
    result = evaluate_guard(make_plan(attacks=[NOISE], gallery=0), guard_of(images, "multilabel"), images,
                            tmp_path / "run")
    table = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert set(table.loc[table["known"], "image_id"]) == set(known) < set(table["image_id"])
    assert set(table.loc[~table["known"], "label"]) == {""}
    for row in result.harmless:
        assert row.outcome.correct_accepted.n == len(known)
        own = table[(table["attack"] == row.name) & table["known"]]
        assert row.outcome.correct_accepted.value == pytest.approx((own["right"] & ~own["alarm"]).mean())
