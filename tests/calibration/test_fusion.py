"""Fusion keeps the rate however the detectors depend on each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import chi2, combine_pvalues, hmean

from radversary.calibration.combining import RULES, fisher, fisher_within_tippett_across, harmonic
from radversary.calibration.fusion import Fusion, fuse, second_half
from radversary.calibration.p_values import p_values
from radversary.core.errors import InputError, UnknownNameError


def people(n: int) -> list[str]:
    return [f"p{index}" for index in range(n)]


def test_the_rules_are_the_published_ones() -> None:
    given = np.random.default_rng(0).random((20, 4))
    assert np.allclose(np.exp(-harmonic(-np.log(given))), hmean(given, axis=1))
    assert np.allclose(fisher(-np.log(given)), combine_pvalues(given.T, method="fisher").statistic)


def test_the_default_rule_is_fisher_within_a_kind_and_the_least_p_value_between() -> None:
    given, kinds = np.random.default_rng(0).random((20, 5)), ["a", "b", "a", "a", "b"]
    within = [combine_pvalues(given[:, [0, 2, 3]].T, method="fisher").pvalue,
              combine_pvalues(given[:, [1, 4]].T, method="fisher").pvalue]
    assert np.allclose(np.exp(-fisher_within_tippett_across(-np.log(given), kinds)), np.minimum(*within))
    alone = fisher_within_tippett_across(-np.log(given))
    assert np.allclose(np.exp(-alone), combine_pvalues(given.T, method="fisher").pvalue)
    assert (np.argsort(alone) == np.argsort(fisher(-np.log(given)))).all()
    far = fisher_within_tippett_across(np.array([[1e5, 2e5], [1e5, 3e5]]))
    assert np.isfinite(far).all()
    assert far[1] > far[0]


def test_a_kind_that_sees_nothing_does_not_hide_what_another_sees() -> None:
    rng = np.random.default_rng(0)
    clean, attacked = rng.normal(size=(400, 6)), rng.normal(size=(400, 6)) + np.array([1.2, 1.2, 0, 0, 0, 0])
    kinds, caught = ["perturbation"] * 2 + ["style"] * 4, {}
    for rule in ("fisher_within_tippett_across", "fisher"):
        caught[rule] = fuse(clean, people(400), rule=rule, kinds=kinds).alarms(attacked).mean()
    assert caught["fisher_within_tippett_across"] > caught["fisher"] + 0.05


def test_kinds_are_one_a_detector() -> None:
    with pytest.raises(InputError, match="each of 2 detectors has a kind, got 1"):
        fuse(np.random.default_rng(0).normal(size=(60, 2)), people(60), alpha=0.1, kinds=["style"])


@pytest.mark.parametrize(("name", "rule"), list(RULES.items()))
def test_a_fusion_by_hand(name: str, rule: Callable[[np.ndarray], np.ndarray]) -> None:
    scores = np.random.default_rng(1).normal(size=(60, 2))
    fusion = fuse(scores, people(60), alpha=0.1, minimum=9, seed=4, rule=name)
    second = second_half(people(60), np.full(60, "all"), seed=4)
    asked = np.array([[0.3, -0.2], [4.0, 0.0]])
    firsts = np.stack([p_values(scores[~second, column], asked[:, column]) for column in range(2)], axis=1)
    assert fusion.detector_p_values(asked).tolist() == firsts.tolist()
    own = np.stack([p_values(scores[~second, column], scores[second, column]) for column in range(2)], axis=1)
    first = scores[~second]
    further = [np.maximum(each - first.max(0), 0) / first.std(0) for each in (scores[second], asked)]
    calm, judged = (rule(-np.log(p) + more) for p, more in zip((own, firsts), further, strict=True))
    assert further[1][1, 0] > 0
    expected = p_values(calm, judged)
    assert fusion.p_values(asked).tolist() == expected.tolist()
    assert fusion.alarms(asked).tolist() == (expected <= 0.1).tolist()
    assert fusion.combined(asked) == pytest.approx(judged)


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(RULES))
def test_one_detector_that_never_saw_the_like_is_enough(rule: str) -> None:
    for draw in range(30):
        rng = np.random.default_rng(draw)
        fusion = fuse(rng.normal(size=(200, 5)), people(200), rule=rule, seed=draw)
        strange = rng.normal(size=(50, 5))
        strange[:, 2] = 1e6
        assert fusion.alarms(strange).all()
        assert np.isfinite(fusion.combined(strange)).all()


def same(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.repeat(rng.normal(size=(n, 1)), 4, axis=1)


def opposed(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 1)) * np.array([1.0, -1.0, 1.0, -1.0])


def apart(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 4))


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.parametrize("kind", [same, opposed, apart])
def test_the_rate_is_kept_however_detectors_depend(kind, rule: str) -> None:
    rng, alpha = np.random.default_rng(2), 0.1
    rates, naive = [], []
    for draw in range(200):
        fusion, fresh = fuse(kind(rng, 80), people(80), alpha=alpha, rule=rule, kinds=["a", "a", "b", "b"],
                             seed=draw), kind(rng, 100)
        rates.append(fusion.alarms(fresh).mean())
        naive.append((chi2.sf(fisher(-np.log(fusion.detector_p_values(fresh))), 8) <= alpha).mean())
    assert np.mean(rates) <= alpha + 4 * np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) > 0.05
    if kind is same:
        assert np.mean(naive) > 1.5 * alpha  # Fisher's own law, which takes the detectors for independent


@pytest.mark.slow
def test_patients_with_many_images_keep_the_rate_and_one_half() -> None:
    rng, rates = np.random.default_rng(3), []
    for draw in range(120):
        counts = np.where(np.arange(60) % 2, 1, 15)
        level = rng.normal(size=(60, 2)) - 2.0 * (counts > 1)[:, None]
        fusion = fuse(np.repeat(level, counts, axis=0), np.repeat(people(60), counts).tolist(), alpha=0.1, seed=draw)
        fresh = rng.normal(size=(100, 2)) - 2.0 * (np.arange(100) % 2)[:, None]
        rates.append(fusion.alarms(fresh).mean())
    assert np.mean(rates) <= 0.1 + 4 * np.std(rates) / np.sqrt(len(rates))


def test_halves_share_no_patient_and_halve_each_group() -> None:
    patients = np.repeat(people(50), 3).tolist()
    groups = np.asarray(["PA"] * 120 + ["AP"] * 30)
    second = second_half(patients, groups, seed=1)
    assert not set(np.asarray(patients)[second]) & set(np.asarray(patients)[~second])
    assert second[:120].sum() == 60
    assert second[120:].sum() == 15
    assert not np.array_equal(second, second_half(patients, groups, seed=2))


def test_one_detector_that_sees_it_is_enough() -> None:
    rng = np.random.default_rng(4)
    fusion = fuse(rng.normal(size=(600, 4)), people(600))
    attacked = rng.normal(size=(200, 4)) + np.array([0.0, 0.0, 6.0, 0.0])
    assert fusion.alarms(attacked).mean() > 0.95
    assert (fusion.detector_p_values(attacked).argmin(axis=1) == 2).mean() > 0.9


def test_groups_are_kept_apart_and_small_ones_named() -> None:
    rng, groups = np.random.default_rng(5), ["PA"] * 300 + ["AP"] * 200 + ["lateral"]
    scores = rng.normal(size=(501, 2)) + 3.0 * (np.asarray(groups) == "AP")[:, None]
    with pytest.warns(UserWarning, match="'lateral'") as caught:
        fusion = fuse(scores, people(501), groups)
    assert len(caught) == 1
    fresh = rng.normal(size=(4000, 2))
    assert fusion.alarms(fresh + 3.0, ["AP"] * 4000).mean() < 0.1
    assert fusion.alarms(fresh + 3.0, ["PA"] * 4000).mean() > 0.7
    assert len(fusion.p_values(fresh, ["lateral"] * 4000)) == 4000
    with pytest.raises(InputError, match="group 'CT' was never calibrated; known: AP, PA, lateral"):
        fusion.p_values(fresh[:1], ["CT"])


def test_bad_input_is_refused_in_one_sentence() -> None:
    scores = np.random.default_rng(6).normal(size=(60, 2))
    with pytest.raises(InputError, match="needs 38 clean calibration patients at least, half of them for each"):
        fuse(scores[:37], people(37))
    assert fuse(scores[:38], people(38)).final.thresholds()
    with pytest.raises(UnknownNameError, match="did you mean 'harmonic'"):
        fuse(scores, people(60), rule="harmonik")
    with pytest.raises(InputError, match=r"scores must be \(N, detectors\)"):
        fuse(scores[:, 0], people(60))
    with pytest.raises(InputError, match="one an image"):
        fuse(scores, people(59))
    with pytest.raises(InputError, match="finite"):
        fuse(np.where(scores > 1, np.nan, scores), people(60))
    with pytest.raises(InputError, match=r"scores must be \(N, 2\), one column a detector, got \(1, 3\)"):
        fuse(scores, people(60)).p_values([[0.0, 0.0, 0.0]])
    with pytest.raises(InputError, match="one detector at least"):
        Fusion(firsts=(), final=fuse(scores, people(60)).final)


def test_a_fusion_is_its_fields_also_through_json() -> None:
    scores = np.random.default_rng(7).normal(size=(80, 3))
    fusion = fuse(scores, people(80), rule="fisher", seed=2)
    again = Fusion.restore(json.loads(json.dumps(asdict(fusion))))
    assert again == fusion
    assert again.p_values(scores).tolist() == fusion.p_values(scores).tolist()


@pytest.mark.parametrize("change", [
    lambda content: content.pop("rule"), lambda content: content.update(kinds="xy"),
    lambda content: content.update(x=1),
    lambda content: content["final"].update(alpha=2.0), lambda content: content["final"].update(alpha=float("nan")),
    lambda content: content["final"].update(minimum=2**70),
    lambda content: content["final"]["scores"].update(all=[True]),
    lambda content: content["final"]["scores"].update(all=[float("inf")] * 100),
    lambda content: content.update(firsts={}),
    lambda content: content["firsts"][0].pop("scores"), lambda content: content["firsts"].clear(),
    lambda content: content["final"].update(scores={"all": []})])
def test_what_was_no_fusion_is_refused_in_one_sentence(change) -> None:
    content = json.loads(json.dumps(asdict(fuse(np.random.default_rng(0).normal(size=(400, 2)), people(400)))))
    assert Fusion.restore(content).final.alpha == 0.05
    change(content)
    with pytest.raises(InputError):
        Fusion.restore(content)


def test_a_rate_that_nobody_can_promise_is_refused() -> None:
    for alpha in (5e-324, 1e-300, 1e-7, float("nan"), 1.0):
        with pytest.raises(InputError, match="must lie between 0 and 1"):
            fuse(np.zeros((400, 2)), people(400), alpha=alpha)
