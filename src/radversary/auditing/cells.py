"""The figures of an audit: conditions, and the figures of each defence under each condition."""

from __future__ import annotations

from typing import Final

from radversary.auditing.schema import Record
from radversary.auditing.wording import goal_beside, level, measure_name
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Colour, Estimate, Norm
from radversary.metrics.finding_records import FindingsPerformance, Flips
from radversary.metrics.performance import PairedTest, Performance

UNTARGETED: Final = "untargeted"
"""The goal of an attack that wants any wrong reading."""


class Condition(Record):
    """What was done to the images before they were classified.

    Attributes:
        attack: The attack's label in the plan; ``clean`` for untouched images, ``identity`` for the attack that changes
            nothing.
        strength: Opacity or another strength in [0, 1]; 0 for clean and identity.
        knowledge: What the attacker knew; see :class:`radversary.core.types.AttackerKnowledge`.
        measure: Name of the strength, such as ``opacity`` or ``epsilon``; empty for clean and identity.
        family: What the attack does, broadly.
        contract: What it promises of the size of its change.
        norm: By which its change is bounded; None where none bounds it.
        epsilon: The bound, in units of the full grey range.
        queries: Answers that it may ask for one image, at the target that takes most; None where it counts none.
        colour: The channels that it may touch.
        mixture: Whether other strengths follow from the image at full strength by mixing.
        goal: What the attack wants, as :func:`radversary.attacks.goal.goal_from` reads it.
        evades: Whether the attack knows of detectors and evades those of the guard it is made on.
        like: Labels of the attacks whose size a noise takes: the very attack it names, run at the same strength.
        description: The attack's repr: its provenance, for people.
    """

    attack: str
    strength: float
    knowledge: AttackerKnowledge = AttackerKnowledge.OBLIVIOUS
    measure: str = ""
    family: AttackFamily = AttackFamily.CONTROL
    contract: AttackContract = AttackContract.UNRESTRICTED
    norm: Norm | None = None
    epsilon: float | None = None
    queries: int | None = None
    colour: Colour = Colour.GREY
    mixture: bool = False
    goal: str = UNTARGETED
    evades: bool = False
    like: tuple[str, ...] = ()
    description: str = ""

    @property
    def key(self) -> str:
        """A short unique name such as ``style@0.3`` or ``stm@0.03/adaptive``."""
        short = f"{self.attack}@{self.strength:g}"
        return short if self.knowledge == AttackerKnowledge.OBLIVIOUS else f"{short}/{self.knowledge}"

    @property
    def title(self) -> str:
        """Attack, strength and, unless it is any wrong reading or the attack is called so, goal, for people.

        Example:
            >>> Condition(attack="stm", strength=8 / 255, measure="epsilon").title
            'stm, ε 8/255'
            >>> Condition(attack="stm", strength=8 / 255, measure="epsilon", goal="hide Mass").title
            'stm, ε 8/255, goal: hide Mass'
        """
        goal = goal_beside(self.attack, self.goal)
        named = f"{self.attack}, {measure_name(self.measure)} {level(self.strength, self.measure)}"
        return f"{named}, goal: {goal}" if goal else named


class Alarms(Record):
    """What a guard makes of the images of a cell.

    Attributes:
        flagged: Share of images on which it raises an alarm.
        accepted_errors: Share of readings that are wrong and raise none.
    """

    flagged: Estimate
    accepted_errors: Estimate


class Cell(Record):
    """One attack × defence on the held-out test images.

    Attributes:
        condition: What was done to the images.
        defence: The defence's label; ``none`` for the undefended classifier.
        performance: Figures with intervals.
        findings: Figures by finding, each against the rest: all classes, the second where the task is ``binary``.
        flips: What the attack turned of the readings that were right when clean, in both directions; None for clean
            images.
        success: Of the readings that were right when clean, the share that are wrong now; None for clean images.
        reached: Of the images on which the attack's goal makes sense and the same defence's clean reading does not meet
            it, the share whose reading meets it now, other findings kept where the goal says so; None for clean images,
            and in results of earlier versions.
        against_clean: The same defence on clean images, then here (paired); None for clean images.
        against_none: No defence here, then this defence (paired); None where the defence is ``none``.
        alarms: What the defence's guard makes of the images; None where it has none.
    """

    condition: Condition
    defence: str
    performance: Performance
    findings: FindingsPerformance | None = None
    flips: Flips | None = None
    success: Estimate | None = None
    reached: Estimate | None = None
    against_clean: PairedTest | None = None
    against_none: PairedTest | None = None
    alarms: Alarms | None = None


