"""Attacks of an audit that learn from images of other patients: where these come from, and the same bytes always."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_audit import SIZE, make_plan, stop_after, with_models

from radversary.attacks.base import Batch
from radversary.attacks.universal.uap import UniversalPerturbation
from radversary.auditing import examples as examples_file
from radversary.auditing import setup as setup_file
from radversary.auditing.examples import example_rows, examples_of
from radversary.auditing.run import run_audit
from radversary.auditing.setup import prepare_context
from radversary.auditing.units import work_units
from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import PlanError
from radversary.data.prepared import PreparedImages
from radversary.data.table import ImageTable
from radversary.study.placing import SavedInputs
from random_parts import tiny_classifier

TABLES = ("predictions.parquet", "detections.parquet", "outcomes.parquet")
UAP = {"label": "universal", "name": "uap", "strengths": [8 / 255, 0.1], "options": {"epochs": 3, "examples": 12}}
FREE = {"label": "free", "name": "uap-data-free", "strengths": [8 / 255], "options": {"steps": 3}}
PATCH = {"label": "patch", "name": "patch", "strengths": [1.0], "options": {"epochs": 2, "where": "inside"}}
FLOOR = {"label": "floor", "name": "equal-noise", "strengths": [8 / 255],
         "options": {"like": {"name": "uap", "options": UAP["options"]}}}
LEARNING = {"gallery": 0, "defences": [{"label": "jpeg", "transforms": [{"name": "jpeg"}]}],
            "attacks": [UAP, FREE, PATCH, FLOOR]}


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in TABLES]


def with_parts(inputs, change):
    """The same images, divided otherwise: ``change`` takes the parts, one an image, and returns others."""
    images = inputs.images
    frame = images.table.frame.assign(split=change(images.table.frame["split"].to_numpy(copy=True)))
    divided = PreparedImages(images.folder, ImageTable(frame, images.classes), images.images, images.rule,
                             images.left_out, "0" * 64)
    return replace(inputs, images=divided)


@pytest.fixture
def forgetful():
    examples_file._KEPT.clear()


@pytest.fixture(scope="module")
def alone(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    run_audit(make_plan(**LEARNING), inputs, folder)
    return folder


@pytest.mark.slow
def test_a_whole_audit_applies_what_was_learnt_on_others(inputs, alone, forgetful):
    predictions = pd.read_parquet(alone / "outcomes.parquet")
    assert set(predictions["attack"]) >= {"universal", "free", "patch", "floor"}
    context = prepare_context(make_plan(**LEARNING), inputs)
    unit = next(unit for unit in work_units(context, setup_file.test_rows(context.plan, inputs.images))
                if unit.label == "universal" and "none" in unit.defences)
    images, rows = inputs.images, np.array(unit.examples)
    assert set(images.table.frame["split"].iloc[rows]) == {"train"}
    batch = Batch(images.tensor(rows), images.labels[rows], tuple(images.image_ids[row] for row in rows),
                  images.depths(rows))
    own = unit.attack.learnt(unit.aim.target, batch, unit.strengths, seed=context.plan.seed, step="universal")
    known = examples_file.taught_unit(context, unit, unit.attack, unit.aim.target)
    assert all(torch.equal(own.held[strength], known.held[strength]) for strength in unit.strengths)


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [4, 10])
def test_stopped_and_started_again_it_ends_with_the_same_bytes(inputs, alone, tmp_path, monkeypatch, forgetful, pieces):
    with monkeypatch.context() as patch:
        stop_after(patch, pieces)
        with pytest.raises(KeyboardInterrupt):
            run_audit(make_plan(**LEARNING), inputs, tmp_path)
    examples_file._KEPT.clear()
    run_audit(make_plan(**LEARNING), inputs, tmp_path)
    assert tables(tmp_path) == tables(alone)


@pytest.mark.slow
def test_another_batch_size_gives_the_same_figures_of_each_image(inputs, alone, tmp_path, forgetful):
    run_audit(make_plan(**LEARNING, batch_size=3), inputs, tmp_path)
    first, second = (pd.read_parquet(folder / "outcomes.parquet") for folder in (alone, tmp_path))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.slow
def test_learning_is_done_once_a_unit(inputs, tmp_path, monkeypatch, forgetful):
    calls, real = [], UniversalPerturbation.learn

    def counted(self, *given, **options):
        calls.append(self.epsilon)
        return real(self, *given, **options)

    monkeypatch.setattr(UniversalPerturbation, "learn", counted)
    plan = make_plan(**{**LEARNING, "attacks": [{**UAP, "knowledge": ["adaptive"]}], "gallery": 1})
    run_audit(plan, inputs, tmp_path)
    assert sorted(calls) == sorted([8 / 255, 0.1] * 2)  # the victim, and the same behind JPEG


@pytest.mark.slow
def test_two_workers_give_the_bytes_of_one(inputs, tmp_path, forgetful):
    victim = wrap(build_network("small-cnn", classes=3, seed=1), classes=inputs.images.classes, size=SIZE,
                  architecture="small-cnn")
    victim = save_classifier(victim, tmp_path / "victim")
    rebuild = SavedInputs({"victim": tmp_path / "victim"}, {}, inputs.images.folder, inputs.report, "cpu")
    saved = replace(inputs, classifiers={"victim": victim}, rebuild=rebuild)
    plan = make_plan(**{**LEARNING, "attacks": [{**UAP, "options": {"epochs": 1, "examples": 6}}, FREE]})
    run_audit(plan, saved, tmp_path / "one")
    run_audit(plan, saved, tmp_path / "two", workers=2)
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


def keys_of(plan, inputs):
    units = work_units(prepare_context(plan, inputs), setup_file.test_rows(plan, inputs.images))
    return {(unit.label, unit.defences): unit.key for unit in units}


@pytest.mark.slow
def test_the_key_of_a_unit_is_that_of_its_examples(inputs):
    plan = make_plan(**LEARNING)

    def without_one(parts):
        parts[example_rows(plan.attacks[0].build(), "u", inputs.images, inputs.classifiers["victim"], seed=42)[0]] = ""
        return np.where(parts == "", "validation", parts)

    before, after = keys_of(plan, inputs), keys_of(plan, with_parts(inputs, without_one))
    changed = {label for label, defences in before if before[label, defences] != after[label, defences]}
    assert changed >= {"universal", "floor"}
    assert not changed & {"clean", "identity", "free"}


@pytest.mark.slow
def test_examples_are_taken_from_training_then_from_validation_and_never_from_patients_who_are_tested(inputs):
    victim, images = inputs.classifiers["victim"], inputs.images
    parts = images.table.frame["split"].to_numpy()
    attack = UniversalPerturbation(examples=10**4)
    rows = np.array(example_rows(attack, "u", images, victim, seed=42))
    assert set(parts[rows]) == {"train", "validation"}
    assert len(rows) == (parts != "test").sum()
    few = np.array(example_rows(replace(attack, examples=5), "u", images, victim, seed=42))
    assert (len(few), set(parts[few])) == (5, {"train"})
    assert set(few) <= set(rows)
    hiding = UniversalPerturbation(goal=f"hide {images.classes[1]}")
    assert set(images.labels[list(example_rows(hiding, "u", images, victim, seed=42))].tolist()) == {1}
    tested = images.patients[images.rows("test")[0]]
    leaking = with_parts(inputs, lambda own: np.where(np.arange(len(own)) == rows[0], "train", own)).images
    leaking.__dict__["patients"] = [tested if row == rows[0] else name for row, name in enumerate(images.patients)]
    assert rows[0] not in example_rows(attack, "u", leaking, victim, seed=42)


@pytest.mark.parametrize("attack", [UAP, pytest.param(PATCH, marks=pytest.mark.slow),
                                    pytest.param(FLOOR, marks=pytest.mark.slow)], ids=lambda attack: attack["label"])
def test_where_all_images_are_test_images_it_is_refused_before_anything_runs(inputs, tmp_path, attack):
    tested = with_parts(inputs, lambda parts: np.full_like(parts, "test"))
    with pytest.raises(PlanError, match=r"learns from images of other patients, and outside the test part the data has "
                                        r"none on which its goal untargeted makes sense: give a training or validation "
                                        r"part, or use uap-data-free, which needs none"):
        run_audit(make_plan(**{**LEARNING, "attacks": [attack]}), tested, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert prepare_context(make_plan(**{**LEARNING, "attacks": [FREE]}), tested).attacks["free"].examples == ()


@pytest.mark.slow
def test_a_validation_part_is_enough(inputs, tmp_path):
    divided = with_parts(inputs, lambda parts: np.where(parts == "train", "validation", parts))
    result = run_audit(make_plan(**{**LEARNING, "attacks": [UAP]}), divided, tmp_path)
    assert {cell.condition.attack for cell in result.cells} >= {"universal"}


@pytest.mark.slow
def test_without_labels_the_victims_readings_of_the_examples_stand_for_them(inputs):
    images, victim = inputs.images, inputs.classifiers["victim"]
    unlabelled = PreparedImages(images.folder, ImageTable(images.table.frame.assign(label=""), images.classes),
                                images.images, images.rule, (), "0" * 64)
    assert not unlabelled.table.labelled
    rows = example_rows(UniversalPerturbation(examples=7), "u", unlabelled, victim, seed=42)
    found = examples_of(unlabelled, victim, rows)
    assert len(rows) == 7
    assert torch.equal(found.labels, victim.predict(unlabelled.tensor(np.array(rows))))
    assert examples_of(unlabelled, victim, ()) is None


@pytest.mark.slow
def test_another_victim_learns_anew(inputs, forgetful):
    plan = make_plan(**{**LEARNING, "attacks": [UAP]})
    other = with_models(inputs, victim=tiny_classifier(inputs.images.classes, SIZE, seed=9))
    first, second = keys_of(plan, inputs), keys_of(plan, other)
    assert not set(first.values()) & set(second.values())
