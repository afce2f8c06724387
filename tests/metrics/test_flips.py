"""Readings that an attack turned, against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from radversary.core.errors import InputError
from radversary.core.types import Estimate
from radversary.metrics.bootstrap import interval, patient_draws
from radversary.metrics.finding_records import Changes, Flips
from radversary.metrics.flips import changed, flip_figures

NAMES = ["effusion", "nodule", "hernia"]


def readings(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    truth, clean = rng.integers(-1, 2, (n, 3)), rng.integers(0, 2, (n, 3))
    attacked = np.where(rng.random((n, 3)) < [0.2, 0.4, 0.7], 1 - clean, clean)
    return truth, clean, attacked, [str(index // 3) for index in range(n)]


def counted(truth: np.ndarray, clean: np.ndarray, attacked: np.ndarray, value: int) -> tuple[int, int]:
    """Pairs of this truth that are read rightly when clean, and those of them that are read wrongly under attack."""
    right = wrong = 0
    for row in range(truth.shape[0]):
        for finding in range(truth.shape[1]):
            if truth[row, finding] == value and clean[row, finding] == value:
                right += 1
                wrong += attacked[row, finding] != value
    return right, wrong


@pytest.mark.parametrize("seed", range(3))
def test_shares_equal_a_loop(seed: int) -> None:
    truth, clean, attacked, patients = readings(seed=seed)
    found = flip_figures(truth, clean, attacked, names=NAMES, patients=patients, draws=20)
    for value, direction in ((1, "hidden"), (0, "invented")):
        for columns, estimate in [(slice(None), getattr(found, direction)),
                                  *(([k], getattr(found.findings[k], direction)) for k in range(3))]:
            right, wrong = counted(truth[:, columns], clean[:, columns], attacked[:, columns], value)
            assert (estimate.n, estimate.value) == (right, pytest.approx(wrong / right))


def test_intervals_equal_resampling_patients_by_hand() -> None:
    truth, clean, attacked, patients = readings()
    found = flip_figures(truth, clean, attacked, names=NAMES, patients=patients, draws=40, seed=2)
    stable = changed(clean, attacked, names=NAMES, patients=patients, draws=40, seed=2)
    drawn, hidden, single, share = patient_draws(patients, draws=40, seed=2), [], [], []
    for weights in drawn.weights:
        rows = np.repeat(np.arange(60), weights[drawn.inverse].astype(int))
        right, wrong = counted(truth[rows], clean[rows], attacked[rows], 1)
        hidden.append(wrong / right)
        right, wrong = counted(truth[rows][:, [1]], clean[rows][:, [1]], attacked[rows][:, [1]], 0)
        single.append(wrong / right)
        share.append((clean[rows] != attacked[rows]).mean())
    for estimate, draws in ((found.hidden, hidden), (found.findings[1].invented, single), (stable.changed, share)):
        assert (estimate.low, estimate.high) == pytest.approx(interval(draws))


def test_changes_need_no_truth() -> None:
    _, clean, attacked, patients = readings()
    found = changed(clean, attacked, names=NAMES, patients=patients, draws=20)
    differs = clean != attacked
    assert [(entry.name, entry.changed.value, entry.changed.n) for entry in found.findings] == [
        (name, pytest.approx(share), 60) for name, share in zip(NAMES, differs.mean(axis=0), strict=True)]
    assert (found.changed.value, found.changed.n) == (pytest.approx(differs.mean()), 180)
    assert (found.images.value, found.images.n) == (pytest.approx(differs.any(axis=1).mean()), 60)


def test_order_of_rows_changes_nothing() -> None:
    truth, clean, attacked, patients = readings()
    order = np.random.default_rng(5).permutation(60)
    moved = [patients[index] for index in order]
    assert flip_figures(truth[order], clean[order], attacked[order], names=NAMES, patients=moved, draws=50) == \
        flip_figures(truth, clean, attacked, names=NAMES, patients=patients, draws=50)
    assert changed(clean[order], attacked[order], names=NAMES, patients=moved, draws=50) == \
        changed(clean, attacked, names=NAMES, patients=patients, draws=50)


def test_what_was_wrong_or_unknown_before_counts_nowhere() -> None:
    truth, clean = np.array([[1, 0, -1], [1, 0, -1]]), np.array([[0, 1, 0], [0, 1, 1]])
    found = flip_figures(truth, clean, 1 - clean, names=NAMES, patients=["a", "b"], draws=20)
    assert found.hidden is found.invented is None
    assert all(entry.hidden is entry.invented is None for entry in found.findings)


def test_a_reading_that_never_changes_is_not_certain_to_stay() -> None:
    ones = [[1], [1], [1]]
    found = flip_figures([[1], [1], [-1]], ones, ones, names=["nodule"], patients=["a", "b", "c"], draws=20)
    assert found.hidden == Estimate(0.0, 0.0, pytest.approx(1 - 0.025**0.5), 2)
    assert found.invented is None


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 6))
def test_edges(seed: int, n: int) -> None:
    truth, clean, attacked, patients = readings(n, seed)
    found = flip_figures(truth, clean, attacked, names=NAMES, patients=patients, draws=10)
    for value, direction in ((1, "hidden"), (0, "invented")):
        right, wrong = counted(truth, clean, attacked, value)
        estimate = getattr(found, direction)
        assert (estimate is None) == (right == 0)
        assert estimate is None or estimate.value == pytest.approx(wrong / right)
        of_findings = [getattr(entry, direction) for entry in found.findings]
        assert sum(each.n for each in of_findings if each) == right
        for each in filter(None, [estimate, *of_findings]):
            assert 0.0 <= each.low <= each.value <= each.high <= 1.0
            assert each.high - each.low > 1e-6


def test_figures_survive_json() -> None:
    truth, clean, attacked, patients = readings()
    truth[:, 2] = -1
    flips, changes = TypeAdapter(Flips), TypeAdapter(Changes)
    found = flip_figures(truth, clean, attacked, names=NAMES, patients=patients, draws=20)
    assert flips.validate_json(flips.dump_json(found)) == found
    stable = changed(clean, attacked, names=NAMES, patients=patients, draws=20)
    assert changes.validate_json(changes.dump_json(stable)) == stable


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    truth, clean, attacked, patients = readings()
    with pytest.raises(InputError, match="attacked must be 0, 1, got 2"):
        flip_figures(truth, clean, attacked + 1, names=NAMES, patients=patients)
    with pytest.raises(InputError, match=r"clean must have shape \(60, 3 findings\)"):
        flip_figures(truth, clean[1:], attacked, names=NAMES, patients=patients)
    with pytest.raises(InputError, match=r"clean must have shape \(images, 2 findings\)"):
        changed(clean, attacked, names=NAMES[:2], patients=patients)
    with pytest.raises(InputError, match="patients must be one an image"):
        changed(clean, attacked, names=NAMES, patients=patients[1:])
