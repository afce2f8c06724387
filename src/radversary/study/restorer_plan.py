"""Plans of a study's trained transforms."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from radversary.auditing.plan import refuse_repeats
from radversary.storage.plans import Plan
from radversary.study.model_plan import TrainingAttack
from radversary.training.cyclegan.plan import CycleGanPlan
from radversary.training.denoiser.plan import DenoiserPlan


class RestylePlan(Plan):
    """The feed-forward form of the feature-consistency defence: one pass towards the mean style of clean images.

    Attributes:
        amount: How much of the restyled image is mixed in, 0 to 1.
        images: At most so many training images make up the mean.
    """

    amount: float = Field(default=1.0, ge=0, le=1)
    images: int = Field(default=512, ge=1, le=10**6)


class RestorerPlan(Plan):
    """One trained transform; it is exactly one of the three kinds.

    Attributes:
        denoiser: A U-Net that learns from pairs of attacked and clean images; guided by a model's features it is HGD,
            trained on styles it is a de-styler.
        cyclegan: Two generators and two discriminators that learn without pairs.
        restyle: Nothing is learnt but the mean style of clean images.
        attacks: What the training images are attacked with; every kind but ``restyle`` needs some.
        model: The classifier whose features guide a denoiser.
    """

    denoiser: DenoiserPlan | None = None
    cyclegan: CycleGanPlan | None = None
    restyle: RestylePlan | None = None
    attacks: tuple[TrainingAttack, ...] = ()
    model: str = "victim"

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        kinds = [name for name in ("denoiser", "cyclegan", "restyle") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError("a restorer is one of denoiser, cyclegan and restyle; "
                             f"this one is {' and '.join(kinds) or 'none of them'}")
        if bool(self.attacks) == (self.restyle is not None):
            raise ValueError("a restyle needs no attacks" if self.attacks else
                             f"a {kinds[0]} learns from attacked images; list some under attacks")
        refuse_repeats("training attack", (attack.label for attack in self.attacks), ())
        return self

    def looks_at(self) -> tuple[str, ...]:
        """Return the models that must be made before it, sorted."""
        guide = {self.model} if self.denoiser else set()
        return tuple(sorted(guide | {attack.model for attack in self.attacks}))
