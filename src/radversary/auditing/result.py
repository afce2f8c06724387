"""The result of an audit, as one typed document: result.json of a run folder.

The report draws this and computes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from radversary.auditing.cells import Cell, Condition, FamilyCase, OutcomeSummary, VisibilityCell, WorstCase
from radversary.auditing.declared import IntendedUse
from radversary.auditing.detection import Detection
from radversary.auditing.measurement.checks import MeasurementCheck
from radversary.auditing.packed import Readings
from radversary.auditing.schema import Record, ResultDocument
from radversary.auditing.standing import Standing, standing_of
from radversary.auditing.subgroups import Subgroups
from radversary.auditing.techniques import AttackTechnique
from radversary.auditing.transitions import TransitionTable
from radversary.core.types import AttackerKnowledge, Task

if TYPE_CHECKING:
    import pandas as pd


class GalleryImage(Record):
    """One image of the gallery.

    Attributes:
        image_id: The image.
        label: Its true class; where the task is ``multilabel``, the findings that are there, separated by ``|``; empty
            where it is not known.
        condition: The attack shown.
        original: PNG in the run folder, relative path; likewise the others.
        attacked: The attacked image.
        difference: Their difference, mid-grey is none.
        defended: What the classifier saw behind the first defence with transforms; None where there is none.
        restored: The same for every defence with transforms: label to PNG.
        evidence: Edge maps, SSIM map and spectra (the thesis' Figures 15-17), or None.
        predictions: Predicted class of each prediction, such as ``{"clean": "Normal", "attacked": "Pneumonia"}``; keys
            are ``clean``, ``attacked`` and each defence's label.
        wrong: Findings that each prediction reads wrongly, of those of which the truth is known, by the same keys;
            empty unless the task is ``multilabel``.
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
    wrong: dict[str, tuple[str, ...]] = Field(default={})


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


class DefenceSummary(Record):
    """What a defence is made of.

    Attributes:
        description: All of it in one line, for people.
        model: Name of the model behind it, by which the learning curves know it too; ``victim`` is the undefended one.
        guard: The guard that raises alarms beside it, in one line; empty where there is none.
        transforms: Names of the transforms before the model, in the order of their application.
        restorers: Architecture of each trained one among them, such as ``unet`` (HGD, de-styling) or ``cyclegan``.
        adversarial: Whether the model was trained on attacked images; None where unknown.
        adaptive: How an adaptive attacker follows gradients through the transforms: ``exact``, ``BPDA`` (an
            approximation's gradient), ``EOT`` (the mean of several draws) or both; empty where there are none, or in
            results of earlier versions.
    """

    description: str
    model: str
    adaptive: str = ""
    guard: str = ""
    transforms: tuple[str, ...] = ()
    restorers: tuple[str, ...] = ()
    adversarial: bool | None = None


class FindingKind(StrEnum):
    """Kind of a finding."""

    ZERO_GRADIENTS = "zero gradients"
    MISLEADING_GRADIENTS = "misleading gradients"
    HELPFUL_ATTACK = "attack raises accuracy"
    WEAK_ATTACKER = "adaptive attacker too weak"
    DOUBTFUL_LOGITS = "answers look like probabilities"


class Finding(Record):
    """A sign that an attack was too weak or a model misread, so that a figure may overstate a defence.

    Attributes:
        kind: Kind of the finding.
        defence: The defence that the figure is of.
        condition: The attack that shows it most; clean images where none does.
        lower: The attack of less knowledge that it is compared with, if any.
        value: By how much.
        threshold: Value from which on it is a finding.
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
        counts: Images by part and class, such as ``{"test": {"Normal": 20}}``; where the task is ``multilabel``, an
            image counts for each finding that is there.
        images: Images by part; empty in older results.
        patients: Patients by part; an image whose patient is not known counts as one.
        patients_known: Whether the patient of every image is known; otherwise intervals are too narrow.
        characteristics: Test images by characteristic and value, such as ``{"view": {"PA": 30, "AP": 10}}``.
        left_out: Files refused, each with the reason.
        floors: Balanced accuracy of classifiers that do not see the finding, by name (``chance`` included).
        warnings: Sentences a reader must see: leaks, confounds, small samples.
        sha256: Hash of the held-out test set.
        leaks: Sentences of the data check on patients or films that stand in more than one part.
        synthetic: Whether the data source draws its images; false where that is not known.
    """

    source: str
    counts: dict[str, dict[str, int]]
    images: dict[str, int] = Field(default={})
    patients: dict[str, int]
    patients_known: bool = True
    characteristics: dict[str, dict[str, int]]
    left_out: tuple[str, ...]
    floors: dict[str, float]
    warnings: tuple[str, ...]
    sha256: str
    leaks: tuple[str, ...] = ()
    synthetic: bool = False


class AuditResult(ResultDocument):
    """Everything an audit found.

    Attributes:
        name: The run's name.
        battery: The battery whose attacks were run, such as ``battery-2026.1/standard``; None where the plan named
            none.
        classes: Class names in the order of the logits.
        task: What the model decides of an image. Where it is ``multilabel``, figures count readings, a finding of an
            image each, and confusion is that of all together, rows absent and present.
        labels: ``given``, or ``own readings`` where no image has a label: then what the model reads of the clean images
            stands for the labels, and figures say how stable its readings are, not how right.
        thresholds: Probability from which on each finding is read as present: one where the task is ``binary``, one a
            class where it is ``multilabel``; none where it is ``multiclass`` or not known.
        model: The classifier's card as a plain mapping.
        cells: Figures, attack by defence; clean images first.
        detections: Detector by attack.
        gallery: The gallery.
        data: The data page.
        defences: Label to what the defence is made of; ``none`` among them.
        seconds: Seconds of each step.
        provenance: Hashes, versions, machine, command: name to value.
        curves: Learning curves: model label to metric name to one value an epoch.
        oracles: Defences trained on the audited attack: ceilings, not competitors.
        ceilings: ``attack/defence`` pairs in which the defence is an oracle that was trained on that very attack.
        training_overlap: ``attack/defence`` pairs, or ``attack@knowledge/defence`` where it holds for that knowledge
            alone, in which the defence was trained on the attack's own generator or on the model it is made on, though
            never on its styles or patients.
        costs: Defence label to its costs.
        visibility: Accuracy by visibility of the change.
        outcomes: Success, distance and costs of each attack.
        worst_cases: Worst case of each defence over all aimed attacks.
        readings: What every defence read of every test image, packed; None in results of earlier versions.
        family_cases: What each defence keeps of each family of attacks; empty in results of earlier versions.
        findings: Signs that a measurement was too weak; empty for a sound one.
        measurement: Checks of the measurement itself, those that found nothing too; empty in results of earlier
            versions.
        standing: Headline condition, ranking of the defences, worst condition of each attacker.
        subgroups: Figures by what is known of the test images; empty in results of earlier versions.
        transitions: Which class is read as which under the headline's attack and under each aimed attack at its
            strongest; empty where the task is ``multilabel``, and in results of earlier versions.
        intended_use: What the model is for, as its maker says in the plan; None where the plan does not say it.
        techniques: What each aimed attack is in NIST AI 100-2 and MITRE ATLAS; empty in results of earlier versions.
    """

    kind: ClassVar[str] = "an audit result"
    remedy: ClassVar[str] = "run the audit again"
    name: str
    battery: str | None = None
    classes: tuple[str, ...]
    task: Task = Task.MULTICLASS
    labels: Literal["given", "own readings"] = "given"
    thresholds: tuple[float, ...] = ()
    model: dict[str, str]
    cells: tuple[Cell, ...]
    detections: tuple[Detection, ...]
    gallery: tuple[GalleryImage, ...]
    data: DataSummary
    defences: dict[str, DefenceSummary]
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
    family_cases: tuple[FamilyCase, ...] = ()
    readings: Readings | None = None
    findings: tuple[Finding, ...] = ()
    measurement: tuple[MeasurementCheck, ...] = ()
    standing: Standing = Standing()
    subgroups: Subgroups = Subgroups()
    transitions: tuple[TransitionTable, ...] = ()
    intended_use: IntendedUse | None = None
    techniques: tuple[AttackTechnique, ...] = ()

    @model_validator(mode="after")
    def _of_its_classes(self) -> Self:
        readings = 2 if self.task == Task.MULTILABEL else len(self.classes)
        sides = [readings] * readings
        for cell in self.cells:
            found = cell.performance
            if [part.name for part in found.classes] != list(self.classes) or [*map(len, found.confusion)] != sides:
                raise ValueError(f"the figures of {cell.condition.key} behind {cell.defence!r} are of other classes "
                                 f"than {', '.join(self.classes)}")
        return self

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a result that :meth:`save` of this or of an earlier version wrote.

        Where an earlier one did not say how its defences stand, that is decided from its figures as it is today.

        Raises:
            DataError: It is absent, damaged, or of a newer version.
        """
        found = super().load(path)
        return found if "standing" in found.model_fields_set else found.with_standing()

    def with_standing(self) -> Self:
        """Return the same result with the standing that follows from its figures."""
        standing = standing_of(self.cells, self.detections, classes=self.classes, oracles=self.oracles,
                               ceilings=self.ceilings, task=self.task)
        return self.model_copy(update={"standing": standing})

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

    def __repr__(self) -> str:
        from radversary.auditing.notebook import line

        return line(self)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return the headline and accuracy by condition and defence, as notebooks show a value."""
        from radversary.auditing.notebook import html

        return html(self)

    def table(self) -> pd.DataFrame:
        """Return accuracy and success with intervals, one row a condition and defence, clean images first.

        Returns:
            Columns ``attack``, ``strength``, ``measure`` (what the strength counts, such as ``epsilon``),
            ``knowledge``, ``defence``, ``n`` (images), ``accuracy``, ``low``, ``high`` (its 95 % interval), ``success``
            with ``success_low`` and ``success_high`` (not-a-number on clean images), all shares in [0, 1], and
            ``oracle``: whether the defence was trained on an audited attack.
        """
        import pandas as pd

        from radversary.auditing.notebook import rows

        return pd.DataFrame(rows(self)).astype({"success": float, "success_low": float, "success_high": float})

    def to_pandas(self) -> pd.DataFrame:
        """Return accuracy, success and the figures of each class with their intervals, one row a figure.

        What an attack hides and invents by finding is in ``radversary report --format csv``.

        The predictions of single images lie in the run folder, as ``predictions.parquet``.

        Returns:
            Columns ``attack``, ``strength``, ``measure``, ``knowledge`` and ``defence`` as in :meth:`table`; ``class``
            (empty for all together), ``figure`` (such as ``accuracy``, ``recall``, ``auroc`` or ``success``),
            ``value``, ``low``, ``high`` and ``n``.
        """
        import pandas as pd

        from radversary.auditing.notebook import figures

        return pd.DataFrame(figures(self))
