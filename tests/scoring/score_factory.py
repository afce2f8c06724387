"""Results of audits with the standard battery, of systems whose weaknesses are given image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from radversary.attacks.registry import ATTACKS
from radversary.auditing.batteries import AWARE, entries
from radversary.auditing.cells import Cell, Condition
from radversary.auditing.measurement.checks import MeasurementCheck, Sign, check
from radversary.auditing.packed import Characteristic, Readings, SystemReadings, numbered, packed
from radversary.auditing.result import AuditResult, DataSummary, DefenceSummary
from radversary.auditing.setup import condition_of
from radversary.core.types import Access, AttackerKnowledge, Estimate, Norm, Task
from radversary.metrics.performance import ClassFigures, Performance

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")
BATTERY = "battery-2026.1/standard"
ALL = Estimate(0.9, 0.88, 0.92, 600)
FIGURES = Performance(ALL, ALL, ALL, ALL, None, tuple(ClassFigures(name, ALL, ALL, ALL, 200) for name in CLASSES),
                      ((180, 10, 10),) * 3)
FINDINGS = replace(FIGURES, confusion=((180, 20), (20, 180)))
Answers = tuple[np.ndarray, np.ndarray]
"""What is read of each image, and whether an alarm is raised."""


@cache
def conditions(defence: str, battery: str = "standard") -> tuple[Condition, ...]:
    """All conditions of a battery against a defence, clean first."""
    return (Condition(attack="clean", strength=0.0), *_attacked(defence, battery))


@cache
def aware() -> tuple[Condition, ...]:
    """All conditions of the battery's attackers who know detectors."""
    return tuple(condition_of(item["label"], ATTACKS.create(item["name"], **item.get("options", {})).at(strength),
                              AttackerKnowledge.ADAPTIVE)
                 for item in AWARE["standard"] for strength in item["strengths"])


def _attacked(defence: str, battery: str) -> Iterator[Condition]:
    for item in entries(battery):
        attack = ATTACKS.create(item["name"], **item.get("options", {}))
        known = [AttackerKnowledge.OBLIVIOUS]
        if attack.needs != Access.NONE:
            known = [item for item in AttackerKnowledge if item != AttackerKnowledge.TRANSFER]
        for knowledge in known:
            for strength in item["strengths"]:
                yield condition_of(item["label"], attack.at(strength), knowledge)


@dataclass(frozen=True)
class Weak:
    """A system that reads an image rightly as long as an attack stays below what the image can bear.

    Attributes:
        right: Whether each image is read rightly when clean.
        bears: Family, or norm, to the strength from which on each image is misread.
        misread: What it is misread as, (N,).
        flags: Condition to whether an alarm is raised, (N,); None where nothing raises one.
    """

    right: np.ndarray
    bears: Mapping[str, np.ndarray]
    misread: np.ndarray
    flags: Callable[[Condition], np.ndarray] | None = None

    def __call__(self, condition: Condition, labels: np.ndarray) -> Answers:
        none = np.zeros(len(labels), dtype=bool)
        flagged = none if self.flags is None else self.flags(condition)
        if condition.attack == "clean":
            return np.where(self.right, labels, self.misread), flagged
        key = "linf" if condition.norm == Norm.LINF else str(condition.family)
        size = condition.epsilon if condition.norm == Norm.LINF else condition.strength
        holds = self.right & (size < self.bears.get(key, np.full(len(labels), np.inf)))
        return np.where(holds, labels, self.misread), flagged


def weak(labels: np.ndarray, *, seed: int = 0, clean: float = 0.95, epsilon: float = 6 / 255, style: float = 0.6,
         acquisition: float = 1.2, corruption: float = 1.5, classes: int = 3, **more) -> Weak:
    """A system whose images bear about so much."""
    stream = np.random.default_rng(seed)
    n = len(labels)
    bears = {"linf": epsilon * stream.uniform(0.2, 2, n), "style": style * stream.uniform(0.2, 2, n),
             "acquisition": acquisition * stream.uniform(0.2, 2, n), "patch": stream.uniform(0.5, 2, n),
             "corruption": corruption * stream.uniform(0.2, 2, n)}
    return Weak(stream.random(n) < clean, bears, (labels + stream.integers(1, classes, n)) % classes, **more)


