"""What a searching attack is given: files are what is looked at, answers are charged to their image."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from radversary.attacks import problem as problem_file
from radversary.attacks.balls import Ball, check_bound, lengths
from radversary.attacks.goal import Goal, goal_from
from radversary.attacks.metering import Ledger, about, metered
from radversary.attacks.objectives import Along, Towards, log_odds, ranked_ways, ways, ways_of
from radversary.attacks.problem import problem_of
from radversary.classifiers.card import ModelCard
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import UNKNOWN, Colour, Norm
from random_parts import smooth_images, tiny_classifier

CLASSES = ("a", "b", "c", "d", "e")
CARD = ModelCard(name="m", architecture="x", classes=CLASSES, size=8)
FINDINGS = ModelCard(name="m", architecture="x", classes=CLASSES, size=8, task="multilabel", thresholds=(0.5,) * 5)
BINARY = ModelCard(name="m", architecture="x", classes=("a", "b"), size=8, task="binary", thresholds=(0.9,))
GOALS = [(CARD, Goal()), (CARD, goal_from("targeted c")), (CARD, goal_from("hide a|b|c|d|e")), (BINARY, Goal()),
         (BINARY, goal_from("invent")), (FINDINGS, Goal()), (FINDINGS, goal_from("hide")),
         (FINDINGS, goal_from("invent b|c"))]


def aims_for(card, goal, count=64, seed=0):
    drawn = torch.Generator().manual_seed(seed)
    if card.task == "multilabel":
        labels = torch.randint(-1, 2, (count, 5), generator=drawn)
        labels[:, 0], labels[:, 1] = 1, 0  # something to hide and something to invent
    else:
        labels = torch.randint(0, len(card.classes), (count,), generator=drawn)
    logits = 4 * torch.randn(count, len(card.classes), generator=drawn)
    return logits, goal.aims(card, labels)


@pytest.mark.parametrize(("card", "goal"), GOALS, ids=str)
def test_the_greatest_way_is_the_margin(card, goal):
    logits, aims = aims_for(card, goal)
    found = ways(goal, card, logits, aims)
    torch.testing.assert_close(found.amax(1), goal.margin(card, logits, aims))
    assert (found.isfinite().sum(1) <= ways_of(goal, card)).all()


@pytest.mark.parametrize(("card", "goal"), GOALS, ids=str)
def test_log_odds_are_the_margin_of_large_logits_and_never_underflow(card, goal):
    logits, aims = aims_for(card, goal)
    scaled = (1e4 * logits).requires_grad_()
    odds = log_odds(goal, card, scaled, aims)
    torch.testing.assert_close(odds / 1e4, goal.margin(card, scaled, aims) / 1e4, atol=1e-3, rtol=1e-3)
    (slope,) = torch.autograd.grad(odds.sum(), scaled)
    assert (slope.abs().amax(1) > 0.1).all()


def test_log_odds_rise_with_the_cross_entropy():
    logits, aims = aims_for(CARD, Goal())
    torch.testing.assert_close(log_odds(Goal(), CARD, logits, aims).exp().log1p(),
                               F.cross_entropy(logits, aims, reduction="none"))
    wanted = goal_from("targeted c")
    aims = torch.full_like(aims, 2)
    torch.testing.assert_close((-log_odds(wanted, CARD, logits, aims)).exp().log1p(),
                               F.cross_entropy(logits, aims, reduction="none"))


def test_the_ratio_of_logits_is_that_of_its_authors_and_knows_no_scale():
    logits, aims = aims_for(CARD, Goal())
    chosen = (aims + 2) % 5
    ranked = logits.sort(1, descending=True).values
    rows = torch.arange(len(aims))
    expected = (logits[rows, chosen] - logits[rows, aims]) / (ranked[:, 0] - (ranked[:, 2] + ranked[:, 3]) / 2)
    torch.testing.assert_close(Towards(chosen)(Goal(), CARD, logits, aims), expected)
    torch.testing.assert_close(Towards(chosen)(Goal(), CARD, 50 * logits, aims), expected)


def test_no_finding_of_no_interest_is_a_way():
    logits, aims = aims_for(FINDINGS, Goal())
    assert torch.equal(ways(Goal(), FINDINGS, logits, aims) == -torch.inf, aims == UNKNOWN)


@pytest.mark.parametrize(("card", "goal"), GOALS, ids=str)
def test_ways_are_ranked_and_what_is_none_is_left_out(card, goal):
    logits, aims = aims_for(card, goal)
    ranked, along = ranked_ways(goal, card, logits, aims, 3), ways(goal, card, logits, aims)
    assert ranked.shape[1] == min(3, ways_of(goal, card))
    assert torch.equal((ranked >= 0).sum(1), along.isfinite().sum(1).clamp(max=3))
    torch.testing.assert_close(Along(ranked[:, 0])(goal, card, logits, aims), goal.margin(card, logits, aims))
    values = along.gather(1, ranked.clamp_min(0)).where(ranked >= 0, -torch.inf)
    assert torch.equal(values, values.sort(1, descending=True).values)


@pytest.mark.parametrize("norm", list(Norm))
def test_what_is_projected_lies_in_the_ball_and_what_lay_there_stays(norm):
    images = smooth_images(4, channels=3)
    ball = Ball(norm, {Norm.LINF: 0.1, Norm.L2: 2.0}[norm])
    points = images + 0.4 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    inside = ball.project(points, images)
    far = (inside - images).flatten(1).abs().amax(1) if norm == Norm.LINF else lengths(inside - images).flatten()
    assert (far <= ball.epsilon + 1e-5).all()
    assert 0 <= inside.min() <= inside.max() <= 1
    torch.testing.assert_close(ball.project(inside, images), inside, atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_steepest_direction_has_length_one_at_any_scale(scale):
    gradient = scale * torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(lengths(Ball(Norm.L2, 1.0).steepest(gradient)).flatten(), torch.ones(3))
    assert Ball(Norm.L2, 1.0).steepest(torch.zeros(1, 1, 2, 2)).abs().sum() == 0


@pytest.mark.parametrize(("norm", "epsilon", "bits", "said"), [
    ("linf", 3.0, 16, r"epsilon must lie in \[0, 1\], got 3.0; a bound by l2 may be greater"),
    ("l2", -1.0, 16, "by l2 must be finite and at least 0"), ("l2", torch.inf, 16, "by l2 must be finite"),
    ("linf", 0.001, 8, "below the quantisation step of 8-bit images"),
    ("l2", 0.003, 8, "below the quantisation step of 8-bit images")])
def test_a_bound_that_is_none_is_one_sentence(norm, epsilon, bits, said):
    with pytest.raises(PlanError, match=said):
        check_bound(Norm(norm), epsilon, bits)


def problem(images, colour=Colour.GREY, bits=8, ball=None, eot=1):
    ledger = Ledger()
    victim = metered(tiny_classifier(), ledger, bits)
    names = [f"image-{place}" for place in range(len(images))]
    streams = Streams.for_images(names, seed=7, step="problem")
    aims = torch.arange(len(images)) % 3
    return problem_of(victim, images, aims, streams, goal=Goal(), colour=colour, ball=ball, eot=eot), ledger


def test_what_is_looked_at_is_what_a_file_holds_of_each_images_depth():
    images = smooth_images(3)
    given, _ = problem(images, bits=torch.tensor([2, 8, 12]))
    for place, bits in enumerate((2, 8, 12)):
        codes = given.saved(images)[place] * (2**bits - 1)
        torch.testing.assert_close(codes, codes.round(), atol=1e-3, rtol=0)
    chosen = torch.tensor([2, 0, 0])
    torch.testing.assert_close(given.only(chosen).saved(images[chosen]), given.saved(images)[chosen])


def test_rounding_stays_inside_an_l_infinity_ball():
    images = (smooth_images(2) * 255).round() / 255
    given, _ = problem(images, ball=Ball(Norm.LINF, 2.6 / 255))
    stored = given.saved(given.inside(images + 0.5))
    assert (stored - images).abs().max() <= 2 / 255 + 1e-6


def test_the_gradient_is_that_of_the_stored_point_whatever_the_parts(monkeypatch):
    images = smooth_images(7)
    whole = problem(images)[0].look(images, log_odds)
    monkeypatch.setattr(problem_file, "CHUNK", 3)
    given, ledger = problem(images)
    parts = given.look(images, log_odds)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)
    meter = ledger.settle(1.0)
    assert (meter.queries, meter.gradients, meter.shares(7).tolist()) == (7, 7, [1.0] * 7)
    at = given.saved(images).requires_grad_()
    odds = log_odds(Goal(), given.classifier.card, given.classifier.logits(at), given.aims)
    (slope,) = torch.autograd.grad(odds.sum(), at)
    torch.testing.assert_close(parts.gradient, slope)


def test_answers_are_charged_to_the_images_that_they_are_about():
    images = smooth_images(4)
    given, ledger = problem(images)
    some = given.only(torch.tensor([1, 3]))
    some.margin(images[[1, 3]])
    some.only(torch.tensor([1, 1])).decided(images[[3, 3]])
    assert ledger.settle(1.0).shares(4).tolist() == [0, 1, 0, 3]


def test_an_attack_that_tells_nothing_is_charged_evenly():
    ledger = Ledger()
    victim = metered(tiny_classifier(), ledger)
    victim.logits(smooth_images(3))
    about(victim, torch.tensor([2])).logits(smooth_images(1))
    assert ledger.settle(1.0).shares(3).tolist() == [1, 1, 2]


@pytest.mark.parametrize("colour", list(Colour))
def test_grey_changes_all_channels_alike(colour):
    given, _ = problem(smooth_images(3, channels=3), colour=colour)
    for change in (given.uniform(-1, 1), given.normal(), given.look(given.images).gradient):
        same = torch.equal(change[:, 0], change[:, 2])
        assert same == (colour == Colour.GREY)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_an_image_gets_the_same_bits_whatever_stands_beside_it(count):
    from radversary.classifiers.networks import build_network
    from radversary.classifiers.torch_module import wrap

    victim = wrap(build_network("resnet18", classes=3), classes=("a", "b", "c"), size=64)
    images = smooth_images(8, size=64)
    names = [f"image-{place}" for place in range(8)]
    streams = Streams.for_images(names, seed=7, step="problem")
    given = problem_of(metered(victim, Ledger(), 8), images, torch.arange(8) % 3, streams, goal=Goal())
    together = given.look(images)
    alone = given.only(torch.arange(count)).look(images[:count])
    assert torch.equal(together.gradient[:count], alone.gradient)
    assert torch.equal(together.margin[:count], alone.margin)
