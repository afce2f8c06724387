from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn import metrics
from tiny_audit import STYLE, files_in, make_plan, with_models
from torch import nn

from radversary.auditing.plan import AuditPlan
from radversary.auditing.result import AuditResult
from radversary.auditing.run import run_audit
from radversary.classifiers.base import Classifier
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import AccessError, DataError, ModelError
from radversary.core.types import Access
from radversary.report.html import load_results, write_report
from radversary.report.run_folder import RunFolder
from radversary.storage.checksums import sha256_file
from radversary.storage.plans import read_plan
from random_parts import tiny_classifier

CONDITIONS = [("clean", 0.0), ("identity", 0.0), ("style", 0.3), ("style", 1.0), ("noise", 0.1)]
DEFENCES = ["none", "jpeg", "other"]


@pytest.fixture(scope="session")
def predictions(finished) -> pd.DataFrame:
    return pd.read_parquet(finished[1] / "predictions.parquet")


def part(frame, attack, strength, defence):
    return frame[(frame["attack"] == attack) & (frame["strength"] == strength) & (frame["defence"] == defence)]


@pytest.mark.slow
def test_one_row_an_image_condition_and_defence(inputs, predictions):
    ids = np.array(inputs.images.image_ids)[inputs.images.rows("test")].tolist()
    own = ["image_id", "attack", "strength", "knowledge", "patient_id", "defence", "label", "predicted"]
    assert list(predictions.columns) == [*own, *(f"p_{name}" for name in inputs.images.classes)]
    assert len(predictions) == len(ids) * len(CONDITIONS) * len(DEFENCES)
    for attack, strength in CONDITIONS:
        for defence in DEFENCES:
            assert part(predictions, attack, strength, defence)["image_id"].tolist() == ids
    assert not predictions.duplicated(["image_id", "attack", "strength", "defence"]).any()


@pytest.mark.slow
def test_probabilities_sum_to_one_and_their_largest_is_the_prediction(inputs, predictions):
    columns = [f"p_{name}" for name in inputs.images.classes]
    np.testing.assert_allclose(predictions[columns].sum(axis=1), 1, atol=1e-5)
    assert (predictions[columns].idxmax(axis=1).str.removeprefix("p_") == predictions["predicted"]).all()


@pytest.mark.slow
def test_the_identity_attack_changes_nothing_behind_any_defence(predictions):
    columns = [name for name in predictions if name.startswith("p_")]
    for defence in DEFENCES:
        clean, identity = part(predictions, "clean", 0.0, defence), part(predictions, "identity", 0.0, defence)
        assert np.array_equal(clean[columns].to_numpy(), identity[columns].to_numpy())


@pytest.mark.slow
def test_attacks_and_defences_do_something(predictions):
    columns = [name for name in predictions if name.startswith("p_")]
    clean = part(predictions, "clean", 0.0, "none")[columns].to_numpy()
    for condition in (("style", 1.0, "none"), ("noise", 0.1, "none"), ("clean", 0.0, "jpeg"), ("clean", 0.0, "other")):
        assert np.abs(part(predictions, *condition)[columns].to_numpy() - clean).max() > 1e-4


@pytest.mark.slow
def test_figures_equal_scikit_learn_on_the_table(finished, predictions, inputs):
    classes = list(inputs.images.classes)
    for cell in finished[0].cells:
        rows = part(predictions, cell.condition.attack, cell.condition.strength, cell.defence)
        true, said = rows["label"], rows["predicted"]
        report = metrics.classification_report(true, said, labels=classes, output_dict=True, zero_division=0)
        found = cell.performance
        assert found.accuracy.value == pytest.approx(metrics.accuracy_score(true, said))
        assert found.accuracy.n == len(rows)
        assert found.f1.value == pytest.approx(report["macro avg"]["f1-score"])
        assert [item.recall.value for item in found.classes] == pytest.approx([report[c]["recall"] for c in classes])
        assert np.array_equal(found.confusion, metrics.confusion_matrix(true, said, labels=classes))
        area = metrics.roc_auc_score(true, rows[[f"p_{c}" for c in classes]].to_numpy(dtype=float), multi_class="ovr",
                                     labels=classes)
        assert found.auroc.value == pytest.approx(area)
        assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high


