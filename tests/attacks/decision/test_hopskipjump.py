"""HopSkipJump: distances known in closed form, a peer, every goal, files, budgets, memory."""

from __future__ import annotations

import pytest
import torch
from decision_victims import SIDE, central, closed_form, distances, found_by, linear
from torch.utils._python_dispatch import TorchDispatchMode

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.decision import normals as normals_file
from radversary.attacks.decision.asking import Questions
from radversary.attacks.decision.boundary import BoundaryAttack
from radversary.attacks.decision.hopskipjump import HopSkipJump
from radversary.attacks.goal import Goal, goal_from
from radversary.attacks.metering import Ledger, metered
from radversary.attacks.problem import CHUNK, Problem, problem_of
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Access, Norm
from radversary.imaging.intensity import quantise

ATTACKS = [HopSkipJump(queries=200), HopSkipJump(queries=200, norm="linf"), BoundaryAttack(queries=200)]
GOALS = [("multiclass", "untargeted"), ("multiclass", "targeted c"), ("multiclass", "hide a|b"),
         ("multiclass", "invent c"), ("binary", "untargeted"), ("binary", "targeted b"), ("binary", "hide"),
         ("binary", "invent"), ("multilabel", "untargeted"), ("multilabel", "hide"), ("multilabel", "hide b keep"),
         ("multilabel", "invent"), ("multilabel", "invent b|c")]


@pytest.mark.parametrize(("norm", "queries", "most"), [
    ("l2", 2000, 1.06), pytest.param("l2", 4000, 1.03, marks=pytest.mark.slow),
    pytest.param("linf", 4000, 1.08, marks=pytest.mark.slow)])
def test_the_nearest_point_of_a_linear_victim_is_found(norm, queries, most):
    victim, images = linear(), central()
    attacked, _ = found_by(HopSkipJump(norm=norm, queries=queries), victim, images, victim.predict(images))
    assert (victim.predict(attacked) != victim.predict(images)).all()
    further = distances(attacked, images, norm) / closed_form(victim, images, norm)
    assert (further > 0.999).all()
    assert (further < most).all()


def labelled(victim, images, goal):
    """Labels that are what the victim reads, where the goal makes sense; and the images that it does for."""
    labels = victim.predict(images)
    applies = goal.applies(victim.card, labels) & ~reached(victim, images, goal, labels)
    return images[applies], labels[applies]


def reached(victim, images, goal, labels, before=None):
    aims = goal.aims(victim.card, labels, victim.predict(images if before is None else before) if goal.keep else None)
    return goal.reached(victim.card, victim.decide(images), aims)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{type(attack).__name__}-{attack.norm}")
@pytest.mark.parametrize(("task", "written"), GOALS)
def test_every_goal_of_every_task_is_reached_as_stored_and_nearer_than_the_start(attack, task, written):
    goal, victim = goal_from(written), linear(task, classes=2 if task == "binary" else 3)
    images, labels = labelled(victim, quantise(central(8), 8), goal)
    assert len(images)
    batch = Batch(images, labels, tuple(f"image-{place}" for place in range(len(images))), 8)
    attack = type(attack)(norm=attack.norm, queries=300, starts=100, goal=written)
    (outcome,) = run_attack(attack, victim, batch, seed=3, step="goals", strengths=[1e6])
    assert outcome.success.all()
    assert reached(victim, outcome.images, goal, labels, images).all()
    assert (outcome.l2 < 2.0).all()  # uniform noise is some 2.6 away
    assert (outcome.queries <= 300).all()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{type(attack).__name__}-{attack.norm}")
def test_what_no_image_reaches_is_not_found_and_what_is_misread_stays(attack):
    victim, images = linear("multilabel", bias=1e4), central()
    labels = torch.ones(4, 3, dtype=torch.int64)
    hidden = type(attack)(norm=attack.norm, queries=100, goal="hide")
    found, meter = found_by(hidden, victim, images, torch.zeros_like(labels))
    assert torch.equal(found, images)
    assert meter.shares(4).tolist() == [41.0] * 4  # itself, 20 starts and 20 mixtures
    found, meter = found_by(attack, victim, images, 1 - labels)
    assert torch.equal(found, images)
    assert meter.shares(4).tolist() == [1.0] * 4


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{type(attack).__name__}-{attack.norm}")
def test_what_is_found_beyond_reach_is_not_found(attack):
    victim, images = linear(), central()
    labels = victim.predict(images)
    free, _ = found_by(attack, victim, images, labels)
    far = distances(free, images, attack.norm)
    middle = far.sort().values[1:3].mean().item()
    bound, _ = found_by(attack.at(middle), victim, images, labels)
    expected = torch.where((far <= middle).reshape(-1, 1, 1, 1), free, images)
    assert torch.equal(bound, expected)
    assert 0 < int((far <= middle).sum()) < 4


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{type(attack).__name__}-{attack.norm}")
def test_the_stored_point_succeeds_and_one_pixel_less_does_not(attack, bits):
    victim, images = linear(), quantise(central(), bits)
    labels = victim.predict(images)
    found, _ = found_by(attack, victim, images, labels, bits)
    torch.testing.assert_close(quantise(found, bits), found, atol=1e-7, rtol=0)
    assert (victim.predict(found) != labels).all()
    lead = victim.logits(found).topk(2, dim=1).values.diff(dim=1).abs()[:, 0]
    scale = torch.autograd.functional.jacobian(lambda at: victim.logits(at)[0], images[:1]).flatten(1)
    one_pixel = (scale[:, None] - scale[None]).abs().amax() / (2**bits - 1)
    assert (lead <= one_pixel * 1.01).all()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{type(attack).__name__}-{attack.norm}")
