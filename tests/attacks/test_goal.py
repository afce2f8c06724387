"""What attackers want, against references of a few lines that look at one image at a time."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.goal import UNTARGETED, Goal, GoalKind, goal_from, image_gradient, margin, written_goal
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.card import ModelCard
from radversary.classifiers.tasks import decisions_of
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import Streams, generator
from radversary.core.types import UNKNOWN, Task
from random_parts import smooth_images, tiny_classifier

LOGITS = 4 * torch.randn(50, 5, generator=generator("goal"))
LABELS = torch.arange(50) % 5
NAMES = ("a", "b", "c", "d", "e")


def card_of(task, classes=NAMES, **fields):
    return ModelCard(name="m", architecture="x", classes=classes, size=8, task=task, **fields)


MANY = card_of("multilabel", thresholds=(0.5, 0.3, 0.7, 0.5, 0.9))
SINGLE, BINARY = card_of("multiclass"), card_of("binary", ("Normal", "Pneumonia"), thresholds=(0.3,))


@pytest.mark.parametrize("gap", [0.0, 15.0, 80.0, 1e6])
def test_of_two_classes_the_gradient_has_the_direction_of_the_cross_entropy_and_never_vanishes(gap):
    for task in ("multiclass", "binary"):
        logits = torch.tensor([[gap, 0.0]], requires_grad=True)
        climbed = UNTARGETED.margin(card_of(task, ("a", "b")), logits, torch.tensor([0])).sum()
        assert torch.autograd.grad(climbed, logits)[0].tolist() == [[-1.0, 1.0]]


class Scaled(TorchClassifier):
    """The same decisions, said louder."""

    def __init__(self, victim: TorchClassifier, factor: float) -> None:
        super().__init__(victim.module, victim.card)
        self.factor = factor

    def logits(self, images):
        return self.factor * super().logits(images)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [100.0, 1000.0, 0.01])
@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_a_model_that_shouts_is_attacked_as_well_as_one_that_speaks(classes, factor):
    """Cross-entropy of logits x 100 has a gradient of exactly 0 on most images, and PGD would stand still."""
    victim, images = tiny_classifier(classes), smooth_images(16)
    labels = victim.predict(images)
    attack = PGD(epsilon=4 / 255, random_start=False)
    streams = [Streams.for_images([str(place) for place in range(16)], seed=1, step="scale") for _ in range(2)]
    plain = attack.perturb(victim, images, labels, streams[0])
    loud = attack.perturb(Scaled(victim, factor), images, labels, streams[1])
    assert (victim.predict(plain) != labels).any()
    assert torch.equal(victim.predict(loud), victim.predict(plain))
    assert (image_gradient(Scaled(victim, factor), images, labels).abs().amax((1, 2, 3)) > 0).all()


def test_the_margin_of_half_precision_logits_is_float32():
    assert UNTARGETED.margin(SINGLE, LOGITS.half(), LABELS).dtype == torch.float32


def test_the_margin_is_that_of_a_loop():
    for logits, label, found in zip(LOGITS.tolist(), LABELS.tolist(), margin(LOGITS, LABELS).tolist(), strict=True):
        best = max(score for place, score in enumerate(logits) if place != label)
        assert found == pytest.approx(best - logits[label], abs=1e-5)


def wanted_by_hand(goal, card, labels, before):
    """What one image shall be read as, finding by finding: None where it does not matter."""
    states = []
    for name, label, said in zip(card.classes, labels, before, strict=True):
        chosen = not goal.findings or name in goal.findings
        change = {"hide": (1, 0), "invent": (0, 1)}[goal.kind]
        states.append(change[1] if chosen and label == change[0] else (said if goal.keep else None))
    return states


@pytest.mark.parametrize("text", ["hide", "invent", "hide a|c", "invent b keep", "hide a|b|c keep", "invent e"])
def test_hiding_and_inventing_findings_is_that_of_a_loop(text):
    goal, stream = goal_from(text), generator("labels")
    labels = torch.randint(-1, 2, (50, 5), generator=stream)
    before = torch.randint(0, 2, (50, 5), generator=stream)
    aims, decided = goal.aims(MANY, labels, before), decisions_of(LOGITS, MANY)
    margins, reached = goal.margin(MANY, LOGITS, aims).tolist(), goal.reached(MANY, decided, aims).tolist()
    bars = [math.log(bar / (1 - bar)) for bar in MANY.thresholds]
    counted = 0
    for place in range(50):
        states = wanted_by_hand(goal, MANY, labels[place].tolist(), before[place].tolist())
        ways = {"hide": 1, "invent": 0}[goal.kind]
        sensible = any(label == ways and (not goal.findings or name in goal.findings)
                       for name, label in zip(NAMES, labels[place].tolist(), strict=True))
        assert bool(goal.applies(MANY, labels)[place]) == sensible
        if not sensible:
            continue
        counted += 1
        gaps = [(score - bar) * (1 if state else -1) for score, bar, state
                in zip(LOGITS[place].tolist(), bars, states, strict=True) if state is not None]
        assert margins[place] == pytest.approx(min(gaps), abs=1e-4)
        assert reached[place] == all(int(score >= bar) == state for score, bar, state
                                     in zip(LOGITS[place].tolist(), bars, states, strict=True) if state is not None)
    assert counted > 5
    assert any(reached) != all(reached) or goal.keep


def test_a_wrong_reading_of_any_known_finding_is_what_an_untargeted_attack_wants():
    labels = torch.randint(-1, 2, (50, 5), generator=generator("labels"))
    decided = decisions_of(LOGITS, MANY)
    for findings in ((), ("b", "d")):
        goal = Goal(findings=findings)
        aims = goal.aims(MANY, labels)
        for place, found in enumerate(goal.reached(MANY, decided, aims).tolist()):
            wrong = [int(said) != label for name, said, label in zip(NAMES, decided[place], labels[place].tolist(),
                                                                     strict=True)
                     if label != UNKNOWN and (not findings or name in findings)]
            assert found == any(wrong)
            assert bool(goal.applies(MANY, labels)[place]) == bool(wrong)


@pytest.mark.parametrize("text", ["untargeted", "hide", "invent", "targeted Normal", "targeted Pneumonia"])
def test_of_a_binary_model_the_threshold_decides(text):
    goal, logits, labels = goal_from(text), LOGITS[:, :2], LABELS % 2
    aims, decided = goal.aims(BINARY, labels), decisions_of(logits, BINARY)
    bar, margins = math.log(0.3 / 0.7), goal.margin(BINARY, logits, aims).tolist()
    for (no, yes), label, found, said, reached in zip(logits.tolist(), labels.tolist(), margins, decided.tolist(),
                                                      goal.reached(BINARY, decided, aims).tolist(), strict=True):
        want = {"untargeted": 1 - label, "hide": 0, "invent": 1, "targeted Normal": 0, "targeted Pneumonia": 1}[text]
        gap = yes - no - bar
        assert said == int(gap >= 0)
        assert found == pytest.approx(gap if want else -gap, abs=1e-5)
        assert reached == (said == want)
    kinds = {"untargeted": [0, 1], "hide": [1], "targeted Normal": [1], "invent": [0], "targeted Pneumonia": [0]}
    assert goal.applies(BINARY, torch.tensor([0, 1, UNKNOWN])).tolist() == [
        0 in kinds[text], 1 in kinds[text], False]


@pytest.mark.parametrize("text", ["untargeted", "untargeted a|b", "hide c", "targeted b", "invent b"])
def test_of_several_classes_one_is_left_or_reached(text):
    goal = goal_from(text)
    aims, decided = goal.aims(SINGLE, LABELS), decisions_of(LOGITS, SINGLE)
    applies = goal.applies(SINGLE, LABELS).tolist()
    for place, (scores, label) in enumerate(zip(LOGITS.tolist(), LABELS.tolist(), strict=True)):
        name, left = NAMES[label], goal.kind in (GoalKind.UNTARGETED, GoalKind.HIDE)
        assert applies[place] == ((not goal.findings or name in goal.findings) if left else name != "b")
        about = label if left else 1
        best = max(score for other, score in enumerate(scores) if other != about)
        gap = best - scores[about] if left else scores[about] - best
        assert goal.margin(SINGLE, LOGITS, aims)[place].item() == pytest.approx(gap, abs=1e-5)
        assert bool(goal.reached(SINGLE, decided, aims)[place]) == (gap > 0)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["hide", "invent", "untargeted", "hide a keep"]), st.integers(0, 10**6))
def test_a_margin_above_zero_is_a_goal_reached(text, seed):
    goal, stream = goal_from(text), generator("seeds", seed)
    logits, labels = 3 * torch.randn(8, 5, generator=stream), torch.randint(-1, 2, (8, 5), generator=stream)
    aims = goal.aims(MANY, labels, torch.randint(0, 2, (8, 5), generator=stream))
    sensible = goal.applies(MANY, labels)
    reached = goal.reached(MANY, decisions_of(logits, MANY), aims)
    assert torch.equal(reached[sensible], goal.margin(MANY, logits, aims)[sensible] > 0)


def test_a_goal_is_written_as_it_is_read():
    for text in ("untargeted", "hide", "hide a|b", "invent Pleural Effusion keep", "targeted Normal", "hide keep"):
        assert repr(goal_from(text)) == text == written_goal(text) == written_goal(goal_from(text))
    with pytest.raises(UnknownNameError, match="unknown goal 'hid'; did you mean 'hide'"):
        ATTACKS.create("pgd", goal="hid a")
    assert ATTACKS.create("pgd", goal=Goal(GoalKind.HIDE)).goal == "hide"


@pytest.mark.parametrize(("task", "text", "why"), [
    ("multiclass", "hide", "names the classes to hide"), ("multiclass", "targeted", "names one class, got none"),
    ("multiclass", "invent a|b", r"names one class, got a, b"), ("multiclass", "hide a keep", "no other findings"),
    ("multilabel", "targeted a", "several findings at once"), ("multilabel", "untargeted keep", "no other findings"),
    ("multiclass", "hide Mas", "unknown finding of the goal hide Mas")])
def test_a_goal_that_makes_no_sense_is_refused_in_one_sentence(task, text, why):
    with pytest.raises((PlanError, UnknownNameError), match=why):
        goal_from(text).check(card_of(task))
    with pytest.raises(PlanError, match="what model 'm' finds is 'Pneumonia'"):
        goal_from("hide Normal").check(BINARY)


def test_images_on_which_a_goal_makes_no_sense_are_refused():
    victim = tiny_classifier(("Normal", "Pneumonia"))
    victim.card = victim.card.model_copy(update={"task": Task.BINARY})
    batch = Batch(smooth_images(3), torch.tensor([1, 0, UNKNOWN]), ("a", "b", "c"))
    with pytest.raises(PlanError, match="the goal hide makes no sense for 2 of 3 images"):
        list(run_attack(PGD(goal="hide"), victim, batch, seed=1, step="x", strengths=[0.1]))
    (outcome,) = run_attack(PGD(goal="hide"), victim, batch.only(torch.tensor([True, False, False])), seed=1, step="x",
                            strengths=[0.1])
    assert outcome.success.tolist() == [True]


def test_what_is_kept_is_asked_once_and_counted():
    victim = tiny_classifier()
    victim.card = victim.card.model_copy(update={"task": Task.MULTILABEL})
    images = smooth_images(4)
    batch = Batch(images, 1 - victim.predict(images), tuple("wxyz"))
    chosen = goal_from("invent a").applies(victim.card, batch.labels)
    free, kept = (next(iter(run_attack(PGD(goal=goal, steps=3), victim, batch.only(chosen), seed=1, step="x",
                                       strengths=[0.05]))) for goal in ("invent a", "invent a keep"))
    assert kept.cost.queries - free.cost.queries == int(chosen.sum()) > 0


def test_the_gradient_is_that_of_finite_differences():
    victim, image = tiny_classifier(size=8), smooth_images(1, 8)
    label = torch.tensor([1])
    found = image_gradient(victim, image, label)
    for row, column in ((0, 0), (3, 5), (7, 7)):
        step = torch.zeros_like(image)
        step[0, 0, row, column] = 1e-2
        high, low = (margin(victim.logits(image + sign * step), label).item() for sign in (1, -1))
        assert found[0, 0, row, column].item() == pytest.approx((high - low) / 2e-2, rel=0.02, abs=2e-4)


def test_an_image_has_the_same_gradient_alone_and_among_others():
    victim, images, labels = tiny_classifier(), smooth_images(4), torch.tensor([0, 1, 2, 0])
    together = image_gradient(victim, images, labels)
    for place in range(4):
        alone = image_gradient(victim, images[place:place + 1], labels[place:place + 1])
        torch.testing.assert_close(together[place:place + 1], alone, atol=1e-6, rtol=1e-4)


def test_it_works_where_gradients_are_switched_off_and_leaves_no_trace():
    victim, images, labels = tiny_classifier(), smooth_images(2), torch.tensor([0, 1])
    with torch.no_grad():
        gradient = image_gradient(victim, images, labels)
    assert gradient.abs().max() > 0
    assert not gradient.requires_grad
    assert not images.requires_grad
    assert all(weight.grad is None and not weight.requires_grad for weight in victim.module.parameters())


@pytest.mark.slow
@given(st.sampled_from(list(GoalKind)), st.lists(st.text(min_size=1), max_size=3), st.booleans())
@settings(max_examples=50)
def test_a_goal_is_read_as_it_was_written_whatever_its_findings_are_called(kind, names, keep):
    goal = Goal(kind, tuple(names), keep)
    assert goal_from(repr(goal)) == goal


@pytest.mark.parametrize("name", ["keep", "Mass keep", "A|B", '"quoted"', " Mass", "Mass, left", "line\nbreak", "🫁"])
def test_findings_of_odd_names_are_attacked_as_they_are_called(name):
    card = card_of("multilabel", (name, "other"))
    again = goal_from(repr(Goal(GoalKind.HIDE, (name,), keep=True)))
    assert (again.findings, again.keep) == ((name,), True)
    assert again.aims(card, torch.tensor([[1, 1]]), torch.tensor([[1, 0]])).tolist() == [[0, 0]]