@pytest.mark.slow
def test_pairs_are_counted_from_the_same_images(finished, predictions):
    result = finished[0]
    right = {key: (rows["label"] == rows["predicted"]).to_numpy()
             for key, rows in ((key, part(predictions, *key)) for key in
                               [("clean", 0.0, "none"), ("style", 1.0, "none"), ("style", 1.0, "jpeg")])}
    clean, attacked, defended = right.values()
    cell = result.cell("style", 1.0, "none")
    assert (cell.against_clean.lost, cell.against_clean.won) == ((clean & ~attacked).sum(), (~clean & attacked).sum())
    assert cell.success.value == pytest.approx((~attacked)[clean].mean())
    assert cell.against_none is None
    against = result.cell("style", 1.0, "jpeg").against_none
    assert against.difference.value == pytest.approx(defended.mean() - attacked.mean())
    assert result.cell("clean", 0.0, "none").success is None
    with pytest.raises(KeyError):
        result.cell("style", 0.5, "none")


@pytest.mark.slow
def test_the_identity_is_as_unsuspicious_as_clean_images(finished):
    entries = [found for found in finished[0].detections if found.condition.attack == "identity"]
    assert {found.detector for found in entries} >= {"edges", "ssim", "spectrum"}
    for found in entries:
        # Clean and identity images draw their harmless re-encodings apart, so this could fail if saving left traces.
        assert found.auroc is None or found.auroc.low <= 0.5 <= found.auroc.high
        assert found.alarms.low <= found.false_alarms.high
        assert found.false_alarms.low <= found.alarms.high


@pytest.mark.slow
def test_detection_figures_equal_scikit_learn_on_the_table(finished):
    result, folder = finished
    scores = pd.read_parquet(folder / "detections.parquet")
    clean, noisy = (scores[scores["attack"] == attack]["ssim"] for attack in ("clean", "noise"))
    found = next(item for item in result.detections
                 if (item.condition.attack, item.detector) == ("noise", "ssim"))
    truth = np.repeat([0, 1], [len(clean), len(noisy)])
    assert found.auroc.value == pytest.approx(metrics.roc_auc_score(truth, np.concatenate([clean, noisy])))
    assert found.alarms.value == pytest.approx((noisy > found.threshold).mean())


@pytest.mark.slow
def test_the_run_folder_holds_what_it_shall_and_no_path_of_this_machine(finished):
    result, folder = finished
    files = files_in(folder)
    assert {"plan.yaml", "environment.json", "predictions.parquet", "detections.parquet", "result.json"} <= set(files)
    assert not [name for name in files if name.startswith("work/") or "/." in name]
    assert AuditResult.load(folder / "result.json") == result
    assert read_plan(AuditPlan, folder / "plan.yaml") == make_plan()
    assert result.provenance["predictions sha256"] == sha256_file(folder / "predictions.parquet")
    assert str(folder) not in (folder / "result.json").read_text()
    assert json.loads((folder / "environment.json").read_text())["packages"]["torch"]


@pytest.mark.slow
def test_the_gallery_shows_images_of_the_run(finished, inputs, predictions):
    result, folder = finished
    assert len(result.gallery) == 2
    for image in result.gallery:
        for name in (image.original, image.attacked, image.difference, image.defended, image.evidence):
            assert Image.open(folder / name).size
        original = np.asarray(Image.open(folder / image.original))
        row = inputs.images.image_ids.index(image.image_id)
        assert np.array_equal(original, inputs.images.images[row, 0])
        read = part(predictions, image.condition.attack, image.condition.strength, "none").set_index("image_id")
        assert image.predictions["attacked"] == read.loc[image.image_id, "predicted"]
        assert set(image.predictions) == {"clean", "attacked", "jpeg", "other"}


