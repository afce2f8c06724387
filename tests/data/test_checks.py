from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageEnhance
from sklearn.metrics import balanced_accuracy_score

from radversary.data import duplicates
from radversary.data.balancing import rotate_before_split
from radversary.data.checks import DataReport, check_data
from radversary.data.confounds import balanced_accuracy, floors
from radversary.data.duplicates import find_duplicates, local_contrast, perceptual_hash
from radversary.data.nih import NihChestXray14
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.splits import split_by_image, split_by_patient
from radversary.data.table import ImageTable


@pytest.fixture
def sound(make_table, tmp_path) -> PreparedImages:
    return prepare_images(split_by_patient(make_table(patients=10)), size=48, folder=tmp_path / "sound")


def prepared_of(table: ImageTable, folder, **columns) -> PreparedImages:
    return prepare_images(ImageTable(table.frame.assign(**columns), table.classes), size=48, folder=folder)


@pytest.mark.slow
def test_sound_data_has_no_errors_and_no_confounds(sound, tmp_path) -> None:
    report = check_data(sound)
    assert report.errors == ()
    assert report.duplicates == ()
    assert report.patients == {"train": 18, "validation": 6, "test": 6}
    assert report.counts["class"]["test"] == {"Normal": 4, "Pneumonia": 4, "Pneumothorax": 4}
    assert report.counts["view"]["train"] == {"PA": 36}
    assert report.counts["age"]["train"] == {"40-59": 36}
    assert report.floors["chance"] == pytest.approx(1 / 3)
    assert report.floors["metadata"] == pytest.approx(1 / 3)
    assert [warning for warning in report.warnings if "tells the classes apart" in warning] == []
    assert any("only 4 test" in w or "only 4 images of class Normal" in w for w in report.warnings)
    assert DataReport.load(report.save(tmp_path / "r" / "check.json")) == report


@pytest.mark.slow
def test_a_patient_in_two_parts_is_an_error(make_table, tmp_path) -> None:
    table = split_by_image(make_table(patients=10))
    report = check_data(prepared_of(table, tmp_path / "p"))
    spread = table.frame.groupby("patient_id")["split"].nunique()
    assert set(report.shared_patients) == set(spread[spread > 1].index)
    assert f"{len(report.shared_patients)} patients are in more than one part" in report.errors[0]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["copied", "jpeg", "brighter", 5, -7, 10, 90, 180, 270])
def test_a_film_in_two_parts_is_found_whatever_was_done_to_it(sound, tmp_path, how) -> None:
    frame = sound.table.frame
    one, other = (frame[frame["split"] == part].iloc[0] for part in ("train", "test"))
    film = Image.open(one["path"])
    if how == "brighter":
        film = ImageEnhance.Brightness(film).enhance(0.8)
    elif isinstance(how, int):
        film = film.rotate(how, resample=Image.Resampling.BILINEAR)
    film.save(other["path"], format="JPEG" if how == "jpeg" else "PNG", **({"quality": 80} if how == "jpeg" else {}))
    found = find_duplicates(prepare_images(sound.table, size=48, folder=tmp_path / "again"))
    assert [{pair.first, pair.second} for pair in found] == [{one["image_id"], other["image_id"]}]
    assert set(found[0].parts) == {"train", "test"}


@pytest.mark.slow
def test_sentences_name_no_patient_no_film_and_no_file(make_table, tmp_path) -> None:
    leaky = split_by_image(rotate_before_split(make_table(patients=10, each=1), per_class=20))
    Path(leaky.frame["path"].iloc[-1]).write_text("no film")
    prepared = prepared_of(leaky, tmp_path / "p")
    report = check_data(prepared)
    assert len(report.errors) == 2
    assert prepared.left_out
    assert report.shared_patients
    sentences = " ".join((*report.errors, *report.warnings))
    for secret in (*prepared.patients, *prepared.image_ids, str(tmp_path)):
        assert secret not in sentences


