"""Phantoms: what they are, what they depend on, and what they must not give away."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import check_images
from radversary.data.phantoms import CLASSES, Phantoms


@pytest.fixture(scope="module")
def many():
    phantoms = Phantoms(count=720, size=48, seed=7)
    batches = list(phantoms.generate(batch=100))
    records = [record for batch in batches for record in batch.records]
    return torch.cat([b.images for b in batches]), torch.cat([b.masks for b in batches]), records


@pytest.mark.slow
def test_images_keep_the_pixel_contract(many):
    images, masks, records = many
    assert images.shape == masks.shape == (720, 1, 48, 48)
    assert masks.dtype == torch.bool
    assert len(records) == len({record.image_id for record in records}) == 720
    check_images(images)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(size=st.integers(32, 97), seed=st.integers(-(2**31), 2**31), name=st.sampled_from(CLASSES))
def test_any_size_and_seed_gives_a_film(size, seed, name):
    batch = next(Phantoms(count=2, size=size, seed=seed, classes=(name,)).generate())
    check_images(batch.images)
    assert batch.images.shape[-2:] == (size, size)
    assert batch.images.std(dim=(1, 2, 3)).min() > 0.1
    assert bool(batch.masks.any()) == (name != "Normal")


@pytest.mark.slow
def test_a_film_depends_on_seed_patient_and_image_alone():
    few, more = Phantoms(count=9, size=40), Phantoms(count=60, size=40)
    at_once, one_by_one = next(few.generate(batch=9)), list(more.generate(batch=1))[:9]
    assert at_once.records == tuple(batch.records[0] for batch in one_by_one)
    assert torch.equal(at_once.images, torch.cat([batch.images for batch in one_by_one]))
    assert torch.equal(at_once.masks, torch.cat([batch.masks for batch in one_by_one]))


def test_films_can_be_painted_in_any_order():
    phantoms = Phantoms(count=6, size=40)
    records = list(phantoms.records())
    backwards = {record.image_id: phantoms.paint(record)[0] for record in reversed(records)}
    for record in records:
        np.testing.assert_array_equal(phantoms.paint(record)[0], backwards[record.image_id])


def test_another_seed_gives_other_films():
    first, second = (next(Phantoms(count=2, size=32, seed=seed).generate()) for seed in (1, 2))
    assert (first.images - second.images).abs().mean() > 0.02
    assert {r.image_id for r in first.records}.isdisjoint(r.image_id for r in second.records)


def test_global_generators_are_left_alone():
    np.random.seed(0)
    torch.manual_seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    next(Phantoms(count=1, size=32).generate())
    assert np.array_equal(before[0], np.random.get_state()[1])
    assert torch.equal(before[1], torch.get_rng_state())


@pytest.mark.slow
def test_a_phantom_looks_the_same_at_every_size():
    small, large = (next(Phantoms(count=8, size=size).generate()).images for size in (64, 128))
    reduced = torch.nn.functional.avg_pool2d(large, 2)
    for one, other in zip(small, reduced, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


@pytest.mark.slow
def test_anatomy_is_the_patients_and_the_film_the_images():
    phantoms = Phantoms(count=60, size=48, classes=("Normal",))
    records = list(phantoms.records())
    films = np.stack([phantoms.paint(record)[0].ravel() for record in records])
    alike = np.corrcoef(films - films.mean(0))
    same = np.array([[a.patient == b.patient and a.view == b.view for a in records] for b in records])
    itself = np.eye(len(records), dtype=bool)
    assert alike[same & ~itself].mean() > alike[~same].mean() + 0.15
    assert alike[same & ~itself].max() < 0.9999


@pytest.mark.slow
def test_classes_are_balanced_and_patients_have_several_images(many):
    records = many[2]
    counts = Counter(record.label for record in records)
    assert set(counts) == set(CLASSES)
    assert max(counts.values()) - min(counts.values()) <= 5
    visits = Counter(record.patient for record in records)
    assert min(visits.values()) == 1
    assert 3 <= max(visits.values()) <= 5


@pytest.mark.slow
def test_a_small_share_of_patients_is_in_two_classes():
    labels: dict[int, set[str]] = {}
    for record in Phantoms(count=3000, size=32).records():
        labels.setdefault(record.patient, set()).add(record.label)
    share = np.mean([len(names) > 1 for names in labels.values()])
    assert 0.02 < share < 0.12
    assert max(len(names) for names in labels.values()) == 2


@pytest.mark.slow
def test_every_kind_of_finding_occurs(many):
    kinds = {(record.label, record.subtype) for record in many[2]}
    assert kinds == {("Normal", "none"), *(("Pneumonia", kind) for kind in ("lobar", "patchy", "interstitial")),
                     *(("Pneumothorax", kind) for kind in ("small", "moderate", "tension"))}


@pytest.mark.slow
def test_masks_lie_in_the_lungs_of_the_ill_alone(many):
    _, masks, records = many
    for mask, record in zip(masks[:, 0], records, strict=True):
        assert bool(mask.any()) == (record.label != "Normal")
        assert mask.float().mean() < 0.45
    rows, columns = torch.where(masks.any(dim=0)[0])
    assert rows.min() > 1
    assert columns.min() > 0


@pytest.mark.slow
def test_findings_change_the_film_under_their_mask_most():
    phantoms = Phantoms(count=120, size=64)
    gains = {"Pneumonia": [], "Pneumothorax": []}
    for record in phantoms.records():
        if record.label == "Normal" or record.subtype == "tension":
            continue
        ill, mask = phantoms.paint(record)
        well, _ = phantoms.paint(type(record)(**{**vars(record), "label": "Normal"}))
        change = ill - well
        gains[record.label].append(change[mask].mean() - change[~mask].mean())
    assert np.mean(np.array(gains["Pneumonia"]) > 0) > 0.95
    assert np.mean(np.array(gains["Pneumothorax"]) < 0) > 0.9


def grouped_accuracy(features, records):
    labels = np.array([record.label for record in records])
    patients = np.array([record.patient for record in records])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return cross_val_score(model, features, labels, groups=patients, cv=GroupKFold(5)).mean()


@pytest.mark.slow
def test_metadata_say_nothing_of_the_class(many):
    records = many[2]
    named = OneHotEncoder(sparse_output=False).fit_transform([[r.view, r.sex] for r in records])
    features = np.column_stack([named, [[r.age, r.image] for r in records]])
    assert grouped_accuracy(features, records) < 1 / 3 + 0.1


@pytest.mark.slow
def test_brightness_says_little_of_the_class(many):
    images, _, records = many
    grey = images.flatten(1).numpy()
    assert grouped_accuracy(grey.mean(1, keepdims=True), records) < 1 / 3 + 0.1
    assert grouped_accuracy(np.column_stack([grey.mean(1), grey.std(1)]), records) < 1 / 3 + 0.1
    histogram = np.stack([np.histogram(film, bins=8, range=(0, 1))[0] for film in grey])
    assert grouped_accuracy(histogram, records) < 1 / 3 + 0.1


@pytest.mark.slow
def test_ap_films_have_a_larger_heart_shadow():
    phantoms = Phantoms(count=150, size=48, classes=("Normal",))
    widths: dict[str, list[float]] = {"AP": [], "PA": []}
    for record in phantoms.records():
        film, _ = phantoms.paint(record)
        widths[record.view].append(float((film[26:32, 14:34] > np.median(film)).mean()))
    assert np.mean(widths["AP"]) > np.mean(widths["PA"])


@pytest.mark.parametrize(("given_plan", "error", "words"), [
    ({"count": 0}, PlanError, "at least 1"),
    ({"count": 3, "size": 31}, PlanError, "at least 32"),
    ({"count": 3, "classes": ()}, PlanError, "one or more"),
    ({"count": 3, "classes": ("Normal", "Normal")}, PlanError, "different"),
    ({"count": 3, "classes": ("Normal", "Pneumotorax")}, UnknownNameError, "did you mean 'Pneumothorax'"),
])
def test_bad_plans_are_refused(given_plan, error, words):
    with pytest.raises(error, match=words):
        Phantoms(**given_plan)
