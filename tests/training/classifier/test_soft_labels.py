"""Labels that are another model's probabilities."""

from __future__ import annotations

import pytest
import torch

from radversary.classifiers.card import ModelCard
from radversary.core.errors import DataError
from radversary.training.classifier.losses import accuracy, decided, task_loss
from radversary.training.classifier.train import _check_labels

SOFT = {"multiclass": [[0.2, 0.7, 0.1], [0.5, 0.1, 0.4]], "multilabel": [[0.2, 0.7, 0.9], [0.6, 0.1, 0.4]]}


@pytest.mark.parametrize(("task", "decisions"), [("multiclass", [1, 0]), ("multilabel", [[0, 1, 1], [1, 0, 0]])])
def test_probabilities_stand_for_labels(task, decisions):
    """The loss of probabilities is the mean over the classes that they may be; they decide as a model's would."""
    card = ModelCard(name="m", architecture="x", classes=("a", "b", "c"), size=8, task=task)
    soft, logits = torch.tensor(SOFT[task]), torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
    found = task_loss(logits, soft, card.task)
    if task == "multiclass":
        expected = -(soft * logits.log_softmax(1)).sum(1).mean()
    else:
        expected = -(soft * logits.sigmoid().log() + (1 - soft) * (-logits).sigmoid().log()).mean()
    torch.testing.assert_close(found, expected)
    assert decided(soft, card).tolist() == decisions
    assert decided(torch.tensor(decisions), card).tolist() == decisions
    assert accuracy(soft.logit(), soft, card) == 1
    hard = torch.nn.functional.one_hot(torch.tensor([1, 0]), 3).float() if task == "multiclass" else torch.tensor(
        decisions).float()
    torch.testing.assert_close(task_loss(logits, hard, card.task),
                               task_loss(logits, torch.tensor(decisions), card.task))


@pytest.mark.parametrize(("labels", "said"), [
    (torch.zeros(2), r"one for each of 3 classes, got the shape \(2,\)"),
    (torch.zeros(2, 4), r"one for each of 3 classes, got the shape \(2, 4\)"),
    (torch.full((2, 3), 1.5), "lie between 0 and 1"), (torch.full((2, 3), torch.nan), "lie between 0 and 1")])
def test_labels_that_are_no_probabilities_are_refused(labels, said):
    card = ModelCard(name="m", architecture="x", classes=("a", "b", "c"), size=8)
    _check_labels(torch.full((2, 3), 1 / 3), card)
    with pytest.raises(DataError, match=said):
        _check_labels(labels, card)