@pytest.mark.slow
def test_films_without_contrast_match_only_their_exact_copies(sound, tmp_path) -> None:
    for row, level in ((0, 0), (20, 1), (59, 1)):
        Image.new("L", (48, 48), level).save(sound.table.frame["path"][row])
    parts = sound.table.frame["split"].to_numpy()
    parts[[0, 20, 59]] = ["train", "validation", "test"]
    found = find_duplicates(prepared_of(sound.table, tmp_path / "again", split=parts))
    assert [{pair.first, pair.second} for pair in found] == [set(sound.table.frame["image_id"].iloc[[20, 59]])]


@pytest.mark.slow
def test_copies_turned_before_the_split_are_caught(make_table, tmp_path) -> None:
    leaky = split_by_image(rotate_before_split(make_table(patients=10, each=1), per_class=20))
    report = check_data(prepared_of(leaky, tmp_path / "p"))
    assert len(report.errors) == 2
    assert "show the same film" in report.errors[1]
    by_film = leaky.frame.assign(film=leaky.frame["image_id"].str.split("@").str[0]).groupby("film")["split"].nunique()
    assert report.duplicate_pairs == (by_film > 1).sum()


@pytest.mark.slow
def test_films_are_compared_in_blocks_and_the_same_pairs_are_found(make_table, tmp_path, monkeypatch) -> None:
    leaky = split_by_image(rotate_before_split(make_table(patients=10, each=1), per_class=20))
    prepared = prepare_images(leaky, size=48, folder=tmp_path / "p")
    whole, asked, given = find_duplicates(prepared), [], []
    tensor, near = PreparedImages.tensor, duplicates._near
    monkeypatch.setattr(PreparedImages, "tensor", lambda self, rows: asked.append(len(rows)) or tensor(self, rows))
    monkeypatch.setattr(duplicates, "_near", lambda *codes: (given.append(len(part)) or part for part in near(*codes)))
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    monkeypatch.setattr(duplicates, "_PAIRS", 5)
    found = find_duplicates(prepared)
    assert len(whole) > 5
    assert [pair.model_dump(exclude={"correlation"}) for pair in found] == [
        pair.model_dump(exclude={"correlation"}) for pair in whole]
    assert [pair.correlation for pair in found] == pytest.approx([pair.correlation for pair in whole], abs=1e-4)
    assert max(asked) == 7
    assert max(given) == 5


@pytest.mark.slow
def test_real_strangers_are_not_taken_for_each_other_and_turned_films_are_found(cxr, tmp_path) -> None:
    table = NihChestXray14(root=cxr, limit_per_class=60).table(tmp_path)
    strangers = prepare_images(split_by_patient(table), size=128, folder=tmp_path / "a")
    assert find_duplicates(strangers) == ()
    frame = strangers.table.frame
    chosen = frame[frame["split"] == "test"]
    copies = chosen.assign(image_id=chosen["image_id"] + "@6", rotation=6.0, split="train")
    both = ImageTable(pd.concat([frame, copies]), table.classes)
    found = find_duplicates(prepare_images(both, size=128, folder=tmp_path / "b"))
    assert {pair.first.removesuffix("@6") for pair in found} == set(chosen["image_id"])
    assert len(found) == len(chosen)


def test_hash_and_contrast_do_not_see_exposure() -> None:
    film = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    darker = film * 0.5 + 0.1
    np.testing.assert_array_equal(perceptual_hash(film), perceptual_hash(darker))
    np.testing.assert_allclose(local_contrast(film), local_contrast(darker), atol=1e-5)
    contrast = local_contrast(film)
    np.testing.assert_allclose(contrast @ contrast.T, np.corrcoef(contrast), atol=1e-5)
    assert (local_contrast(torch.zeros(1, 1, 64, 64)) == 0).all()


@pytest.mark.slow
def test_a_confound_is_named_with_its_figure(sound, tmp_path) -> None:
    view = np.where(sound.table.frame["label"] == "Normal", "PA", "AP")
    report = check_data(prepared_of(sound.table, tmp_path / "p", view=view))
    assert report.floors["view"] == pytest.approx(2 / 3)
    assert report.floors["metadata"] == pytest.approx(2 / 3)
    sentence = next(warning for warning in report.warnings if "without looking at them" in warning)
    assert "66.7 %" in sentence
    assert "view alone reaches 66.7 %" in sentence
    assert "chance is 33.3 %" in sentence


