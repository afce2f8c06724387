"""Both areas under a ranking, for many weightings at once, against scikit-learn with sample weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from radversary.metrics.bootstrap import PatientDraws, patient_draws
from radversary.metrics.ranking import ranking_areas


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 25), levels=st.integers(1, 12))
def test_areas_equal_scikit_learn(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = rng.integers(0, levels, n), rng.random(n) < 0.4
    draws = patient_draws([str(index // 2) for index in range(n)], draws=12, seed=seed)
    found = ranking_areas(scores, truth, draws)
    for weights, area, precision in zip(draws.weights[:, draws.inverse], *found, strict=True):
        if truth @ weights and ~truth @ weights:
            assert area == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights))
            assert precision == pytest.approx(average_precision_score(truth, scores, sample_weight=weights))
        else:
            assert np.isnan([area, precision]).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    draws = patient_draws([str(index // 2) for index in range(50)], draws=60)
    scores, truth = rng.random(50), rng.random(50) < 0.5
    whole = ranking_areas(scores, truth, draws)
    monkeypatch.setattr("radversary.metrics.ranking.CELLS", 150)
    assert all(map(np.array_equal, ranking_areas(scores, truth, draws), whole))


def test_weights_need_not_be_whole() -> None:
    rng = np.random.default_rng(0)
    scores, truth, weights = rng.integers(0, 5, 30), rng.random(30) < 0.5, rng.random((4, 30))
    found = ranking_areas(scores, truth, PatientDraws(weights, np.arange(30)))
    assert found.auroc == pytest.approx([roc_auc_score(truth, scores, sample_weight=row) for row in weights])
    assert found.average_precision == pytest.approx(
        [average_precision_score(truth, scores, sample_weight=row) for row in weights])