@pytest.mark.slow
def test_neither_batch_size_nor_other_attacks_change_a_figure(inputs, predictions, tmp_path):
    run_audit(make_plan(batch_size=13, attacks=[STYLE], gallery=0), inputs, tmp_path)
    alone = pd.read_parquet(tmp_path / "predictions.parquet")
    shared = predictions[predictions["attack"] != "noise"].reset_index(drop=True)
    assert alone["predicted"].tolist() == shared["predicted"].tolist()
    columns = [name for name in shared if name.startswith("p_")]
    np.testing.assert_allclose(alone[columns], shared[columns], atol=1e-5)


@pytest.mark.slow
def test_a_limit_takes_whole_patients_first(inputs, tmp_path):
    result = run_audit(make_plan(limit=4, gallery=0, attacks=[{"label": "n", "name": "noise"}], defences=[]), inputs,
                       tmp_path)
    assert result.cells[0].performance.accuracy.n == 4
    assert any("limited the test to 4 of" in warning for warning in result.data.warnings)
    patients = pd.read_parquet(tmp_path / "predictions.parquet").drop_duplicates("image_id")["patient_id"]
    everyone = [inputs.images.patients[row] for row in inputs.images.rows("test")]
    assert sum(patients.value_counts()[name] < everyone.count(name) for name in patients.unique()) <= 1


@pytest.mark.slow
def test_too_few_validation_images_are_said_not_guessed(inputs, tmp_path):
    result = run_audit(make_plan(false_alarms=0.001, gallery=0, attacks=[{"label": "n", "name": "noise"}]), inputs,
                       tmp_path)
    assert result.detections == ()
    assert any("detection was not assessed" in warning for warning in result.data.warnings)


@pytest.mark.slow
def test_a_colour_attack_goes_through_everything(inputs, tmp_path):
    colour = {**STYLE, "options": {**STYLE["options"], "colour": "rgb"}, "strengths": [1.0]}
    result = run_audit(make_plan(attacks=[colour], gallery=1), inputs, tmp_path)
    assert Image.open(tmp_path / result.gallery[0].attacked).mode == "RGB"


@pytest.mark.slow
def test_a_perfect_and_a_hopeless_reading(inputs, tmp_path):
    """A model that always says one class: its recall is 1 there and 0 elsewhere."""
    constant = tiny_classifier(inputs.images.classes, 48)
    constant.module[2].weight.data.zero_()
    constant.module[2].bias.data[1] = 5
    result = run_audit(make_plan(gallery=0, defences=[], attacks=[{"label": "n", "name": "noise"}]),
                       with_models(inputs, victim=constant), tmp_path)
    recalls = [item.recall.value for item in result.cell("n", 0.05, "none").performance.classes]
    assert recalls == [0.0, 1.0, 0.0]


def parts_only(inputs, tmp_path, keep):
    """The same images with all other parts taken out of the split."""
    frame = inputs.images.table.frame
    table = inputs.images.table.with_split(frame["split"].where(frame["split"].isin(keep), "test" if keep else ""))
    return replace(inputs, images=replace(inputs.images, table=table, folder=tmp_path))


@pytest.mark.slow
def test_images_without_a_validation_part_are_audited_without_detection(inputs, tmp_path):
    plan = make_plan(gallery=0, defences=[], attacks=[{"label": "n", "name": "noise"}])
    result = run_audit(plan, parts_only(inputs, tmp_path, ["test"]), tmp_path / "run")
    assert result.cells[0].performance.accuracy.n == 60
    assert result.detections == ()
    assert set(result.data.counts) == {"test"}


def test_images_that_were_not_split_are_refused(inputs, tmp_path):
    with pytest.raises(DataError, match="no image is in the part 'test'; split the table first"):
        run_audit(make_plan(), parts_only(inputs, tmp_path, []), tmp_path / "run")
    assert files_in(tmp_path) == []