class VisibilityCell(Record):
    """Accuracy of a defence by visibility of the change, all strengths of one attack together.

    Attributes:
        attack: The attack's label.
        knowledge: What the attacker knew; only levels at which all defences get the same images.
        defence: The defence's label.
        bins: Names of the bins of SSIM between original and attacked image, least visible first.
        accuracy: One estimate a bin; None where no image fell into it.
        edge_retention: Mean share of the original's edges that are still there, one a bin; None where it is empty.
    """

    attack: str
    knowledge: AttackerKnowledge
    defence: str
    bins: tuple[str, ...]
    accuracy: tuple[Estimate | None, ...]
    edge_retention: tuple[float | None, ...]


class OutcomeSummary(Record):
    """Success, distance and costs of one attack against one target.

    Attributes:
        condition: The attack.
        target: Defence whose classifier it was made on; the first, where several share it. At the knowledge level
            ``transfer`` it was made on the surrogate, and these are figures of that.
        success: Share of all images as stored on which the model that it was made on decides what the goal wants,
            those on which it did so before the attack too; None where the attack asks no model. :attr:`Cell.reached`
            counts what the attack turned.
        linf: Median of the most that a pixel changed, in units of the full grey range: over all images, or over those
            that were ``turned`` where the attack looks for the smallest change, since it leaves the others as they are;
            None where it turned none.
        l2: Median Euclidean norm of the change, over the same images.
        turned: Images that the attack changed and that then read as its goal wants, where it looks for the smallest
            change; None for other attacks, and in results of earlier versions, whose medians are over all images.
        queries: Mean answers an image at this strength; never more than the condition's.
        gradients: Mean gradients an image.
        zero_gradients: Share of the gradients that were zero or not finite at every pixel.
        outdone: Of the images that the target reads rightly before, the share that it still does and that a random
            change of the same size, or none, brings nearer to an error (:func:`radversary.attacks.chance.outdone`);
            None where the attack follows no gradient or keeps no bound.
    """

    condition: Condition
    target: str
    success: Estimate | None
    linf: float | None
    l2: float | None
    queries: float
    gradients: float
    zero_gradients: float
    outdone: Estimate | None = None
    turned: int | None = None


class WorstCase(Record):
    """Worst case of one defence over all aimed attacks of one knowledge level and goal.

    Attributes:
        defence: Its label.
        knowledge: What the attackers knew.
        goal: What they want.
        accuracy: Share of readings (of images; where the task is ``multilabel``, of findings of images) that are right
            under each attack at each strength.
        least: Key of the condition under which it is right least often.
        conditions: Number of conditions counted.
        left_out: Conditions on too few images to be counted.
    """

    defence: str
    knowledge: AttackerKnowledge
    goal: str = UNTARGETED
    accuracy: Estimate
    least: str
    conditions: int
    left_out: int = 0


class FamilyCase(Record):
    """What one defence keeps of one family of attacks, whatever the attackers know.

    An image counts as right under an attack at a strength where it is right at every degree of knowledge of the
    attacker that was run. Only attacks that want any wrong reading are counted.

    Attributes:
        defence: Its label.
        family: The family.
        mean: Share of right readings, mean over the family's attacks and strengths.
        worst: Share of readings that are right under each attack at each strength.
        attacks: Labels of the attacks counted.
        conditions: Number of conditions counted.
        left_out: Conditions on too few images to be counted.
    """

    defence: str
    family: AttackFamily
    mean: Estimate
    worst: Estimate
    attacks: tuple[str, ...]
    conditions: int
    left_out: int = 0
