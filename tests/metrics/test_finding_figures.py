"""Figures per finding against scikit-learn, torchmetrics and resampling by hand."""

from __future__ import annotations

import dataclasses
import time
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
)
from torchmetrics.classification import BinaryCalibrationError, MultilabelAUROC

from radversary.core.errors import InputError
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import interval, patient_draws
from radversary.metrics.finding_records import FindingsPerformance
from radversary.metrics.findings import FIGURES, finding_figures

NEEDS_SCORES = ("auroc", "average_precision", "brier", "calibration_error")


def study(n: int = 120, k: int = 3, seed: int = 0, per_patient: int = 3) -> tuple:
    """Truth with unknowns, probabilities with ties (none at the edge of a bin), decisions and patients."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, k)) < 0.3).astype(int)
    scores = (np.floor(20 * (0.3 * truth + 0.7 * rng.random((n, k)))) + 0.5) / 20
    truth[rng.random((n, k)) < 0.15] = -1
    return truth, scores.clip(0.025, 0.975), (scores > 0.45).astype(int), [str(i // per_patient) for i in range(n)]


def names(k: int) -> list[str]:
    return [f"finding {index}" for index in range(k)]


def judged(truth, scores, decisions, patients, **options) -> FindingsPerformance:
    return finding_figures(truth, scores, decisions, names=names(np.shape(truth)[1]), patients=patients, **options)


def by_others(truth: np.ndarray, scores: np.ndarray, decisions: np.ndarray) -> dict[str, float]:
    """Figures of one finding by scikit-learn and torchmetrics; those that are not defined are left out."""
    known = truth >= 0
    truth, scores, decisions = truth[known], scores[known], decisions[known]
    found = {}
    if (truth == 1).any():
        precision, recall, f1, _ = precision_recall_fscore_support(truth, decisions, average="binary", zero_division=0)
        found |= {"precision": precision, "sensitivity": recall, "f1": f1}
    if (truth == 0).any():
        found["specificity"] = recall_score(truth, decisions, pos_label=0)
    if 0 < truth.sum() < len(truth):
        found |= {"auroc": roc_auc_score(truth, scores), "average_precision": average_precision_score(truth, scores)}
    if len(truth):
        error = BinaryCalibrationError(n_bins=15, norm="l1")(torch.tensor(scores), torch.tensor(truth))
        found |= {"brier": brier_score_loss(truth, scores, pos_label=1), "calibration_error": float(error)}
    return found


def values(finding: object) -> dict[str, float]:
    return {figure: found.value for figure in FIGURES if (found := getattr(finding, figure)) is not None}


def estimates(found: FindingsPerformance) -> list[Estimate]:
    of_findings = [getattr(finding, figure) for finding in found.findings for figure in FIGURES]
    means = [mean.mean for figure in FIGURES if (mean := getattr(found.macro, figure))]
    return [estimate for estimate in of_findings if estimate] + means


def flat(found: FindingsPerformance) -> list[float]:
    return [number for estimate in estimates(found) for number in dataclasses.astuple(estimate)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_scikit_learn_and_torchmetrics(seed: int) -> None:
    truth, scores, decisions, patients = study(seed=seed)
    found = judged(truth, scores, decisions, patients, draws=5)
    for index, finding in enumerate(found.findings):
        expected = by_others(truth[:, index], scores[:, index], decisions[:, index])
        assert set(expected) == set(FIGURES)
        assert values(finding) == pytest.approx(expected)
    area = MultilabelAUROC(3, average="macro", thresholds=None, ignore_index=-1)
    assert found.macro.auroc.mean.value == pytest.approx(float(area(torch.tensor(scores), torch.tensor(truth))))
    assert found.macro.auroc.findings == 3


@pytest.mark.slow
def test_intervals_equal_resampling_patients_by_hand() -> None:
    truth, scores, decisions, patients = study(n=24, seed=1)
    truth[3:, 2] = np.where(truth[3:, 2] == 1, 0, truth[3:, 2])
    truth[:3, 2] = 1  # one patient alone has the last finding, so that draws lose it
    found = judged(truth, scores, decisions, patients, draws=60, seed=4)
    drawn = patient_draws(patients, draws=60, seed=4)
    rows = [np.repeat(np.arange(24), weights[drawn.inverse].astype(int)) for weights in drawn.weights]
    resampled = [[by_others(truth[row, k], scores[row, k], decisions[row, k]) for k in range(3)] for row in rows]
    for figure in FIGURES:
        table = np.array([[draw[k].get(figure, np.nan) for k in range(3)] for draw in resampled])
        for finding, column in zip(found.findings, table.T, strict=True):
            estimate = getattr(finding, figure)
            if np.nanstd(column) > 0:
                ends = interval(column)
                expected = min(ends[0], estimate.value), max(ends[1], estimate.value)
                assert (estimate.low, estimate.high) == pytest.approx(expected), figure
        macro = getattr(found.macro, figure).mean
        ends = interval(np.nanmean(table, axis=1))
        assert (macro.low, macro.high) == pytest.approx((min(ends[0], macro.value), max(ends[1], macro.value))), figure
    assert any("sensitivity" not in draw[2] for draw in resampled)


def test_numbers_of_images_stand_behind_each_figure() -> None:
    truth, scores, decisions, patients = study()
    found = judged(truth, scores, decisions, patients, draws=20)
    for column, finding in zip(truth.T, found.findings, strict=True):
        positives, negatives, unknown = ((column == value).sum() for value in (1, 0, -1))
        assert (finding.positives, finding.negatives, finding.unknown) == (positives, negatives, unknown)
        assert (finding.sensitivity.n, finding.specificity.n) == (positives, negatives)
        others = {getattr(finding, figure).n for figure in FIGURES if figure not in ("sensitivity", "specificity")}
        assert others == {positives + negatives}
    assert found.macro.sensitivity.mean.n == (truth == 1).any(axis=1).sum()
    assert found.macro.brier.mean.n == (truth >= 0).any(axis=1).sum()


def test_order_of_rows_changes_nothing_and_findings_do_not_depend_on_each_other() -> None:
    truth, scores, decisions, patients = study()
    whole = judged(truth, scores, decisions, patients, draws=100)
    order = np.random.default_rng(3).permutation(len(truth))
    moved = judged(truth[order], scores[order], decisions[order], [patients[index] for index in order], draws=100)
    assert flat(moved) == pytest.approx(flat(whole), abs=1e-12)
    alone = judged(truth[:, [1]], scores[:, [1]], decisions[:, [1]], patients, draws=100)
    assert dataclasses.replace(alone.findings[0], name="finding 1") == whole.findings[1]


def test_what_is_unknown_counts_nowhere() -> None:
    truth, scores, decisions, patients = study(k=1)
    kept = truth[:, 0] >= 0
    changed = np.where(truth < 0, 1.0 - scores, scores)
    first = judged(truth, scores, decisions, patients, draws=50)
    assert judged(truth, changed, np.where(truth < 0, 1 - decisions, decisions), patients, draws=50) == first
    without = judged(truth[kept], scores[kept], decisions[kept], list(np.array(patients)[kept]), draws=50)
    assert values(first.findings[0]) == pytest.approx(values(without.findings[0]))


def test_labels_alone_have_no_figures_of_probabilities() -> None:
    truth, scores, decisions, patients = study()
    with_scores = judged(truth, scores, decisions, patients, draws=50)
    found = judged(truth, None, decisions, patients, draws=50)
    for finding, whole in zip([*found.findings, found.macro], [*with_scores.findings, with_scores.macro], strict=True):
        for figure in FIGURES:
            expected = None if figure in NEEDS_SCORES else getattr(whole, figure)
            assert getattr(finding, figure) == expected


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(data=st.data(), n=st.integers(1, 10), k=st.integers(1, 3), people=st.integers(1, 4))
def test_edges(data: st.DataObject, n: int, k: int, people: int) -> None:
    def table(choices: list) -> np.ndarray:
        return np.array(data.draw(st.lists(st.lists(st.sampled_from(choices), min_size=k, max_size=k),
                                           min_size=n, max_size=n)))

    truth = table(data.draw(st.sampled_from([[-1, 0, 1], [-1], [0], [1], [0, 1]])))
    scores = table(data.draw(st.sampled_from([[0.5], [0.0], [0.0, 0.3, 0.99]])))
    decisions = table(data.draw(st.sampled_from([[0], [1], [0, 1]])))
    found = judged(truth, scores, decisions, [str(index % people) for index in range(n)], draws=15)
    expected = [by_others(truth[:, index], scores[:, index], decisions[:, index]) for index in range(k)]
    for finding, figures in zip(found.findings, expected, strict=True):
        assert values(finding) == pytest.approx(figures)
    for figure in FIGURES:
        numbers, mean = [figures[figure] for figures in expected if figure in figures], getattr(found.macro, figure)
        assert (mean.findings if mean else 0) == len(numbers)
        assert mean is None or mean.mean.value == pytest.approx(np.mean(numbers))
    for estimate in estimates(found):
        assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0
        assert estimate.high - estimate.low > 1e-6
        assert 0 < estimate.n <= n


def test_a_perfect_area_is_known_no_better_than_the_rarer_side_allows() -> None:
    truth = np.array([[1]] * 3 + [[0]] * 97)
    found = judged(truth, truth * 0.9, truth, [str(index) for index in range(100)], draws=200).findings[0]
    assert found.auroc.low == pytest.approx(0.025 ** (1 / 3))
    assert found.specificity.low == pytest.approx(0.025 ** (1 / 97))


def test_a_finding_that_is_never_read_as_present_has_precision_0_and_no_certainty() -> None:
    found = judged([[1], [0]], None, [[0], [0]], ["a", "b"], draws=50).findings[0]
    assert found.precision == Estimate(0.0, 0.0, 1.0, 2)
    assert found.f1.value == 0.0


def test_a_probability_of_one_lies_in_the_last_bin() -> None:
    found = judged([[1], [0]], [[0.95], [1.0]], [[1], [1]], ["a", "b"], draws=20).findings[0]
    assert found.calibration_error.value == pytest.approx(0.95 / 2)


def test_figures_survive_json() -> None:
    truth, scores, decisions, patients = study()
    truth[:, 0] = -1
    found = judged(truth, scores, decisions, patients, draws=20)
    adapter = TypeAdapter(FindingsPerformance)
    assert found.findings[0].auroc is None
    assert adapter.validate_json(adapter.dump_json(found)) == found


@pytest.mark.parametrize(("change", "words"), [
    ({"truth": np.full((120, 3), 2)}, "truth must be 0, 1, -1 .unknown., got 2"),
    ({"truth": np.zeros(120)}, r"truth must have shape \(images, 3 findings\)"),
    ({"decisions": np.full((120, 3), -1)}, "decisions must be 0, 1, got -1"),
    ({"decisions": np.zeros((119, 3))}, r"decisions must have shape \(120, 3 findings\).*got \(119, 3\)"),
    ({"scores": np.full((120, 3), 1.5)}, r"probabilities in \[0, 1\], got 1.5"),
    ({"scores": np.full((120, 3), np.nan)}, "got nan"),
    ({"scores": np.zeros((120, 2))}, r"scores must have shape \(120, 3\), got \(120, 2\)"),
    ({"patients": ["a"]}, "patients must be one an image"),
])
def test_what_does_not_fit_is_refused_in_a_sentence(change: dict, words: str) -> None:
    given = dict(zip(("truth", "scores", "decisions", "patients"), study(), strict=True)) | change
    with pytest.raises(InputError, match=words):
        finding_figures(given["truth"], given["scores"], given["decisions"], names=names(3),
                        patients=given["patients"])


def test_no_finding_and_no_image_are_refused() -> None:
    with pytest.raises(InputError, match="at least one finding"):
        finding_figures(np.zeros((2, 0)), None, np.zeros((2, 0)), names=[], patients=["a", "b"])
    with pytest.raises(InputError, match="needs images"):
        judged(np.zeros((0, 2)), None, np.zeros((0, 2)), [])


@pytest.mark.slow
def test_intervals_of_sensitivity_cover_the_truth_where_patients_have_several_images() -> None:
    """95 % within three standard errors and the few tenths that percentile intervals of 150 patients fall short by."""
    rng, covered, by_image, repeats = np.random.default_rng(0), 0, 0, 500
    patients = [str(index // 4) for index in range(600)]
    truth = np.ones((600, 1), dtype=int)
    for _ in range(repeats):
        chance = np.repeat(rng.beta(1.4, 0.6, 150), 4)  # mean 0.7; images of a patient are alike
        decisions = (rng.random(600) < chance).astype(int)[:, None]
        found = judged(truth, None, decisions, patients, draws=400).findings[0].sensitivity
        alone = judged(truth, None, decisions, [str(index) for index in range(600)], draws=400).findings[0].sensitivity
        covered += found.low <= 0.7 <= found.high
        by_image += alone.low <= 0.7 <= alone.high
    assert 0.915 <= covered / repeats <= 0.98
    assert by_image / repeats < 0.9


@pytest.mark.slow
def test_eighteen_findings_of_five_thousand_images_take_seconds_and_little_memory() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((5000, 18)) < np.linspace(0.005, 0.3, 18)).astype(int)
    scores = (0.3 * truth + 0.7 * rng.random((5000, 18))).round(4)
    patients = [str(index) for index in range(5000)]
    began = time.perf_counter()
    judged(truth, scores, scores > 0.5, patients)
    assert time.perf_counter() - began < 30.0
    tracemalloc.start()
    judged(truth, scores, scores > 0.5, patients)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500e6
