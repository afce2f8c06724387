"""Trainings of models that read findings: what they make small, what they report, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score
from tiny_training import SIZE, make_plan, make_tiny_card

from radversary.attacks.registry import ATTACKS
from radversary.classifiers.networks import NETWORKS, build_network
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import DataError, PlanError
from radversary.core.types import UNKNOWN, Task
from radversary.storage.json_files import read_json
from radversary.training.classifier.consistent import divergence_of
from radversary.training.classifier.losses import macro_auroc, positive_weights, task_loss
from radversary.training.classifier.plan import Objective, Phase, RobustPlan, TrainingPlan
from radversary.training.classifier.robust import fast_attack
from radversary.training.classifier.train import train
from radversary.training.data.attacked_copies import make_attacked_copies
from radversary.training.data.datasets import TrainingSet
from radversary.training.data.views import ViewedTrainingSet

pytestmark = pytest.mark.slow

NAMES = ("Left", "Right", "Unseen")
SHORT = Phase(name="all", trunk="trained", epochs=2, learning_rate=1e-2, schedule="one-cycle")


def findings(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Films with a bright left or right side, or both or none; one finding in six is not known, the third never is."""
    stream = np.random.default_rng(seed)
    labels = stream.integers(0, 2, (count, 3))
    images = stream.integers(0, 120, (count, 1, SIZE, SIZE)).astype(np.uint8)
    images[labels[:, 0] == 1, :, :, :6] += 100
    images[labels[:, 1] == 1, :, :, 10:] += 100
    labels[stream.random((count, 3)) < 1 / 6] = UNKNOWN
    labels[:, 2] = UNKNOWN
    return images, labels


def card_of(task: str = "multilabel", classes: tuple[str, ...] = NAMES):
    return make_tiny_card(task=task, classes=classes)


def drawn(count: int = 40, findings_: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(count, findings_, generator=stream)
    return logits, torch.randint(-1, 2, (count, findings_), generator=stream)


def test_the_loss_of_findings_is_that_of_the_known_ones():
    logits, labels = drawn()
    known = labels != UNKNOWN
    expected = log_loss(labels[known].numpy(), expit(logits[known].double().numpy()))
    assert task_loss(logits, labels, Task.MULTILABEL).item() == pytest.approx(expected, rel=1e-5)
    heavy = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    each = np.where(labels.numpy() == 1, heavy.numpy(), 1.0)[known.numpy()]
    weighted = log_loss(labels[known].numpy(), expit(logits[known].double().numpy()), sample_weight=each,
                        normalize=False) / int(known.sum())
    assert task_loss(logits, labels, Task.MULTILABEL, weights=heavy).item() == pytest.approx(weighted, rel=1e-5)


def test_what_is_not_known_teaches_nothing():
    logits, labels = drawn()
    logits.requires_grad_()
    slope, = torch.autograd.grad(task_loss(logits, labels, Task.MULTILABEL), logits)
    assert bool(((slope == 0) == (labels == UNKNOWN)).all())
    nothing = task_loss(logits, torch.full_like(labels, UNKNOWN), Task.MULTILABEL)
    assert nothing.item() == 0
    nothing.backward()


def test_one_finding_is_learned_alike_in_both_forms():
    logits, labels = drawn(findings_=1)
    known = labels[:, 0] != UNKNOWN
    two = torch.cat([torch.zeros_like(logits), logits], 1)[known]
    one = task_loss(logits, labels, Task.MULTILABEL)
    torch.testing.assert_close(one, task_loss(two, labels[known, 0], Task.BINARY))


def test_the_area_is_scikit_learns_over_findings_that_have_one():
    logits, labels = drawn()
    labels[:, 3] = labels[:, 3].clamp_max(0)  # never there
    areas = [roc_auc_score(labels[known, place], logits[known, place]) for place in (0, 1, 2, 4)
             for known in [labels[:, place] != UNKNOWN]]
    assert macro_auroc(logits, labels) == pytest.approx(np.mean(areas))
    assert macro_auroc(logits, torch.ones_like(labels)) is None


def test_views_of_findings_diverge_by_each_ones_probability():
    logits = 2 * torch.randn(6, 2, 4, generator=torch.Generator().manual_seed(0))
    first, second = (torch.stack([1 - p, p], -1).numpy() for p in logits.sigmoid().unbind(1))
    expected = (jensenshannon(first, second, axis=-1) ** 2).mean()
    assert float(divergence_of(logits, Task.MULTILABEL)) == pytest.approx(expected, abs=1e-5)


def test_a_step_of_attack_raises_the_loss_of_known_findings_alone():
    images, labels = torch.rand(5, 1, 8, 8), torch.tensor([[1, -1], [0, -1], [1, 0], [0, 0], [-1, -1]])
    gain = torch.tensor([[1.0], [-2.0]])

    def forward(seen):
        return seen.flatten(1).mean(1, keepdim=True) * gain.T

    torch.manual_seed(0)
    attacked = fast_attack(forward, images.clamp(0.2, 0.8), labels, 0.1, task=Task.MULTILABEL)
    moved = (attacked - images.clamp(0.2, 0.8)).mean((1, 2, 3))
    assert moved[0] < -0.05 < 0.05 < moved[1]
    assert abs(moved[4]) < 0.05  # the random start alone


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[TorchClassifier, dict[str, list[float]]]:
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS._own, "tiny", "random_parts:TinyNetwork")
        made = train(build_network("tiny", classes=3, seed=1), card=card_of(), out=folder,
                     plan=make_plan(SHORT.model_copy(update={"epochs": 25}), positives="balanced"),
                     training=TrainingSet(*findings(120, 1)), validation=TrainingSet(*findings(60, 2)))
    return made, read_json(folder / "curves.json")


