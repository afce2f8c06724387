"""Several attacks on one image, each only where all before it failed: the worst case of a fixed set.

After AutoAttack (Croce and Hein 2020, arXiv:2003.01690), for every task and goal: its loss of four classes or more is
replaced by the margin where there are fewer, one threshold or several findings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from radversary.attacks.best import Best
from radversary.attacks.gradient.apgd import AutoPGD, AutoPGDTargeted
from radversary.attacks.gradient.fab import FastAdaptiveBoundary
from radversary.attacks.kept import solved
from radversary.attacks.problem import Problem
from radversary.attacks.score.square import SquareAttack
from radversary.attacks.searching import BoundedAttack, SearchingAttack, at_least
from radversary.core.seeds import Streams, generator
from radversary.core.types import Access, Images


@dataclass(frozen=True, kw_only=True)
class AutoAttack(BoundedAttack):
    """APGD on the log odds, APGD on one way of failing at a time, FAB and Square, one after the other.

    An image on which one succeeds is not attacked again; of one on which none does, the point is kept that comes
    nearest to the goal. Each member draws random numbers of its own, so that what one does on an image depends on no
    other. Against a victim that answers at random (``eot`` above 1) the members are APGD on the log odds and on the
    margin, whose gradients are averaged. Finished members are kept (:mod:`radversary.attacks.kept`).

    Attributes:
        steps: Of each APGD and of FAB.
        restarts: Of each APGD.
        targets: Classes or findings that are tried one at a time.
        queries: Answers that Square may ask.

    Raises:
        PlanError: One below 1.

    Example:
        >>> [type(member).__name__ for member in AutoAttack(epsilon=2 / 255).members()][:2]
        ['AutoPGD', 'AutoPGDTargeted']
    """

    needs: ClassVar[Access] = Access.GRADIENTS

    steps: int = 100
    restarts: int = 1
    targets: int = 9
    queries: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "steps", "restarts", "targets", "queries")

    def members(self) -> tuple[SearchingAttack, ...]:
        """Return the attacks in the order in which they are run, the cheapest first."""
        shared: dict[str, Any] = {"goal": self.goal, "colour": self.colour, "eot": self.eot, "norm": self.norm,
                                  "epsilon": self.epsilon}
        search = {**shared, "steps": self.steps, "restarts": self.restarts}
        if self.eot > 1:
            return AutoPGD(**search), AutoPGD(**search, loss="margin")
        return (AutoPGD(**search), AutoPGDTargeted(**search, targets=self.targets),
                FastAdaptiveBoundary(**shared, steps=self.steps, targets=self.targets),
                SquareAttack(**shared, queries=self.queries))

    @property
    def passes(self) -> int | None:
        """The sum of its members', and one answer before and after each."""
        parts = [member.passes or 0 for member in self.members()]
        return sum(parts) + self.eot * (1 + len(parts)) if self.epsilon else 0

    def built_parts(self) -> tuple[Any, ...]:
        """Return the members."""
        return self.members()

    def solve(self, problem: Problem) -> Images:
        """Run the members, each on the images that are left."""
        seeds = [int(torch.randint(2**62, (), generator=stream)) for stream in problem.streams]
        best = Best(problem.images)
        best.margin = problem.margin(problem.images)
        for number, member in enumerate(self.members()):
            rows = best.open.cpu()
            if not len(rows):
                break
            part = replace(problem.only(rows), streams=streams_of([seeds[row] for row in rows.tolist()], number))
            points = solved(member, part)
            best.offer(rows.to(points.device), points, part.margin(points))
        return best.points


def streams_of(seeds: list[int], member: int) -> Streams:
    """Return one generator an image for a member, from a number that the image drew."""
    return Streams([generator(seed, "member", member) for seed in seeds])
