"""Checks of the measurement: what follows from figures, the probes on models of closed form, and what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from planted import SaidNoisy
from tiny_audit import NOISE, make_plan
from torch import nn

from radversary.attacks.base import Batch
from radversary.attacks.gradient.apgd import AutoPGD
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.registry import ATTACKS
from radversary.auditing.batteries import entries
from radversary.auditing.cells import Cell, OutcomeSummary
from radversary.auditing.findings import findings_of
from radversary.auditing.measurement.bench import Bench, nearest
from radversary.auditing.measurement.checks import (
    RULES,
    MeasurementCheck,
    Sign,
    Verdict,
    check,
    is_beyond,
    not_applicable,
)
from radversary.auditing.measurement.measured import Target, probe_key, read_probes, rerun, telling
from radversary.auditing.measurement.probes import (
    COMPARED,
    OWN_ATTACKS,
    PASSES,
    PROBED,
    QUERIES,
    Planned,
    compared,
    probed,
)
from radversary.auditing.measurement.signs import signs_of, together
from radversary.auditing.measurement.watching import WatchedVictim, gradients_watched
from radversary.auditing.run import run_audit
from radversary.auditing.setup import condition_of
from radversary.auditing.threat_model import EXPECTATION
from radversary.classifiers.torch_module import wrap
from radversary.core.seeds import generator
from radversary.core.types import AttackerKnowledge, Budget, Estimate, Norm
from radversary.defenses.defended import Defended
from radversary.metrics.performance import PairedTest, Performance
from radversary.storage import hashes

SIDE, COUNT = 4, 24


def linear(factor: float = 1.0) -> nn.Module:
    """A line through the middle grey: the first half of the pixels against the second."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 2, bias=False))
    half = torch.cat([torch.ones(SIDE * SIDE // 2), -torch.ones(SIDE * SIDE // 2)])
    with torch.no_grad():
        network[1].weight.copy_(factor * torch.stack([half, -half]))
    return network


def bench_of(network: nn.Module, *, gap: float = 0.02) -> Bench:
    """Images whose halves differ by a multiple of ``gap``, so that what a bound turns can be counted by hand."""
    core = wrap(network, classes=("a", "b"), size=SIDE, name="made", mean=(0.0,), std=(1.0,))
    images = torch.full((COUNT, 1, SIDE, SIDE), 0.5)
    images[:, :, : SIDE // 2] += gap * torch.arange(1, COUNT + 1)[:, None, None, None] / 2
    own = 0.4 * torch.rand(COUNT, 1, SIDE // 2, SIDE, generator=generator(1, "apart")) - 0.2
    images = ((images + torch.cat([own, own], 2)) * 255).round() / 255  # what both halves share, the line does not see
    labels = torch.zeros(COUNT, dtype=torch.int64)
    names = tuple(f"{place:02d}" for place in range(COUNT))
    return Bench(core, Batch(images, labels, names, 8), names, seed=1, draws=100)


def by_kind(checks) -> dict[Sign, MeasurementCheck]:
    return {item.kind: item for item in checks}


def test_every_sign_has_a_rule_with_a_source_and_something_to_do():
    assert set(RULES) == set(Sign)
    assert all(rule.question.endswith("?") and rule.advice.endswith(".") and "arXiv:" in rule.source
               for rule in RULES.values())


@pytest.mark.parametrize(("count", "images", "said"), [(0, 24, False), (1, 24, False), (1, 4, False), (2, 24, True),
                                                       (2, 100, False), (3, 100, True)])
def test_one_image_is_no_verdict(count, images, said):
    assert is_beyond(count, images, 0.02) is said


@pytest.mark.slow
def test_a_line_is_sound_and_every_probe_is_made():
    found = by_kind(probed(bench_of(linear()), "none", Planned("pgd", PGD(epsilon=30 / 255, steps=10))))
    assert list(found) == list(PROBED)
    assert {item.verdict for item in found.values()} == {Verdict.FINE}
    assert all(item.figure == item.value or item.figure.n == COUNT for item in found.values())


@pytest.mark.slow
def test_scores_that_are_multiplied_saturate_and_nothing_else():
    found = by_kind(probed(bench_of(linear(1000.0)), "none", Planned("pgd", PGD(epsilon=30 / 255, steps=10))))
    assert {kind for kind, item in found.items() if item.verdict == Verdict.SUSPECT} == {Sign.SATURATED}
    logits = bench_of(linear(1000.0)).logits(bench_of(linear()).batch.images)
    exact = (logits.softmax(1).amax(1) == 1).float().mean()
    assert found[Sign.SATURATED].figure.value == pytest.approx(float(exact))


class Staircase(nn.Module):
    """A line behind a rounding: its gradient is zero."""

    def forward(self, inputs):
        return linear()(torch.round(inputs * 8) / 8)


class Backwards(nn.Module):
    """A line whose gradient has the wrong sign."""

    def forward(self, inputs):
        answer = linear()(inputs)
        return 2 * answer.detach() - answer


class Restless(nn.Module):
    """A line that draws."""

    def forward(self, inputs):
        answer = linear()(inputs)
        return answer + 0.1 * torch.randn_like(answer)


class Inward(nn.Module):
    """A line that computes a gradient of its own."""

    def forward(self, inputs):
        with torch.enable_grad():
            at = inputs.detach().requires_grad_()
            torch.autograd.grad(at.sum(), at)
        return linear()(inputs)


class Cut(nn.Module):
    """A line that detaches its images."""

    def forward(self, inputs):
        return linear()(inputs.detach())


BLIND = {Sign.NOT_UPHILL, Sign.UNREACHED, Sign.UNFINISHED, Sign.SILENT_SUCCESS, Sign.SINGLE_STEP, Sign.BLACK_BOX}


@pytest.mark.slow
@pytest.mark.parametrize(("network", "suspect", "left"), [
    (Restless, {Sign.UNSTABLE_ANSWERS}, BLIND), (Cut, {Sign.NO_GRADIENT}, BLIND), (Staircase, set(), BLIND),
    (Inward, {Sign.INNER_GRADIENTS}, set())])
def test_a_fault_is_said_once_and_what_it_hides_is_not_asked(network, suspect, left):
    found = by_kind(probed(bench_of(network()), "none", Planned("pgd", PGD(epsilon=30 / 255, steps=10))))
    assert {kind for kind, item in found.items() if item.verdict == Verdict.SUSPECT} == suspect
    assert {kind for kind, item in found.items() if item.verdict == Verdict.NOT_APPLICABLE} == left


@pytest.mark.slow
def test_a_gradient_of_the_wrong_sign_disagrees_on_every_image():
    found = by_kind(probed(bench_of(Backwards()), "none", None))
    assert (found[Sign.NOT_UPHILL].verdict, found[Sign.NOT_UPHILL].value) == (Verdict.SUSPECT, 1.0)
    assert found[Sign.UNREACHED].verdict == Verdict.SUSPECT
    assert found[Sign.UNFINISHED].verdict == Verdict.NOT_APPLICABLE


def test_what_a_longer_attack_and_a_step_find_is_counted_by_hand():
    """Halves differ by k half gaps; a bound e closes a difference of 2 e. Two steps of a tenth close a tenth of it."""
    bench, epsilon = bench_of(linear()), 30 / 255
    films = bench.batch.images.flatten(1)
    difference = (films[:, 0] - films[:, SIDE * SIDE // 2]).double()
    lazy = PGD(epsilon=epsilon, steps=2, reach=0.1, random_start=False)
    found = by_kind(compared(bench, "none", Planned("pgd", lazy)))
    step = ((difference < 2 * epsilon - 1e-6) & (difference > 2 * 0.1 * epsilon + 1 / 255)).sum()
    assert round(found[Sign.SINGLE_STEP].value * COUNT) == pytest.approx(int(step), abs=1)
    assert found[Sign.SINGLE_STEP].verdict == Verdict.SUSPECT
    assert found[Sign.BLACK_BOX].verdict == Verdict.SUSPECT
    assert found[Sign.SILENT_SUCCESS].verdict == Verdict.FINE


@pytest.mark.slow
def test_behind_declared_chance_no_two_runs_are_compared():
    bench = bench_of(linear())
    random = replace(bench, core=Defended(bench.core, SaidNoisy(size=0.05)))
    attack = AutoPGD(epsilon=10 / 255, steps=9, eot=EXPECTATION)
    found = by_kind(probed(random, "noise", Planned("apgd", attack)))
    assert {kind for kind, item in found.items() if item.verdict == Verdict.NOT_APPLICABLE} == set(COMPARED)
    assert {kind for kind, item in found.items() if item.verdict == Verdict.SUSPECT} == set()
    assert "draws at random" in found[Sign.SILENT_SUCCESS].sentence


EPSILONS = (1 / 255, 2 / 255)


def told_by(**reached: tuple[float, float, int]) -> Planned | None:
    """What is compared of attacks that reach so much at the two bounds, on so many images."""
    attacks = {label: ATTACKS.create(label) for label in reached}
    runs = tuple((label, attack, ((AttackerKnowledge.ADAPTIVE, ("none",)),)) for label, attack in attacks.items())
    context = SimpleNamespace(attacks={label: SimpleNamespace(strengths=EPSILONS) for label in attacks})
    outcomes = [OutcomeSummary(condition=condition_of(label, attacks[label].at(epsilon), AttackerKnowledge.ADAPTIVE),
                               target="none", success=Estimate(share, share - 0.1, share + 0.1, images), linf=epsilon,
                               l2=1.0, queries=1.0, gradients=1.0, zero_gradients=0.0)
                for label, (*shares, images) in reached.items()
                for epsilon, share in zip(EPSILONS, shares, strict=True)]
    return telling(context, Target("none", bench_of(linear()).core, runs), outcomes)


def test_of_a_set_of_attacks_that_is_too_dear_the_first_is_compared():
    first = told_by(**{"auto-attack": (0.4, 0.9, 100)})
    assert (type(first.attack), first.attack.epsilon) == (AutoPGD, EPSILONS[0])
    assert first.title == "the first of auto-attack, ε 1/255 (AutoPGD)"
    assert first.whole == ATTACKS.create("auto-attack").at(EPSILONS[0])
    again = rerun(Planned("set", ATTACKS.create("auto-attack", steps=1000)))
    assert (again.title, again.attack.passes) == ("the first of set (AutoPGD) at 199 of 1000 steps", PASSES)


@pytest.mark.parametrize(("name", "options", "title"), [
    ("pgd", {"steps": 1000}, "a at 200 of 1000 steps"),
    ("pgd-l2", {"steps": 60, "restarts": 5}, "a at 3 of 5 restarts"),
    ("apgd-t", {}, "a at 21 of 100 steps"), ("pgd", {"steps": 300, "eot": 5}, "a at 40 of 300 steps")])
def test_of_an_attack_that_is_too_dear_less_is_compared_within_its_bound(name, options, title):
    whole = ATTACKS.create(name, **options)
    part = rerun(Planned("a", whole))
    assert (part.title, type(part.attack), part.whole) == (title, type(whole), whole)
    assert part.attack.passes <= PASSES < whole.passes
    assert (part.attack.budget.norm, part.attack.budget.epsilon) == (whole.budget.norm, whole.budget.epsilon)


def test_an_attack_that_takes_no_more_steps_than_few_is_not_cut_to_fewer():
    assert rerun(Planned("a", ATTACKS.create("stm", copies=100))) is None
    whole = ATTACKS.create("pgd")
    assert rerun(Planned("a", whole)) == Planned("a", whole)


@pytest.mark.slow
def test_what_is_found_beyond_a_part_of_an_attack_counts_if_the_whole_leaves_it_too():
    lazy, whole = (PGD(epsilon=30 / 255, steps=steps, reach=reach, random_start=False)
                   for steps, reach in ((2, 0.1), (20, 2.5)))
    part, alone, idle = (by_kind(compared(bench_of(linear()), "none", Planned("pgd", lazy, whole=more)))
                         for more in (whole, None, lazy))
    assert (alone[Sign.UNFINISHED].verdict, idle[Sign.UNFINISHED].verdict) == (Verdict.SUSPECT, Verdict.SUSPECT)
    assert (part[Sign.UNFINISHED].value, part[Sign.UNFINISHED].verdict) == (0.0, Verdict.FINE)


class Counting(nn.Module):
    """A line that counts the images that it is asked about, copies by which a batch is filled up aside."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.asked = linear(), 0

    def forward(self, inputs):
        self.asked += len(inputs.unique(dim=0))
        return self.line(inputs)


@pytest.mark.slow
def test_what_takes_long_is_tried_on_those_nearest_to_an_error():
    """On 24 images on 8: twice 20 steps of two attacks, and 200 queries, where all of them would ask thousands."""
    network, attack = Counting(), PGD(epsilon=1 / 255, steps=20)
    checks, asked = [], []
    for item in compared(bench_of(network), "none", Planned("pgd", attack)):
        checks.append(item)
        asked.append(network.asked)
    assert {item.verdict for item in checks} == {Verdict.FINE}
    own = 20 * COUNT + 2 * COUNT  # its steps, and what it is judged by
    assert asked[0] <= own + 8 * (40 + 2 + 41 + 2)
    assert 8 * 190 < asked[3] - asked[2] <= 8 * (QUERIES + 2)


def test_the_nearest_to_an_error_are_those_that_a_little_more_turns():
    margin = torch.tensor([-3.0, 1.0, -0.5, torch.inf, -2.0, 0.0])
    assert nearest(margin, 3).nonzero()[:, 0].tolist() == [2, 4, 5]
    assert nearest(margin, 10).nonzero()[:, 0].tolist() == [0, 2, 4, 5]
    assert not nearest(margin[1:2], 3).any()


def test_an_attack_that_another_beats_does_not_stand_for_it():
    beaten = told_by(**{"auto-attack": (0.4, 0.9, 100), "stm": (0.3, 0.5, 100)})
    assert (type(beaten.attack), beaten.attack.epsilon) == (AutoPGD, EPSILONS[0])
    few = told_by(**{"auto-attack": (0.4, 0.9, 100), "stm": (0.45, 0.55, 50)})  # on half the images, by their choice
    assert type(few.attack) is AutoPGD
    better = told_by(**{"auto-attack": (0.4, 0.9, 100), "stm": (0.45, 0.9, 100)})
    assert (type(better.attack), better.attack.epsilon) == (type(ATTACKS.create("stm")), EPSILONS[0])
    dear = told_by(**{"pgd": (0.2, 0.3, 100), "apgd-t": (0.4, 0.5, 100)})  # 1,819 passes
    assert dear.title == "apgd-t, ε 2/255 at 21 of 100 steps"


@pytest.mark.parametrize("battery", ["quick", "standard", "full"])
def test_every_battery_has_an_attack_that_is_compared(battery):
    main = [entry for entry in entries(battery) if entry["name"] in ("apgd", "auto-attack")]
    assert main
    for entry in main:
        attack = ATTACKS.create(entry["name"], **entry.get("options", {}))
        assert all(rerun(Planned("main", attack.at(strength))) is not None for strength in entry["strengths"])


@pytest.mark.slow
@pytest.mark.parametrize("attack", OWN_ATTACKS)
def test_probes_are_kept_for_the_code_of_their_own_attacks(attack, monkeypatch):
    plan, real = make_plan(), hashes._source
    before = probe_key(plan, "k")
    assert probe_key(plan, "k") == before != probe_key(plan, "other")
    monkeypatch.setattr(hashes, "_source", lambda name: real(name) + "# changed" * (name == attack.__module__))
    assert probe_key(plan, "k") != before


class Forgetful(PGD):
    """PGD that hands over its original, whatever it found."""

    def climb(self, classifier, images, aims, streams):
        super().climb(classifier, images, aims, streams)
        return images


@pytest.mark.slow
def test_a_success_that_is_thrown_away_is_counted():
    good, bad = (by_kind(compared(bench_of(linear()), "none", Planned("pgd", kind(epsilon=30 / 255, steps=10))))
                 for kind in (PGD, Forgetful))
    assert (good[Sign.SILENT_SUCCESS].value, good[Sign.SILENT_SUCCESS].verdict) == (0.0, Verdict.FINE)
    assert (bad[Sign.SILENT_SUCCESS].value > 0.3, bad[Sign.SILENT_SUCCESS].verdict) == (True, Verdict.SUSPECT)


def test_a_watched_victim_knows_the_originals_of_points_in_any_order():
    bench = bench_of(linear())
    bound = Budget(norm=Norm.LINF, epsilon=0.05)
    watched = WatchedVictim(bench.core, bench.batch.images, bench.batch.labels, bound)
    points = bench.batch.images[torch.tensor([7, 2])].clone()
    points[1, :, : SIDE // 2] -= 0.05  # within the bound of the third, and misread
    assert watched.logits(points).shape == (2, 2)
    assert watched.misread.nonzero()[:, 0].tolist() == [2]
    twins = WatchedVictim(bench.core, bench.batch.images[[2, 2]], bench.batch.labels[:2], bound)
    twins.logits(points[1:])
    assert not twins.misread.any()  # nobody knows whose it is


def test_gradients_are_noted_however_they_are_asked_for_and_work_as_before():
    from torch.autograd import grad

    before = torch.autograd.grad
    for ask in (lambda value, at: grad(value, at), lambda value, at: torch.autograd.grad(value, at),
                lambda value, _: value.backward()):
        at = torch.ones(1, requires_grad=True)
        with gradients_watched() as seen:
            ask(3 * at, at)
        assert seen
    with gradients_watched() as seen:
        torch.ones(1) * 2
    assert not seen
    assert torch.autograd.grad is before


def figures(name: str, right: float, *, epsilon: float = 8 / 255, n: int = 400, defence: str = "none",
            knowledge: AttackerKnowledge = AttackerKnowledge.ADAPTIVE, **options) -> Cell:
    half = 1.96 * np.sqrt(max(right * (1 - right), 1e-9) / n)
    share = Estimate(right, right - half, right + half, n)
    change = Estimate(right - 0.9, right - 0.9 - half, right - 0.9 + half, n)
    return Cell(condition=condition_of(name, ATTACKS.create(name, **options).at(epsilon), knowledge), defence=defence,
                performance=Performance(share, share, share, share, None, (), ((1, 0), (0, 1))),
                against_clean=PairedTest(change, 0, 0, 0.5))


def signs(*cells: Cell, defences=("none",)) -> dict[Sign, MeasurementCheck]:
    return by_kind(signs_of(cells, [], findings_of(cells), suspicions={}, defences=defences,
                            single_steps=frozenset({"fgsm"})))


@pytest.mark.parametrize(("large", "verdict"), [(0.7, Verdict.SUSPECT), (0.52, Verdict.FINE), (0.3, Verdict.FINE)])
def test_a_larger_bound_must_not_leave_more_right(large, verdict):
    found = signs(figures("pgd", 0.5, epsilon=4 / 255), figures("pgd", large))[Sign.NOT_MONOTONE]
    assert (found.verdict, found.figure) == (verdict, pytest.approx(large - 0.5))
    assert ("leaves more right than pgd, ε 4/255" in found.sentence) == (verdict == Verdict.SUSPECT)


def test_bounds_of_other_attacks_and_attackers_are_not_set_against_each_other():
    found = signs(figures("pgd", 0.5, epsilon=4 / 255), figures("stm", 0.9),
                  figures("pgd", 0.9, knowledge=AttackerKnowledge.TRANSFER))
    assert found[Sign.NOT_MONOTONE].verdict == Verdict.NOT_APPLICABLE


def test_what_was_aimed_at_another_model_may_carry_over_less_as_it_grows():
    def behind(knowledge):
        return signs(figures("pgd", 0.5, epsilon=4 / 255, defence="own", knowledge=knowledge),
                     figures("pgd", 0.9, defence="own", knowledge=knowledge), defences=("own",))[Sign.NOT_MONOTONE]

    assert behind(AttackerKnowledge.OBLIVIOUS).verdict == Verdict.NOT_APPLICABLE
    assert behind(AttackerKnowledge.ADAPTIVE).verdict == Verdict.SUSPECT


@pytest.mark.parametrize(("name", "suspect"), [("curve", False), ("pgd", True)])
def test_only_what_the_system_stops_is_a_zero_gradient(name, suspect):
    attack = ATTACKS.create(name)
    outcome = OutcomeSummary(condition=condition_of(name, attack, AttackerKnowledge.ADAPTIVE), target="none",
                             success=None, linf=0.1, l2=1.0, queries=1.0, gradients=1.0, zero_gradients=0.2)
    found = signs_of([], [outcome], findings_of([], [outcome]), suspicions={}, defences=["none"])
    assert (by_kind(found)[Sign.ZERO_GRADIENTS].verdict == Verdict.SUSPECT) == suspect


@pytest.mark.parametrize(("step", "verdict"), [(0.3, Verdict.SUSPECT), (0.6, Verdict.FINE)])
def test_one_step_must_not_beat_many(step, verdict):
    assert signs(figures("pgd", 0.5), figures("fgsm", step))[Sign.SINGLE_STEP].verdict == verdict
    many = signs(figures("pgd", 0.5), figures("i-fgsm", 0.29), figures("fgsm", step))[Sign.SINGLE_STEP]
    assert many.verdict == Verdict.FINE  # the best of many steps counts


@pytest.mark.parametrize(("blind", "verdict"), [(0.3, Verdict.SUSPECT), (0.6, Verdict.FINE)])
def test_who_sees_no_gradient_must_not_do_better(blind, verdict):
    found = signs(figures("pgd", 0.5), figures("stm", blind, knowledge=AttackerKnowledge.TRANSFER))
    assert found[Sign.BLACK_BOX].verdict == verdict
    other = signs(figures("pgd", 0.5), figures("stm", blind, knowledge=AttackerKnowledge.TRANSFER, epsilon=4 / 255))
    assert other[Sign.BLACK_BOX].verdict == Verdict.NOT_APPLICABLE


def test_figures_count_before_probes_and_probes_before_nothing():
    probe = [check(kind, "none", Estimate(0.5, 0.4, 0.6, 24), "A probe.", suspect=True)
             for kind in (Sign.SINGLE_STEP, Sign.BLACK_BOX)]
    own = signs(figures("pgd", 0.5), figures("fgsm", 0.6)).values()
    found = by_kind(together(list(own), probe))
    assert found[Sign.SINGLE_STEP].verdict == Verdict.FINE
    assert found[Sign.BLACK_BOX].sentence == "A probe."


@pytest.mark.parametrize(("share", "verdict"), [(1.0, Verdict.NOT_APPLICABLE), (0.02, Verdict.SUSPECT)])
def test_missing_gradients_are_said_once_but_a_few_hide_nothing(share, verdict):
    own = [check(Sign.ZERO_GRADIENTS, "none", share, "Zero.", suspect=True),
           check(Sign.WEAK_ATTACKER, "none", 0.2, "Weak.", suspect=True)]
    assert by_kind(together(own, []))[Sign.WEAK_ATTACKER].verdict == verdict


@pytest.mark.slow
def test_without_gradient_attacks_nothing_is_probed_and_it_is_said(inputs, tmp_path):
    result = run_audit(make_plan(gallery=0, defences=[], attacks=[NOISE], probe_images=24), inputs, tmp_path)
    assert {item.kind for item in result.measurement} == set(Sign)
    left = [item for item in result.measurement if item.kind in PROBED]
    assert {item.verdict for item in left} == {Verdict.NOT_APPLICABLE}
    assert not (tmp_path / "measurement.json").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"key": "other", "targets": {}}', '{"key": "k", "targets": {"a": 1}}',
                                     '{"key": "k", "targets": {"a": [{"kind": "none"}]}}'])
def test_a_damaged_file_of_probes_is_measured_anew(tmp_path, content):
    (path := tmp_path / "measurement.json").write_text(content)
    assert read_probes(path, "k") == {}
    kept = not_applicable(Sign.NO_GRADIENT, "none", "No.")
    path.write_text(json.dumps({"key": "k", "targets": {"none": [kept.model_dump(mode="json")]}}))
    assert read_probes(path, "k") == {"none": [kept]}