@pytest.mark.slow
def test_brightness_is_a_confound_too(sound, tmp_path) -> None:
    for path, label in zip(sound.table.frame["path"], sound.table.labels, strict=True):
        Image.fromarray((np.asarray(Image.open(path)) // 2 + 60 * label).astype(np.uint8)).save(path)
    report = check_data(prepare_images(sound.table, size=48, folder=tmp_path / "p"))
    assert report.floors["brightness"] > 0.9
    assert any(warning.startswith("mean brightness alone") for warning in report.warnings)


def test_balanced_accuracy_equals_scikit_learn_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    predictions = np.where(rng.random(400) < 0.6, labels, rng.integers(0, 3, 400))
    patients = rng.integers(0, 150, 400)
    estimate = balanced_accuracy(labels, predictions, patients)
    assert estimate.value == pytest.approx(balanced_accuracy_score(labels, predictions))
    error = np.sqrt(0.733 * 0.267 / 400)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low == pytest.approx(3.92 * error, rel=0.25)
    names = np.array([f"patient {number}" for number in patients])
    order = rng.permutation(400)
    again = balanced_accuracy(labels[order], predictions[order], names[order])
    assert again.value == pytest.approx(estimate.value)
    # Whole patients are drawn: doubling every film of a patient narrows nothing.
    twice = balanced_accuracy(*(np.tile(column, 2) for column in (labels, predictions, patients)))
    assert (twice.low, twice.high) == pytest.approx((estimate.low, estimate.high))


@pytest.mark.parametrize(("right", "value"), [(20, 1.0), (0, 0.0)])
def test_an_interval_never_has_zero_width(right, value) -> None:
    labels, patients = np.arange(20) % 2, np.arange(20).astype(str)
    estimate = balanced_accuracy(labels, np.where(np.arange(20) < right, labels, 1 - labels), patients)
    edge = 0.025 ** (1 / 20)  # Clopper and Pearson's closed form where all are right
    expected = (edge, 1.0) if right else (0.0, 1 - edge)
    assert estimate.value == value
    assert (estimate.low, estimate.high) == pytest.approx(expected)
    constant = balanced_accuracy(labels, np.zeros(20, dtype=int), patients)
    assert constant.low < constant.value == 0.5 < constant.high


@pytest.mark.slow
def test_what_is_unknown_is_said(make_table, tmp_path) -> None:
    table = make_table(patients=1)
    Image.new("L", (2, 2)).save(table.frame["path"][0])
    (tmp_path / "films" / "Normal" / "Normal_0_1.png").write_text("no film")
    prepared = prepared_of(table, tmp_path / "p", patient_id="")
    report = check_data(prepared)
    text = " ".join(report.warnings)
    assert "patients of some images are not known" in text
    assert "files and rows left out because they cannot be read or used: 1 (" in text
    assert "not (wholly) split" in text
    assert report.patients == {"all": 5}
    assert report.floors == {"chance": pytest.approx(1 / 3)}
    assert floors(prepared) == {}


@pytest.mark.slow
def test_an_absent_class_is_a_warning(sound, tmp_path) -> None:
    frame = sound.table.frame
    parts = np.where((frame["split"] == "test") & (frame["label"] == "Normal"), "train", frame["split"])
    warnings = check_data(prepared_of(sound.table, tmp_path / "p", split=parts)).warnings
    assert "the test part holds no image of class Normal" in warnings


@pytest.mark.slow
def test_all_real_films_in_seconds_and_the_figures_of_the_docs(cxr, tmp_path) -> None:
    table = NihChestXray14(root=cxr).table(tmp_path)
    prepared = prepare_images(split_by_patient(table), size=224, folder=tmp_path / "honest")
    start = time.perf_counter()
    report = check_data(prepared)
    assert time.perf_counter() - start < 30
    assert report.errors == ()
    stated = {"metadata": 0.740, "source": 0.667, "brightness": 0.509, "thumbnail": 0.599}
    assert {name: report.floors[name] for name in stated} == pytest.approx(stated, abs=0.01)
    leaky = prepare_images(split_by_image(rotate_before_split(table)), size=224, folder=tmp_path / "leaky")
    report = check_data(leaky)
    assert (len(report.shared_patients), report.duplicate_pairs) == (135, 434)
