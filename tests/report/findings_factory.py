"""Results of models that read findings, and of images without labels, with figures of real readings drawn at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from audit_factory import audit_result

from radversary.attacks.registry import ATTACKS
from radversary.auditing.cells import Cell, Condition, OutcomeSummary, WorstCase
from radversary.auditing.result import AuditResult
from radversary.auditing.setup import condition_of
from radversary.core.types import AttackerKnowledge, Estimate, Task
from radversary.metrics.classification import performance, proportion
from radversary.metrics.columns import one_vs_rest
from radversary.metrics.findings import finding_figures
from radversary.metrics.flips import flip_figures
from radversary.metrics.multilabel import multilabel_performance
from radversary.metrics.paired import paired_test

FINDINGS = ("Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema", "Fibrosis",
            "Effusion", "Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass", "Hernia", "Lung Lesion",
            "Fracture", "Lung Opacity", "Enlarged Cardiomediastinum")
"""The 18 findings of the networks of TorchXRayVision."""
SHARED: dict[str, Any] = {"draws": 40, "seed": 1}
REACHED = Estimate(0.61, 0.5, 0.7, 40)
CLEAN, SAME = Condition(attack="clean", strength=0.0), Condition(attack="identity", strength=0.0, description="same")


def attack(label: str, name: str, strength: float, **options: Any) -> Condition:
    return condition_of(label, ATTACKS.create(name, **options).at(strength), AttackerKnowledge.OBLIVIOUS)


STYLE = attack("style", "style-transfer", 0.5)
PGD = attack("pgd", "pgd", 4 / 255)
HIDE = attack("hide", "pgd", 4 / 255, goal="hide Pneumothorax|Mass")
INVENT = attack("invent", "pgd", 4 / 255, goal="invent Nodule keep")


class Readings:
    """N images of K findings, scores of a model that is right more often than not; patients have two images each."""

    def __init__(self, findings: tuple[str, ...], n: int = 160) -> None:
        rng = np.random.default_rng(4)
        self.findings, shape = findings, (n, len(findings))
        self.truth = rng.choice([1, 0, -1], shape, p=[0.2, 0.6, 0.2])
        if "Hernia" in findings:  # nobody has one
            self.truth[:, findings.index("Hernia")] = np.minimum(self.truth[:, findings.index("Hernia")], 0)
        self.patients = [f"p{row // 2}" for row in range(n)]
        self.noise = rng.normal(0, 1, shape)
        self.change = rng.normal(0, 1, shape)

    def scores(self, strength: float, hide: tuple[str, ...] = (), invent: tuple[str, ...] = ()) -> np.ndarray:
        logits = 1.6 * (self.truth == 1) - 0.8 + 0.8 * self.noise + strength * self.change
        for place, name in enumerate(self.findings):
            logits[:, place] += 3.0 * (name in invent) - 3.0 * (name in hide)
        return 1 / (1 + np.exp(-logits))


def multilabel_cells(readings: Readings, *, labelled: bool) -> tuple[Cell, ...]:
    names, made = readings.findings, list[Cell]()
    clean = {"none": readings.scores(0.0), "jpeg-75": readings.scores(0.1)}
    truth = readings.truth if labelled else (clean["none"] >= 0.5).astype(int)
    every = np.ones(len(truth), dtype=bool)
    shows = (truth[:, [names.index(name) for name in ("Pneumothorax", "Mass") if name in names]] == 1).any(axis=1)
    without = truth[:, names.index("Nodule")] == 0 if "Nodule" in names else every
    done = {CLEAN: (0.0, every, {}), SAME: (0.0, every, {}), STYLE: (0.9, every, {}), PGD: (1.8, every, {}),
            HIDE: (0.2, shows, {"hide": ("Pneumothorax", "Mass")}), INVENT: (0.2, without, {"invent": ("Nodule",)})}
    for condition, (strength, rows, goal) in done.items():
        scores = {"none": readings.scores(strength, **goal), "jpeg-75": readings.scores(strength * 0.6 + 0.1)}
        if condition in (CLEAN, SAME):
            scores = clean
        made += [one_cell(condition, label, truth[rows], clean[label][rows], own[rows], scores["none"][rows], names,
                          [name for name, kept in zip(readings.patients, rows, strict=True) if kept])
                 for label, own in scores.items()]
    return tuple(made)


def one_cell(condition: Condition, defence: str, truth: np.ndarray, clean: np.ndarray, now: np.ndarray,
             alone: np.ndarray, names: tuple[str, ...], people: list[str]) -> Cell:
    decided, before, undefended = ((part >= 0.5).astype(int) for part in (now, clean, alone))
    known = truth != -1
    owners = np.repeat(np.array(people)[:, None], len(names), axis=1)[known].tolist()
    right, was, other = ((part == truth)[known] for part in (decided, before, undefended))
    untouched = condition.attack == "clean"
    return Cell(
        condition=condition, defence=defence,
        performance=multilabel_performance(truth, now, decisions=decided, classes=names, patients=people, **SHARED),
        findings=finding_figures(truth, now, decided, names=names, patients=people, **SHARED),
        flips=None if untouched else flip_figures(truth, before, decided, names=names, patients=people, **SHARED),
        success=None if untouched else proportion(~right[was], patients=[
            name for name, kept in zip(owners, was, strict=True) if kept], **SHARED),
        reached=None if untouched else REACHED,
        against_clean=None if untouched else paired_test(was, right, patients=owners, **SHARED),
        against_none=None if defence == "none" else paired_test(other, right, patients=owners, **SHARED))


def changed_to(base: AuditResult, cells: tuple[Cell, ...], **update: Any) -> AuditResult:
    """A result of other cells, with outcomes and worst cases that say a little of each goal."""
    conditions = [cell.condition for cell in cells if cell.defence == "none" and cell.condition.family.aimed]
    data = base.data.model_copy(update={
        "images": {"train": 900, "validation": 200, "test": 160}, "floors": {"chance": 0.5},
        "counts": {part: dict.fromkeys(update["classes"], count) for part, count in (("train", 90), ("test", 30))}})
    outcomes = tuple(OutcomeSummary(condition=c, target="none", success=REACHED, linf=0.01, l2=1.0,
                                    queries=0, gradients=4, zero_gradients=0) for c in conditions)
    worst = tuple(WorstCase(defence="none", knowledge=c.knowledge, goal=c.goal, accuracy=Estimate(0.31, 0.2, 0.4, 99),
                            least=c.key, conditions=2) for c in conditions)
    return base.model_copy(update={"cells": cells, "detections": (), "curves": {}, "oracles": (), "ceilings": (),
                                   "outcomes": outcomes, "worst_cases": worst, "data": data, **update}).with_standing()


def finding_result(folder: Path, *, findings: tuple[str, ...] = FINDINGS, labelled: bool = True,
                   images: int = 2) -> AuditResult:
    """An audit of a network that reads findings: untargeted attacks, one that hides and one that invents."""
    base = audit_result(folder, images=images, defences=("none", "jpeg-75"), attacks=())
    gallery = tuple(image.model_copy(update={
        "label": "|".join(findings[:2]) if labelled else "", "condition": HIDE, "restored": {},
        "predictions": {"clean": findings[0], "attacked": "no finding", "jpeg-75": findings[0]},
        "wrong": {"clean": findings[1:2], "attacked": findings[:2], "jpeg-75": ()}}) for image in base.gallery)
    bars = tuple(round(0.3 + 0.02 * place, 2) for place in range(len(findings)))
    return changed_to(base, multilabel_cells(Readings(findings), labelled=labelled), classes=findings, gallery=gallery,
                      task=Task.MULTILABEL, thresholds=bars, labels="given" if labelled else "own readings")


def class_cells(names: tuple[str, ...], *, task: Task, labelled: bool) -> tuple[Cell, ...]:
    """Cells of a model that reads one class of several, or whether there is a finding, with figures by class."""
    rng, n, made = np.random.default_rng(8), 160, list[Cell]()
    people, truth = [f"p{row // 2}" for row in range(n)], rng.integers(0, len(names), n)
    noise, change = rng.normal(0, 1, (n, len(names))), rng.normal(0, 1, (n, len(names)))

    def scores(strength: float) -> np.ndarray:
        raised = np.exp(1.8 * np.eye(len(names))[truth] + noise + strength * change)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    known = truth if labelled else scores(0.0).argmax(axis=1)
    for condition, strength in ((CLEAN, 0.0), (SAME, 0.0), (STYLE, 0.8), (PGD, 1.6)):
        alone = scores(strength)
        for defence, weaker in (("none", 1.0), ("jpeg-75", 0.5)):
            now, before = scores(strength * weaker), scores(0.0)
            made.append(class_cell(condition, defence, known, now, before, alone, names, people, task))
    return tuple(made)


def class_cell(condition: Condition, defence: str, truth: np.ndarray, now: np.ndarray, before: np.ndarray,
               alone: np.ndarray, names: tuple[str, ...], people: list[str], task: Task) -> Cell:
    said, was, other = (part.argmax(axis=1) for part in (now, before, alone))
    columns, clean = (one_vs_rest(truth, decided, part, names) for decided, part in ((said, now), (was, before)))
    found = names
    if task == Task.BINARY:
        columns, clean, found = columns.only(1), clean.only(1), names[1:]
    untouched = condition.attack == "clean"
    right, earlier = said == truth, was == truth
    kept = [name for name, good in zip(people, earlier, strict=True) if good]
    return Cell(
        condition=condition, defence=defence,
        performance=performance(truth, now, classes=names, patients=people, decisions=said, **SHARED),
        findings=finding_figures(columns.truth, columns.probabilities, columns.decisions, names=found, patients=people,
                                 **SHARED),
        flips=None if untouched else flip_figures(columns.truth, clean.decisions, columns.decisions, names=found,
                                                  patients=people, **SHARED),
        success=None if untouched else proportion(~right[earlier], patients=kept, **SHARED),
        reached=None if untouched else REACHED,
        against_clean=None if untouched else paired_test(earlier, right, patients=people, **SHARED),
        against_none=None if defence == "none" else paired_test(other == truth, right, patients=people, **SHARED))


def class_result(folder: Path, *, names: tuple[str, ...] = ("Normal", "Pneumonia", "Pneumothorax"),
                 task: Task = Task.MULTICLASS, labelled: bool = True, images: int = 2) -> AuditResult:
    """An audit of a model that reads classes, or one finding, with figures by class."""
    base = audit_result(folder, images=images, defences=("none", "jpeg-75"), attacks=())
    gallery = tuple(image.model_copy(update={"label": names[-1] if labelled else "", "condition": PGD, "restored": {},
                                             "predictions": {"clean": names[-1], "attacked": names[0]}})
                    for image in base.gallery)
    return changed_to(base, class_cells(names, task=task, labelled=labelled), classes=names, gallery=gallery, task=task,
                      thresholds=(0.2,) if task == Task.BINARY else (), labels="given" if labelled else "own readings")