class Dice(nn.Module):
    """Answers the same image otherwise each time."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs):
        return self.inner(inputs) + torch.randn(len(inputs), 3)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "problem"), [
    (Dice, "differ|random"), (lambda inner: nn.Sequential(inner, nn.Softmax(1)), "softmax"),
    (lambda inner: nn.Sequential(inner, nn.Unflatten(1, (3, 1, 1))), r"\(N, 3\)|shape|\(.*3, 1, 1\)")])
@pytest.mark.parametrize("name", ["victim", "other"])
def test_a_model_that_answers_oddly_is_refused_before_anything_runs(inputs, tmp_path, name, change, problem):
    """A victim that draws at random was once audited, and the report blamed saving."""
    odd = inputs.classifiers["victim"]
    made = wrap(change(odd.module), classes=odd.card.classes, size=odd.card.size, name="odd")
    with pytest.raises(ModelError, match=problem) as refused:
        run_audit(make_plan(), with_models(inputs, **{name: made}), tmp_path / "run")
    assert "'odd'" in str(refused.value)
    assert not (tmp_path / "run").exists()


class LabelsOnly(Classifier):
    """A victim that says its decision and nothing else."""

    access = Access.LABELS

    def __init__(self, inner: Classifier) -> None:
        self.inner, self.card = inner, inner.card

    def fingerprint(self) -> str:
        return self.inner.fingerprint()

    def decide(self, images):
        return self.inner.decide(images)


@pytest.mark.slow
def test_a_victim_that_answers_with_labels_alone_is_audited_without_areas(inputs, finished, tmp_path):
    closed = LabelsOnly(inputs.classifiers["victim"])
    result = run_audit(make_plan(gallery=1), with_models(inputs, victim=closed), tmp_path)
    for cell in result.cells:
        open_one = next(other for other in finished[0].cells
                        if (other.condition, other.defence) == (cell.condition, cell.defence))
        assert cell.performance.confusion == open_one.performance.confusion
        assert (cell.performance.auroc is None) == (cell.defence != "other")
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert table.loc[table["defence"] == "none", "p_Normal"].isna().all()
    with pytest.raises(AccessError, match="needs gradients but model 'tiny' gives only labels"):
        run_audit(make_plan(attacks=[{"label": "f", "name": "fgsm"}]), with_models(inputs, victim=closed), tmp_path)


@pytest.mark.slow
def test_predictions_changed_by_hand_are_not_taken_for_the_run_s_own(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    for read in (write_report, lambda run: load_results([run]), RunFolder.open):
        read(folder)
    path = folder / "predictions.parquet"
    pd.read_parquet(path).assign(predicted="Normal").to_parquet(path, index=False)
    for read in (write_report, lambda run: load_results([run]), RunFolder.open):
        with pytest.raises(DataError, match=r"predictions\.parquet was changed after .* run the audit again"):
            read(folder)
    path.unlink()  # a result may be kept without its tables
    write_report(folder)


@pytest.mark.slow
@pytest.mark.parametrize("change", [
    lambda result: result.update(classes=result["classes"][:2]),
    lambda result: result["cells"][0]["performance"]["confusion"].pop(),
    lambda result: result["cells"][0]["performance"]["classes"][0].update(name="other"),
    lambda result: result["detections"][0]["curve"]["detections"].pop(),
    lambda result: result["detections"][0]["histogram"]["edges"].pop(),
    lambda result: result["cells"][0].update(defence=3),
    lambda result: result["cells"][0]["condition"].update(knowledge="x"),
    lambda result: result.update(seconds={"audit": "1"})])
def test_a_result_that_contradicts_itself_is_one_sentence(finished, tmp_path, change):
    result = json.loads((finished[1] / "result.json").read_text())
    change(result)
    (tmp_path / "result.json").write_text(json.dumps(result))
    with pytest.raises(DataError, match=r"result\.json is not an audit result, or is damaged: ") as refused:
        write_report(tmp_path)
    assert len(str(refused.value)) < 700
