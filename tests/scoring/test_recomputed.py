"""A script that was written from docs/score.md alone finds the same scores to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from recomputed import scores
from score_factory import Weak, World, weak

from radversary.auditing.measurement.checks import Sign
from radversary.scoring.profile import FOLDER, load_profile
from radversary.scoring.score import scores_of

LEAST = 0.7 / 255
"""Some bound below which no attack is run, as on 8-bit films."""
PROFILE = yaml.safe_load((FOLDER / "mirs-1.0.yaml").read_text(encoding="utf-8"))


def agree(world: World) -> None:
    result = world.result()
    theirs = scores(json.loads(result.model_dump_json()), PROFILE)
    ours = scores_of(result, load_profile())
    assert [item.system for item in ours] == list(theirs)
    for item in ours:
        other = theirs[item.system]
        assert {part.key: part.value for part in item.parts} == other["parts"]
        assert {cap.code for cap in item.caps} == set(other["caps"])
        assert (item.value, item.level, item.n, item.letter) == tuple(
            other[name] for name in ("value", "level", "n", "letter"))


@pytest.mark.slow
@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(st.data())
def test_any_audit_has_the_same_scores(data):
    draw = lambda low, high: data.draw(st.floats(low, high))  # noqa: E731
    size, films = data.draw(st.sampled_from([12, 40])), data.draw(st.sampled_from([1, 3]))
    world = World.of(size, films)
    n, stream = len(world.labels), np.random.default_rng(data.draw(st.integers(0, 999)))
    plain = weak(world.labels, seed=1, clean=draw(0.5, 1), epsilon=draw(0.001, 0.1), style=draw(0, 3))
    noticed = draw(0, 1)
    hard = Weak(plain.right, plain.bears, plain.misread, lambda condition: stream.random(n) < (
        0.03 if condition.attack == "clean" else noticed))
    dropped = data.draw(st.sampled_from(["", "auto-attack", "square", "curve", "jpeg", "worst of 10 styles"]))
    agree(world.but(
        systems={"none": plain, "trained": weak(world.labels, seed=2, epsilon=draw(0.001, 0.2)), "guarded": hard},
        pictures=np.where((stream.random(n) < 0.2) & (np.arange(n) % 2 == 1), np.arange(n) - 1, np.arange(n)),
        battery=data.draw(st.sampled_from(["battery-2026.1/standard", "battery-2026.1/quick", None])),
        suspects=data.draw(st.sampled_from([{}, {"trained": [Sign.UNFINISHED]}, {"none": [Sign.UNFINISHED]}])),
        models={"guarded": "none"} if data.draw(st.booleans()) else {},
        leaks=("A leak.",) if data.draw(st.booleans()) else (),
        keep=lambda condition: condition.attack != dropped and (condition.epsilon or 1) > LEAST,
        images=lambda condition: np.arange(0, n, 2) if condition.attack == "square" else None,
        subgroups={"sex": np.where(np.arange(n) % 3 == 0, "F", "M").tolist(),
                   "view": np.where(np.arange(n) % 40 == 0, "AP", "PA").tolist()}))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_so_have_critical_misses(share):
    world = World.of(210)
    n, stream = len(world.labels), np.random.default_rng(3)
    falls = (world.labels == 2) & (stream.random(n) < share)
    agree(world.but(systems={"none": Weak(np.ones(n, dtype=bool), {"linf": np.where(falls, 0.5 / 255, 1.0)},
                                          np.zeros(n, dtype=int))}))


@pytest.mark.slow
@pytest.mark.parametrize("strict", [0.2, 0.8])
def test_so_have_models_of_findings(strict):
    stream = np.random.default_rng(7)
    labels = stream.choice([-1, 0, 1], (240, 3), p=[0.2, 0.4, 0.4])
    bears = stream.uniform(0, 0.05, labels.shape)

    def reads(condition, truth):
        size = condition.strength * (1 if condition.norm else 0.02)
        wrong = (bears < size * strict) & (condition.attack != "clean")
        known = np.where(truth < 0, 0, truth)
        return np.where(wrong, 1 - known, known), np.zeros(len(truth), dtype=bool)

    agree(World(labels, {"none": reads}, np.arange(240) // 2, np.arange(240)))


def test_it_is_short_and_knows_nothing_of_the_code():
    text = (Path(__file__).with_name("recomputed.py")).read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith(('"""', "#"))]
    assert len(code) <= 145
    assert "radversary" not in text