def test_findings_are_learned_and_figures_are_those_of_the_saved_model(trained):
    made, curves = trained
    images, labels = findings(60, 2)
    logits = made.logits(torch.from_numpy(images).float() / 255)
    known = labels != UNKNOWN
    assert curves["val_accuracy"][-1] == pytest.approx(((logits.numpy() >= 0) == labels)[known].mean(), abs=1e-5)
    areas = [roc_auc_score(labels[known[:, place], place], logits[known[:, place], place]) for place in (0, 1)]
    assert curves["val_auroc"][-1] == pytest.approx(np.mean(areas), abs=1e-5)
    assert np.mean(areas) > 0.9
    assert made.card.task == Task.MULTILABEL
    assert made.predict(torch.rand(2, 1, SIZE, SIZE)).shape == (2, 3)


def test_a_training_for_one_class_has_no_area_in_its_curves(tmp_path):
    images, labels = findings(24, 1)
    one = np.maximum(labels[:, 0], 0)
    made = train(build_network("tiny", classes=2, seed=1), card=card_of("binary", ("None", "Left")), out=tmp_path,
                 plan=make_plan(SHORT), training=TrainingSet(images, one), validation=TrainingSet(images, one))
    assert "val_auroc" not in read_json(tmp_path / "curves.json")
    assert made.card.task == Task.BINARY
    assert made.predict(torch.rand(2, 1, SIZE, SIZE)).shape == (2,)


def with_views(count: int = 24) -> ViewedTrainingSet:
    images, labels = findings(count, 1)
    return ViewedTrainingSet(images, labels, attacked_copies=[255 - images[:, None]], views=1)


@pytest.mark.parametrize(("objective", "training"), [
    (Objective(robust=RobustPlan(norm="dual")), None), (Objective(consistency=4.0, norm="dual"), with_views())])
def test_trainings_for_robustness_take_findings(tmp_path, objective, training):
    images = TrainingSet(*findings(24, 1))
    made = train(build_network("tiny", classes=3, seed=1), card=card_of(), out=tmp_path, plan=make_plan(SHORT),
                 training=training or images, validation=images, objective=objective)
    assert all(weight.isfinite().all() for weight in made.module.parameters())


@pytest.mark.parametrize(("task", "labels", "said"), [
    ("multilabel", np.zeros(16, int), "trained on findings an image, and the labels name one class"),
    ("multiclass", np.zeros((16, 3), int), "trained on one class an image, and the labels name several findings"),
    ("multilabel", np.zeros((16, 2), int), "labels are of 2 findings: the card names 3"),
    ("multilabel", np.full((16, 3), UNKNOWN), "nothing is known of any finding")])
def test_labels_of_another_task_are_refused(tmp_path, task, labels, said):
    images = findings(16, 1)[0]
    with pytest.raises(DataError, match=said):
        train(build_network("tiny", classes=3), card=card_of(task), out=tmp_path, plan=make_plan(SHORT),
              training=TrainingSet(images, labels), validation=TrainingSet(images, labels))
    assert not (tmp_path / "training.json").exists()


def test_states_that_no_finding_has_are_refused():
    with pytest.raises(DataError, match="must be 1, 0 or -1"):
        TrainingSet(np.zeros((1, 1, 4, 4), np.uint8), [[2, 0]])


def test_positives_are_balanced_where_there_are_findings(tmp_path):
    labels = torch.tensor([[1, 0], [0, 0], [0, -1], [-1, 0]])
    assert positive_weights(labels).tolist() == [2.0, 1.0]
    images = TrainingSet(findings(16, 1)[0], np.zeros(16, int))
    with pytest.raises(PlanError, match="positives can be balanced where the task is multilabel, not where it is bin"):
        train(build_network("tiny", classes=2), card=card_of("binary", NAMES[:2]), out=tmp_path,
              plan=make_plan(SHORT, positives="balanced"), training=images, validation=images)


def test_a_plan_that_balances_no_positives_is_written_as_before():
    assert "positives" not in TrainingPlan().model_dump(mode="json")
    again = TrainingPlan.model_validate(TrainingPlan(positives="balanced").model_dump(mode="json"))
    assert again.positives == "balanced"


def test_copies_on_which_the_goal_makes_no_sense_are_the_images(tmp_path):
    images, labels = findings(12, 3)
    labels[:, 2] = 0
    labels[0] = [0, 0, 0]
    victim = wrap(build_network("tiny", classes=3, seed=1), classes=NAMES, size=SIZE, task="multilabel")
    entries, names = TrainingSet(images, labels), [str(number) for number in range(12)]
    made = make_attacked_copies(ATTACKS.create("pgd", goal="hide Left", epsilon=0.1, steps=2), victim, entries,
                                names=names, copies=1, seed=1, path=tmp_path / "copies.npy")
    changed = (made[:, 0] != images).any((1, 2, 3))
    assert changed.tolist() == (labels[:, 0] == 1).tolist()
    with pytest.raises(PlanError, match="makes sense for none of 12 training images"):
        make_attacked_copies(ATTACKS.create("pgd", goal="hide Unseen", epsilon=0.1), victim, entries, names=names,
                             copies=1, seed=1, path=tmp_path / "none.npy")