@dataclass(frozen=True)
class World:
    """Test images and systems.

    Attributes:
        labels: The class of each image, (N,); of models of findings 0, 1 or -1 a finding, (N, 3).
        systems: Defence to what it reads.
        patients: The patient of each.
        pictures: The first image with the same pixels.
        subgroups: Characteristic to its value for each image.
        battery: The battery that was run.
        suspects: Defence to the checks of the measurement that are suspect.
        leaks: Sentences of the data check.
        keep: Which conditions were run.
        images: Condition to the images that it was run on; all where None.
        further: Conditions beside the battery's.
        models: Defence to its model; its own where none is named.
        probed: Readings that were probed.
        patients_known: Whether the patient of every image is known.
    """

    labels: np.ndarray
    systems: Mapping[str, Callable[[Condition, np.ndarray], Answers]]
    patients: np.ndarray
    pictures: np.ndarray
    subgroups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    battery: str | None = BATTERY
    suspects: Mapping[str, Sequence[Sign]] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()
    keep: Callable[[Condition], bool] = lambda condition: True
    images: Callable[[Condition], np.ndarray | None] = lambda condition: None
    further: tuple[Condition, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    probed: int = 24
    patients_known: bool = True

    @classmethod
    def of(cls, a_class: int = 200, films: int = 1, **systems) -> World:
        """So many images of each class, so many of each patient; without a system one that is weak."""
        labels = np.repeat(np.arange(len(CLASSES)), a_class)
        count = np.arange(len(labels))
        people = count // films
        return cls(labels, systems or {"none": weak(labels)}, people, count, subgroups={
            "sex": np.where(people % 2, "F", "M").tolist(), "age": ["40-59"] * len(labels)})

    def but(self, **changes) -> World:
        """The same but for some fields."""
        return replace(self, **changes)

    def result(self) -> AuditResult:
        """The audit's result."""
        reads, cells = list[SystemReadings](), list[Cell]()
        for name, system in self.systems.items():
            guarded = getattr(system, "flags", None) is not None
            for condition in (*conditions(name), *(aware() if guarded else ()), *self.further):
                if condition.attack != "clean" and not self.keep(condition):
                    continue
                chosen = self.images(condition) if condition.attack != "clean" else None
                rows = np.arange(len(self.labels)) if chosen is None else chosen
                read, flagged = system(condition, self.labels)
                reads.append(SystemReadings(defence=name, condition=condition.key, images=packed(rows),
                                            read=packed(read[rows]),
                                            flagged=packed(flagged[rows].astype(int)) if guarded else ""))
                cells.append(Cell(condition=condition, defence=name, performance=FIGURES if self.labels.ndim == 1 else
                                  FINDINGS))
        return AuditResult(
            name="world", battery=self.battery, classes=CLASSES, model={"name": "model"}, seconds={}, provenance={},
            task=Task.MULTICLASS if self.labels.ndim == 1 else Task.MULTILABEL, cells=tuple(cells), detections=(),
            gallery=(),
            data=DataSummary(source="", counts={}, patients={}, characteristics={}, left_out=(), floors={},
                             warnings=(), sha256="9b" * 32, leaks=self.leaks,
                             patients_known=self.patients_known),
            defences={name: DefenceSummary(description=name, model=self.models.get(name, name))
                      for name in self.systems},
            measurement=tuple(self._checks()), readings=Readings(
                images=len(self.labels), labels=packed(self.labels), patients=packed(numbered(list(self.patients))),
                pictures=packed(self.pictures), read=tuple(reads), characteristics={
                    kind: Characteristic(values=tuple(dict.fromkeys(values)), of=packed(numbered(values)))
                    for kind, values in self.subgroups.items()}))

    def _checks(self) -> Iterator[MeasurementCheck]:
        for name in self.systems:
            for kind in (Sign.ZERO_GRADIENTS, Sign.UNFINISHED, Sign.UNREACHED):
                suspect = kind in self.suspects.get(name, ())
                figure = 0.3 if kind == Sign.ZERO_GRADIENTS else Estimate(0.0, 0.0, 0.2, self.probed)
                yield check(kind, name, figure, "Said.", suspect=suspect)
