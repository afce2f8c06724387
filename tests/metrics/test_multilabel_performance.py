from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, hamming_loss, precision_score, recall_score, roc_auc_score

from radversary.core.errors import InputError
from radversary.metrics.findings import finding_figures
from radversary.metrics.multilabel import multilabel_performance

NAMES = ("Edema", "Mass", "Nodule", "Hernia")


def drawn(seed: int, images: int = 80):
    stream = np.random.default_rng(seed)
    truth = stream.choice([-1, 0, 1], (images, 4), p=[0.2, 0.5, 0.3])
    truth[:, 3] = np.where(truth[:, 3] == 1, 0, truth[:, 3])  # nobody has a hernia
    scores = stream.random((images, 4)).round(2)
    return truth, scores, (scores >= 0.4).astype(int), [f"p{number // 2}" for number in range(images)]


@pytest.mark.parametrize("seed", range(4))
def test_figures_equal_scikit_learn_on_what_is_known(seed):
    truth, scores, read, people = drawn(seed)
    found = multilabel_performance(truth, scores, decisions=read, classes=NAMES, patients=people, draws=50)
    known = truth != -1
    assert found.accuracy.value == pytest.approx(1 - hamming_loss(truth[known], read[known]))
    assert found.accuracy.n == known.sum()
    for figure, reference in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        by_hand = [reference(truth[known[:, place], place], read[known[:, place], place], zero_division=0)
                   for place in range(4)]
        assert getattr(found, figure).value == pytest.approx(np.mean(by_hand[:3]))  # of those that somebody has
        assert [getattr(item, figure).value for item in found.classes] == pytest.approx(by_hand)
    areas = [roc_auc_score(truth[known[:, place], place], scores[known[:, place], place]) for place in range(3)]
    assert found.auroc.value == pytest.approx(np.mean(areas))
    assert np.sum(found.confusion) == known.sum()


def test_its_means_are_those_of_the_figures_by_finding():
    truth, scores, read, people = drawn(7)
    found = multilabel_performance(truth, scores, decisions=read, classes=NAMES, patients=people, draws=50)
    means = finding_figures(truth, scores, read, names=NAMES, patients=people, draws=50, seed=0).macro
    assert found.recall.value == pytest.approx(means.sensitivity.mean.value)
    assert found.precision.value == pytest.approx(means.precision.mean.value)
    assert found.f1.value == pytest.approx(means.f1.mean.value)


def test_what_is_not_known_changes_nothing():
    truth, scores, read, people = drawn(3)
    other = np.where(truth == -1, 1 - read, read)
    first, second = (multilabel_performance(truth, scores, decisions=said, classes=NAMES, patients=people, draws=50)
                     for said in (read, other))
    assert first == second


def test_nothing_known_is_refused():
    with pytest.raises(InputError, match="with something known"):
        multilabel_performance([[-1, -1]], None, decisions=[[0, 1]], classes=("a", "b"), patients=["p"])