@pytest.mark.parametrize("queries", [1, 2, 5, 40, 150, pytest.param(700, marks=pytest.mark.slow)])
@pytest.mark.parametrize("bits", [None, 8])
def test_no_image_takes_more_questions_than_are_declared(attack, queries, bits):
    asked = type(attack)(norm=attack.norm, queries=queries)
    victim, images = linear(), central(3)
    images = images if bits is None else quantise(images, bits)
    labels = victim.predict(images)
    labels[1] = (labels[1] + 1) % 3  # misread already
    _, meter = found_by(asked, victim, images, labels, bits)
    shares = meter.shares(3)
    assert (shares <= asked.budget.queries).all()
    assert shares[1] == 1
    if queries >= 700:
        assert (shares[[0, 2]] > 0.95 * queries).all()
    assert asked.passes == asked.budget.queries == queries
    assert asked.at(0).passes == 0


class Widest(TorchDispatchMode):
    """Notes the most numbers that any tensor holds."""

    most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for one in made if isinstance(made, (list, tuple)) else [made]:
            if isinstance(one, torch.Tensor):
                self.most = max(self.most, one.numel())
        return made


@pytest.mark.slow
def test_memory_does_not_grow_with_evaluations_and_questions_come_in_chunks():
    victim, images, seen = linear(), central(3), []
    labels, whole = victim.predict(images), victim.decide

    def decide(points):
        seen.append(len(points))
        return whole(points)

    victim.decide = decide
    widest = []
    for evals in (30, 300):
        with Widest() as mode:
            found_by(HopSkipJump(queries=500, initial_evals=evals), victim, images, labels, 8)
        widest.append(mode.most)
    assert widest[0] == widest[1]
    assert widest[0] <= 2 * CHUNK * 3 * SIDE * SIDE
    assert max(seen) == CHUNK


@pytest.mark.slow
@pytest.mark.parametrize("norm", list(Norm))
def test_the_direction_is_the_sum_of_the_papers_formula_whatever_the_chunks(norm, monkeypatch):
    victim, images = linear(), central(3)
    counts, radius = torch.tensor([40, 3, 65]), torch.full((3,), 0.05)

    def estimate():
        asked, points = questions(victim, images)
        return normals_file.normals(asked, torch.arange(3), points, radius, counts, norm), asked, points

    whole, asked, points = estimate()
    assert (asked.left == 200 - counts).all()
    for place, count in enumerate(counts.tolist()):
        stream, drawn = Streams.for_images("abc", seed=1, step="x")[place], []
        for _ in range(-(-count // normals_file.RUN)):
            shape = (normals_file.RUN, 1, SIDE, SIDE)
            drawn.append(torch.randn(shape, generator=stream) if norm == Norm.L2 else
                         2 * torch.rand(shape, generator=stream) - 1)
        unit = torch.cat(drawn)[:count]
        unit = unit / unit.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
        right = 2.0 * (victim.predict(points[place] + 0.05 * unit) != asked.problem.aims[place]) - 1
        right = right if right.std() == 0 else right - right.mean()
        expected = (right.reshape(-1, 1, 1, 1) * unit).sum(0)
        torch.testing.assert_close(whole[place], expected, atol=1e-3, rtol=1e-3)
    monkeypatch.setattr(normals_file, "CHUNK", normals_file.RUN)
    assert torch.equal(estimate()[0], whole)


def questions(victim, images):
    """Questions about images, and points around which half of the answers are yes."""
    streams = Streams.for_images("abc", seed=1, step="x")
    problem = problem_of(metered(victim, Ledger()), images, victim.predict(images), streams, goal=Goal())
    edge = HopSkipJump(queries=800).perturb(victim, images, problem.aims, Streams.for_images("abc", seed=2, step="y"))
    return Questions(problem, 200), edge


class Wavering(Classifier):
    """Decides 1 in two answers of three."""

    access = Access.LABELS

    def __init__(self, card) -> None:
        self.card, self.calls = card, 0

    def decide(self, images):
        self.calls += 1
        return torch.full((len(images),), int(self.calls % 3 != 0))


def test_most_of_several_decisions_count():
    victim, images = Wavering(linear().card), central(2)
    problem = Problem(victim, images, torch.zeros(2, dtype=torch.int64), goal_from("untargeted"),
                      Streams.for_images("ab", seed=1, step="x"), eot=3)
    for _ in range(3):
        victim.calls += 1
        assert problem.decided(images).all()
    assert victim.calls == 12
    assert HopSkipJump(queries=50, eot=3).budget.queries == 150


@pytest.mark.slow
def test_points_that_lie_exactly_at_the_reach_are_found():
    victim, images = linear(), quantise(central(24), 8)
    labels = victim.predict(images)
    full = HopSkipJump(norm="linf", queries=200).run(victim, images, labels)
    levels = (full.linf * 255).round()
    reach = float(levels.median())
    found = HopSkipJump(norm="linf", queries=200, reach=reach / 255).run(victim, images, labels)
    assert (full.linf[levels == reach] > reach / 255 * (1 + 1e-6)).any()  # by float32, not by levels
    assert torch.equal(found.success, full.success & (levels <= reach))


@pytest.mark.parametrize(("options", "said"), [
    ({"reach": -1.0}, "reach by l2 must be finite and at least 0, got -1"), ({"norm": "l1"}, "bounded by l2 or linf"),
    ({"queries": 0}, "needs queries of at least 1"), ({"starts": 0}, "needs starts of at least 1"),
    ({"initial_evals": 3}, "needs initial_evals of at least 10"), ({"max_evals": 0}, "needs max_evals of at least 10")])
def test_what_makes_no_sense_is_one_sentence(options, said):
    with pytest.raises(PlanError, match=said):
        HopSkipJump(**options)


