"""Steps that were finished before a stop are taken from disk, with what they asked, and are removed at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from radversary.attacks.goal import Goal
from radversary.attacks.kept import keeping, solved
from radversary.attacks.metering import Ledger, metered
from radversary.attacks.problem import problem_of
from radversary.attacks.searching import BoundedAttack
from radversary.core.seeds import Streams
from radversary.core.types import Access
from random_parts import smooth_images, tiny_classifier


@dataclass(frozen=True, kw_only=True)
class Counted(BoundedAttack):
    """Draws a point and asks about it, some images more often than others; counts its runs."""

    needs: ClassVar[Access] = Access.GRADIENTS
    runs: ClassVar[list[int]] = []

    def solve(self, problem):
        self.runs.append(len(problem))
        points = problem.inside(problem.images + problem.uniform(-1, 1))
        problem.look(points)
        problem.only(torch.tensor([1])).margin(points[1:2])
        return points


def asked(ledger, seed=0, epsilon=0.1):
    victim = metered(tiny_classifier(), ledger, torch.tensor([8, 8, 12]))
    streams = Streams.for_images(["a", "b", "c"], seed=seed, step="kept")
    attack = Counted(epsilon=epsilon)
    return attack, problem_of(victim, smooth_images(3), torch.tensor([0, 1, 2]), streams, goal=Goal(), ball=attack.ball)


@pytest.fixture(autouse=True)
def _fresh():
    Counted.runs.clear()


def stopped_after(folder, **options):
    """Run a step, then be stopped before what follows it is done."""
    ledger, found = Ledger(), []

    def step():
        with keeping(folder):
            found.append(solved(*asked(ledger, **options)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        step()
    return found[0], ledger.settle(1.0)


def test_a_step_is_not_repeated_and_costs_what_it_cost(tmp_path):
    points, cost = stopped_after(tmp_path / "steps")
    again = Ledger()
    with keeping(tmp_path / "steps"):
        torch.testing.assert_close(solved(*asked(again)), points, atol=0, rtol=0)
    assert again.settle(1.0) == cost
    assert Counted.runs == [3]
    assert not (tmp_path / "steps").exists()


@pytest.mark.parametrize("other", [{"seed": 1}, {"epsilon": 0.2}])
def test_a_step_of_another_seed_or_bound_is_another(tmp_path, other):
    stopped_after(tmp_path / "steps")
    stopped_after(tmp_path / "steps", **other)
    assert Counted.runs == [3, 3]


def test_a_damaged_step_is_done_again(tmp_path):
    points, _ = stopped_after(tmp_path / "steps")
    (file,) = (tmp_path / "steps").iterdir()
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    again, _ = stopped_after(tmp_path / "steps")
    assert torch.equal(points, again)
    assert Counted.runs == [3, 3]


def test_nothing_is_kept_where_nobody_asked_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    solved(*asked(Ledger()))
    assert list(tmp_path.iterdir()) == []
