"""What an audit found, as one typed document: result.json of a run folder.

The report draws this and computes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, model_validator

from radversary.audit.schema import Record, ResultDocument
from radversary.audit.wording import level, measure_name
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Colour, Estimate, Norm
from radversary.metrics.performance import PairedTest, Performance


class Condition(Record):
    """What was done to the images before they were read.

    Attributes:
        attack: The attack's label in the plan; ``clean`` for untouched images, ``identity`` for the attack that
            changes nothing but goes the whole way.
        strength: Opacity or another strength in [0, 1]; 0 for clean and identity.
        knowledge: What the attacker knew; see :class:`radversary.core.types.AttackerKnowledge`.
        measure: Name of the strength, such as ``opacity`` or ``epsilon``; empty for clean and identity.
        family: What the attack does, broadly.
        contract: What it promises of the size of its change.
        norm: By which its change is bounded; None where none bounds it.
        epsilon: The bound, in units of the full grey range.
        queries: Answers that it may ask for one image; None where it counts none.
        colour: The channels that it may touch.
        mixture: Whether other strengths follow from the image at full strength by mixing.
        like: Description of the attack whose size a noise takes, at the strength at which it takes it; else empty.
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
    like: str = ""
    description: str = ""

    @property
    def key(self) -> str:
        """A short unique name such as ``style@0.3`` or ``stm@0.03/adaptive``."""
        short = f"{self.attack}@{self.strength:g}"
        return short if self.knowledge == AttackerKnowledge.OBLIVIOUS else f"{short}/{self.knowledge}"

    @property
    def title(self) -> str:
        """Attack and strength, for people.

        Example:
            >>> Condition(attack="stm", strength=8 / 255, measure="epsilon").title
            'stm, ε 8/255'
        """
        return f"{self.attack}, {measure_name(self.measure)} {level(self.strength, self.measure)}"


class Cell(Record):
    """One attack × defence on the sealed test images.

    Attributes:
        condition: What was done to the images.
        defence: The defence's label; ``none`` for the undefended classifier.
        performance: Figures with intervals.
        success: Share of images the same defence read rightly when clean and wrongly now; None for clean images.
        against_clean: The same defence on clean images, then here (paired); None for clean images.
        against_none: No defence here, then this defence (paired); None where the defence is ``none``.
    """

    condition: Condition
    defence: str
    performance: Performance
    success: Estimate | None = None
    against_clean: PairedTest | None = None
    against_none: PairedTest | None = None


class Curve(Record):
    """A receiver operating characteristic, thinned for drawing.

    Attributes:
        false_alarms: False-alarm rates, rising.
        detections: Detection rates at the same thresholds.
    """

    false_alarms: tuple[float, ...]
    detections: tuple[float, ...]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if len(self.false_alarms) != len(self.detections):
            raise ValueError("the rates of a curve are of different numbers")
        return self


class Histogram(Record):
    """Scores of clean (re-encoded) and attacked images over common bins.

    Attributes:
        edges: Bin edges, one more than counts.
        clean: Counts of clean images.
        attacked: Counts of attacked images.
    """

    edges: tuple[float, ...]
    clean: tuple[int, ...]
    attacked: tuple[int, ...]

    @model_validator(mode="after")
    def _a_count_a_bin(self) -> Self:
        if not len(self.edges) == len(self.clean) + 1 == len(self.attacked) + 1:
            raise ValueError(f"{len(self.edges)} edges have {len(self.edges) - 1} bins between them, got "
                             f"{len(self.clean)} and {len(self.attacked)} counts")
        return self


class Detection(Record):
    """How well one detector notices one attack.

    Attributes:
        condition: The attack.
        detector: The detector's label, such as ``edges``, ``ssim``, ``spectrum`` or ``edges or ssim``.
        needs_original: Whether it compares with the clean original.
        auroc: Area under the curve, attacked against re-encoded clean images; None for a rule without a score.
        threshold: Score above which it alarms; None for a rule without a score.
        alarms: Share of attacked images that raise an alarm.
        false_alarms: Share of re-encoded clean test images that raise one.
        curve: The curve, or None.
        histogram: The scores, or None.
    """

    condition: Condition
    detector: str
    needs_original: bool
    auroc: Estimate | None
    threshold: float | None
    alarms: Estimate
    false_alarms: Estimate
    curve: Curve | None = None
    histogram: Histogram | None = None


