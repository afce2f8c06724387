"""Multiclass and binary readings as columns of findings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import classification_report, roc_auc_score
from sklearn.preprocessing import label_binarize

from radversary.core.errors import InputError
from radversary.metrics.classification import performance
from radversary.metrics.columns import one_vs_rest
from radversary.metrics.findings import finding_figures

CLASSES = ["normal", "pneumonia", "effusion"]


def readings(k: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, k, 90)
    probabilities = rng.dirichlet(np.ones(k), 90)
    return labels, probabilities.argmax(1), probabilities, [str(index // 2) for index in range(90)]


def test_columns_are_scikit_learns_binarized_labels() -> None:
    labels, decisions, probabilities, _ = readings()
    labels[::7] = -1
    found = one_vs_rest(torch.tensor(labels), decisions, probabilities, CLASSES)
    known = labels >= 0
    assert np.array_equal(found.truth[known], label_binarize(labels[known], classes=range(3)))
    assert (found.truth[~known] == -1).all()
    assert np.array_equal(found.decisions, label_binarize(decisions, classes=range(3)))
    assert np.array_equal(found.probabilities, probabilities)
    assert one_vs_rest(labels, decisions, None, CLASSES).probabilities is None


def test_figures_of_the_columns_are_those_of_a_multiclass_report() -> None:
    labels, decisions, probabilities, patients = readings()
    columns = one_vs_rest(labels, decisions, probabilities, CLASSES)
    found = finding_figures(columns.truth, columns.probabilities, columns.decisions, names=CLASSES, patients=patients)
    report = classification_report(labels, decisions, target_names=CLASSES, output_dict=True, zero_division=0)
    for finding in found.findings:
        assert finding.sensitivity.value == pytest.approx(report[finding.name]["recall"])
        assert finding.precision.value == pytest.approx(report[finding.name]["precision"])
        assert finding.f1.value == pytest.approx(report[finding.name]["f1-score"])
    whole = performance(labels, probabilities, decisions=decisions, classes=CLASSES, patients=patients)
    for mean, estimate in ((found.macro.auroc.mean, whole.auroc), (found.macro.sensitivity.mean, whole.recall)):
        assert (mean.value, mean.low, mean.high) == pytest.approx((estimate.value, estimate.low, estimate.high))


def test_the_positive_class_of_a_binary_task() -> None:
    labels, decisions, probabilities, patients = readings(k=2)
    columns = one_vs_rest(labels, decisions, probabilities, ["normal", "pneumonia"]).only(1)
    found = finding_figures(*columns[:1], columns.probabilities, columns.decisions, names=["pneumonia"],
                            patients=patients, draws=20)
    assert found.findings[0].auroc.value == pytest.approx(roc_auc_score(labels, probabilities[:, 1]))
    assert found.findings[0].positives == labels.sum()
    assert one_vs_rest(labels, decisions, None, ["normal", "pneumonia"]).only(1).probabilities is None


@pytest.mark.parametrize(("labels", "decisions", "probabilities", "words"), [
    ([0, 3], [0, 1], None, "labels must be whole numbers from -1 to 2, got 0 to 3"),
    ([0, 0.5], [0, 1], None, "labels must be whole numbers"),
    ([0, -1], [0, -1], None, "decisions must be whole numbers from 0 to 2, got -1 to 0"),
    ([[0], [1]], [0, 1], None, r"labels must have shape \(images,\), got \(2, 1\)"),
    ([0, 1], [0], None, r"labels \(2,\), decisions \(1,\)"),
    ([0, 1], [0, 1], [[0.5, 0.5]] * 2, r"probabilities \(2, 2\)"),
])
def test_what_does_not_fit_is_refused_in_a_sentence(labels, decisions, probabilities, words: str) -> None:
    with pytest.raises(InputError, match=words):
        one_vs_rest(labels, decisions, probabilities, CLASSES)
