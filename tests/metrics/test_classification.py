"""Figures of classification against scikit-learn."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import classification_report, confusion_matrix, roc_auc_score

from radversary.core.errors import InputError
from radversary.metrics.classification import accuracy, performance, proportion
from radversary.metrics.performance import Performance

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")


def predictions(n: int, seed: int = 0, k: int = 3) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    probabilities = rng.dirichlet(np.ones(k), n) + 0.5 * np.eye(k)[labels]
    return labels, probabilities / probabilities.sum(1, keepdims=True), [f"p{index}" for index in rng.integers(0, n, n)]


def judged(labels, scores, **options) -> Performance:
    """Figures of a classifier that decides for the first of the highest probabilities."""
    return performance(labels, scores, decisions=np.asarray(scores).argmax(1), **options)


def estimates(found: Performance) -> list:
    per_class = [figure for entry in found.classes for figure in (entry.precision, entry.recall, entry.f1)]
    return [found.accuracy, found.precision, found.recall, found.f1, found.auroc, *per_class]


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 40), k=st.integers(2, 4), seed=st.integers(0, 999))
def test_figures_equal_scikit_learn(n: int, k: int, seed: int) -> None:
    labels, probabilities, patients = predictions(n, seed, k)
    names = [f"class {index}" for index in range(k)]
    found = judged(labels, probabilities, classes=names, patients=patients, draws=50)
    report = classification_report(labels, probabilities.argmax(1), labels=range(k), target_names=names,
                                   output_dict=True, zero_division=0)
    assert found.accuracy.value == pytest.approx((labels == probabilities.argmax(1)).mean())
    rows = [report["macro avg"], *(report[name] for name in names)]
    for figures, expected in zip([found, *found.classes], rows, strict=True):
        assert figures.precision.value == pytest.approx(expected["precision"])
        assert figures.recall.value == pytest.approx(expected["recall"])
        assert figures.f1.value == pytest.approx(expected["f1-score"])
    assert [entry.support for entry in found.classes] == [report[name]["support"] for name in names]
    assert np.array_equal(found.confusion, confusion_matrix(labels, probabilities.argmax(1), labels=range(k)))


@pytest.mark.parametrize("decimals", [1, 8])
def test_area_equals_scikit_learn_with_and_without_ties(decimals: int) -> None:
    labels, probabilities, patients = predictions(200)
    rounded = probabilities.round(decimals)
    rounded[:, -1] = 1.0 - rounded[:, :-1].sum(1)
    found = judged(labels, rounded, classes=CLASSES, patients=patients, draws=50)
    assert found.auroc is not None
    assert found.auroc.value == pytest.approx(roc_auc_score(labels, rounded, multi_class="ovr", average="macro"))
    binary = judged(labels == 1, rounded[:, :2], classes=CLASSES[:2], patients=patients, draws=50)
    assert binary.auroc is not None


@pytest.mark.slow
def test_intervals_equal_a_plain_patient_bootstrap() -> None:
    labels, probabilities, patients = predictions(120)
    found = judged(labels, probabilities, classes=CLASSES, patients=patients, draws=2000)
    names, rng = np.unique(patients), np.random.default_rng(5)
    rows = {name: np.flatnonzero(np.asarray(patients) == name) for name in names}
    figures = []
    for _ in range(300):
        kept = np.concatenate([rows[name] for name in rng.choice(names, len(names))])
        report = classification_report(labels[kept], probabilities[kept].argmax(1), output_dict=True, zero_division=0)
        area = roc_auc_score(labels[kept], probabilities[kept], multi_class="ovr")
        figures.append([report["accuracy"], report["macro avg"]["f1-score"], report["1"]["recall"], area])
    expected = np.quantile(figures, [0.025, 0.975], axis=0).T
    ours = [found.accuracy, found.f1, found.classes[1].recall, found.auroc]
    assert np.allclose([(figure.low, figure.high) for figure in ours], expected, atol=0.03)


def test_permuting_images_changes_nothing() -> None:
    labels, probabilities, patients = predictions(80)
    order = np.random.default_rng(1).permutation(80)
    one = judged(labels, probabilities, classes=CLASSES, patients=patients, draws=300)
    two = judged(labels[order], probabilities[order], classes=CLASSES, patients=[patients[i] for i in order],
                      draws=300)
    for a, b in zip(estimates(one), estimates(two), strict=True):
        assert (a.value, a.low, a.high, a.n) == pytest.approx((b.value, b.low, b.high, b.n), abs=1e-12)


def test_every_interval_holds_its_value_and_has_a_width() -> None:
    for labels, scores, patients in [
        ([0, 1, 2] * 5, np.eye(3)[[0, 1, 2] * 5], [str(index) for index in range(15)]),
        ([0, 1, 2] * 5, np.eye(3)[[1, 2, 0] * 5], [str(index) for index in range(15)]),
        ([0, 1, 2] * 5, np.eye(3)[[0, 1, 1] * 5], ["only"] * 15),
        ([0], np.eye(3)[[0]], ["a"]),
    ]:
        found = judged(labels, scores, classes=CLASSES, patients=patients, draws=100)
        for figure in estimates(found):
            if figure is not None:
                assert 0.0 <= figure.low <= figure.value <= figure.high <= 1.0
                assert figure.high - figure.low > 0.01


def test_an_absent_class_has_no_area_and_an_open_interval() -> None:
    found = judged([0, 1, 0], np.eye(3)[[0, 1, 1]], classes=CLASSES, patients=list("abc"), draws=50)
    absent = found.classes[2]
    assert found.auroc is None
    assert absent.support == 0
    assert (absent.recall.value, absent.recall.low, absent.recall.high, absent.recall.n) == (0.0, 0.0, 1.0, 0)


def test_a_perfect_reading_keeps_an_honest_lower_end() -> None:
    found = judged([0, 1] * 10, np.eye(2)[[0, 1] * 10], classes=CLASSES[:2],
                        patients=[str(index) for index in range(20)])
    assert found.accuracy.high == 1.0
    assert found.accuracy.low == pytest.approx(0.025 ** (1 / 20))
    assert found.classes[0].recall.low == pytest.approx(0.025 ** (1 / 10))


def test_tensors_are_taken_as_they_are() -> None:
    labels, probabilities, patients = predictions(30)
    one = judged(labels, probabilities, classes=CLASSES, patients=patients, draws=20)
    two = judged(torch.from_numpy(labels), torch.from_numpy(probabilities), classes=CLASSES, patients=patients,
                      draws=20)
    assert one == two


@pytest.mark.slow
def test_a_thousand_images_take_less_than_two_seconds() -> None:
    labels, probabilities, patients = predictions(1000)
    start = time.process_time()
    judged(labels, probabilities, classes=CLASSES, patients=patients, draws=2000)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(("labels", "scores", "patients", "sentence"), [
    ([0, 1], np.ones((2, 2)), ["a", "b"], "labels"),
    ([0, 3], np.ones((2, 3)), ["a", "b"], "0 to 2"),
    ([0, -1], np.ones((2, 3)), ["a", "b"], "0 to 2"),
    ([0, 1], np.full((2, 3), np.nan), ["a", "b"], "finite"),
    ([0, 1], np.ones((2, 3)), ["a"], "one an image"),
    ([], np.ones((0, 3)), [], "images"),
])
def test_bad_predictions_are_refused(labels, scores, patients, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        judged(labels, scores, classes=CLASSES, patients=patients)


def test_shares_and_means() -> None:
    patients = [str(index) for index in range(50)]
    flags = np.arange(50) < 20
    assert proportion(flags, patients=patients) == accuracy(flags, np.ones(50, dtype=bool), patients=patients)
    found = proportion(np.arange(50.0) / 50, patients=patients)
    assert found.value == 0.49
    assert (found.low, found.high) == pytest.approx((0.49 - 1.96 * 0.0408, 0.49 + 1.96 * 0.0408), abs=0.008)
    assert proportion([], patients=[]).n == 0
    alike = proportion(np.zeros(50), patients=patients)
    assert (alike.low, alike.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 50)))  # none is certain of zero


def test_bad_shares_and_means_are_refused() -> None:
    for wrong in (np.nan, -0.1, 1.1):
        with pytest.raises(InputError, match="from 0 to 1"):
            proportion([wrong], patients=["a"])
    with pytest.raises(InputError, match="one an image"):
        proportion([True], patients=["a", "b"])
    with pytest.raises(InputError, match="predictions"):
        accuracy([1, 2], [1], patients=["a", "b"])