class GalleryImage(Record):
    """One image of the gallery.

    Attributes:
        image_id: The image.
        label: Its true class.
        condition: The attack shown.
        original: PNG in the run folder, relative path; likewise the others.
        attacked: The attacked image.
        difference: Their difference, mid-grey is none.
        defended: What the classifier saw behind the first defence with transforms; None where there is none.
        restored: The same for every defence with transforms: label to PNG.
        evidence: Edge maps, SSIM map and spectra (the thesis' Figures 15-17), or None.
        predictions: What each reading says: such as ``{"clean": "Normal", "attacked": "Pneumonia"}``; keys are
            ``clean``, ``attacked`` and each defence's label.
    """

    image_id: str
    label: str
    condition: Condition
    original: str
    attacked: str
    difference: str
    defended: str | None
    evidence: str | None
    predictions: dict[str, str]
    restored: dict[str, str] = Field(default={})


class Cost(Record):
    """What a defence costs.

    Attributes:
        milliseconds: Time an image of defence and classifier together, in batches, on the audit's machine.
        extra: The same less the undefended classifier's.
        training: Seconds its models and restorers took to train; None where they were not trained in this study.
    """

    milliseconds: float
    extra: float
    training: float | None = None


class VisibilityCell(Record):
    """How often a defence reads rightly what an attack changed this much: all strengths of one attack together.

    Attributes:
        attack: The attack's label.
        knowledge: What the attacker knew; only knowledge levels on which all defences meet the same images.
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
    """What one attack reached and cost against one target.

    Attributes:
        condition: The attack.
        target: Defence whose classifier it was made on; the first, where several share it.
        success: Share of images as they are stored that the target reads wrongly; None where the attack asks no model.
        linf: Median of the most that a pixel changed, in units of the full grey range.
        l2: Median Euclidean norm of the change.
        queries: Mean answers an image.
        gradients: Mean gradients an image.
        zero_gradients: Share of the gradients that were zero or not finite at every pixel.
    """

    condition: Condition
    target: str
    success: Estimate | None
    linf: float
    l2: float
    queries: float
    gradients: float
    zero_gradients: float


class WorstCase(Record):
    """What one defence withstands of all that was aimed at it with one degree of knowledge.

    Attributes:
        defence: Its label.
        knowledge: What the attackers knew.
        accuracy: Share of images that no attack at any strength misleads.
        least: Key of the condition under which it is right least often.
        conditions: Conditions that are counted.
        left_out: Conditions on too few images to be counted.
    """

    defence: str
    knowledge: AttackerKnowledge
    accuracy: Estimate
    least: str
    conditions: int
    left_out: int = 0


class FindingKind(StrEnum):
    """What is wrong with a measurement."""

    ZERO_GRADIENTS = "zero gradients"
    HELPFUL_ATTACK = "attack raises accuracy"
    WEAK_ATTACKER = "adaptive attacker too weak"


class Finding(Record):
    """A sign that an attack was too weak, so that a figure may flatter a defence.

    Attributes:
        kind: What is wrong.
        defence: The defence that the figure is of.
        condition: The attack that shows it most.
        lower: The attack of less knowledge that it is compared with, if any.
        value: By how much.
        threshold: From which value on it is said.
        others: Further conditions of the same attack that show it.
        sentence: All of it for people.
    """

    kind: FindingKind
    defence: str
    condition: Condition
    lower: Condition | None = None
    value: float
    threshold: float
    others: int = 0
    sentence: str


class DataSummary(Record):
    """The data behind the figures.

    Attributes:
        source: Where the images come from.
        counts: Images by part and class, such as ``{"test": {"Normal": 20}}``.
        patients: Patients by part.
        characteristics: Test images by characteristic and value, such as ``{"view": {"PA": 30, "AP": 10}}``.
        left_out: Files refused, each with the reason.
        floors: What classifiers reach that see no finding: name to balanced accuracy (``chance`` included).
        warnings: Sentences a reader must see: leaks, confounds, small samples.
        sha256: Hash of the sealed test set.
    """

    source: str
    counts: dict[str, dict[str, int]]
    patients: dict[str, int]
    characteristics: dict[str, dict[str, int]]
    left_out: tuple[str, ...]
    floors: dict[str, float]
    warnings: tuple[str, ...]
    sha256: str


class AuditResult(ResultDocument):
    """Everything an audit found.

    Attributes:
        name: The run's name.
        classes: Class names in the order of the logits.
        model: The classifier's card as a plain mapping.
        cells: Figures, attack by defence; clean images first.
        detections: Detector by attack.
        gallery: The gallery.
        data: The data page.
        defences: Label to description of each defence.
        seconds: Where the time went: step to seconds.
        provenance: Hashes, versions, machine, command: name to value.
        curves: Learning curves: model label to metric name to one value an epoch.
        oracles: Defences that saw the audited attack in training: the ceiling, not competitors.
        ceilings: ``attack/defence`` pairs in which the defence is an oracle that was trained on that very attack.
        training_overlap: ``attack/defence`` pairs, or ``attack@knowledge/defence`` where it holds for that knowledge
            alone, in which the defence was trained on the attack's own generator or on the model it is made on, though
            never on its styles or patients.
        costs: Defence label to its costs.
        visibility: Accuracy against how much can be seen.
        outcomes: What each attack reached and cost.
        worst_cases: What each defence withstands of all that was aimed at it.
        findings: Signs that a measurement was too weak; empty for a sound one.
    """

    kind: ClassVar[str] = "an audit result"
    remedy: ClassVar[str] = "run the audit again"
    name: str
    classes: tuple[str, ...]
    model: dict[str, str]
    cells: tuple[Cell, ...]
    detections: tuple[Detection, ...]
    gallery: tuple[GalleryImage, ...]
    data: DataSummary
    defences: dict[str, str]
    seconds: dict[str, float]
    provenance: dict[str, str]
    curves: dict[str, dict[str, tuple[float, ...]]] = Field(default={})
    oracles: tuple[str, ...] = ()
    ceilings: tuple[str, ...] = ()
    training_overlap: tuple[str, ...] = ()
    costs: dict[str, Cost] = Field(default={})
    visibility: tuple[VisibilityCell, ...] = ()
    outcomes: tuple[OutcomeSummary, ...] = ()
    worst_cases: tuple[WorstCase, ...] = ()
    findings: tuple[Finding, ...] = ()

    @model_validator(mode="after")
    def _of_its_classes(self) -> Self:
        sides = [len(self.classes)] * len(self.classes)
        for cell in self.cells:
            found = cell.performance
            if [part.name for part in found.classes] != list(self.classes) or [*map(len, found.confusion)] != sides:
                raise ValueError(f"the figures of {cell.condition.key} behind {cell.defence!r} are of other classes "
                                 f"than {', '.join(self.classes)}")
        return self

    def cell(self, attack: str, strength: float, defence: str,
             knowledge: AttackerKnowledge = AttackerKnowledge.OBLIVIOUS) -> Cell:
        """Return the cell of one attack, strength, knowledge and defence.

        Args:
            attack: Label of the attack.
            strength: Its strength.
            defence: Label of the defence.
            knowledge: What the attacker knew.

        Returns:
            The cell.

        Raises:
            KeyError: No such cell.
        """
        for cell in self.cells:
            what = cell.condition
            if (what.attack, what.strength, what.knowledge, cell.defence) == (attack, strength, knowledge, defence):
                return cell
        raise KeyError((attack, strength, str(knowledge), defence))
