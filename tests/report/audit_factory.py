"""A realistic audit result with consistent counts, and pictures to go with it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from radversary.attacks.base import Attack
from radversary.attacks.registry import ATTACKS
from radversary.auditing.cells import Cell, Condition, VisibilityCell
from radversary.auditing.detection import Curve, Detection, Histogram
from radversary.auditing.findings import findings_of
from radversary.auditing.result import AuditResult, Cost, DataSummary, DefenceSummary, GalleryImage
from radversary.auditing.setup import condition_of
from radversary.core.types import AttackerKnowledge, AttackFamily, Estimate
from radversary.metrics.performance import ClassFigures, PairedTest, Performance

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
ACCURACY = {"none": (0.92, 0.84, 0.66, 0.49, 0.41), "jpeg-75": (0.91, 0.84, 0.69, 0.52, 0.42),
            "adversarial training": (0.893, 0.88, 0.85, 0.81, 0.78), "oracle": (0.90, 0.89, 0.87, 0.85, 0.84)}
PER_CLASS = 100


def wilson(value: float, n: int) -> Estimate:
    centre, margin = value + 1.92 / n, 1.96 * math.sqrt(value * (1 - value) / n + 0.96 / n**2)
    low, high = ((centre + sign * margin) / (1 + 3.84 / n) for sign in (-1, 1))
    return Estimate(value, max(low, 0.0), min(high, 1.0), n)


def performance(accuracy: float, classes: tuple[str, ...], seed: int) -> Performance:
    rng = np.random.default_rng(seed)
    k = len(classes)
    confusion = np.zeros((k, k), int)
    for truth in range(k):
        odds = np.full(k, (1 - accuracy) * 0.35 / max(k - 1, 1))
        odds[0] = (1 - accuracy) * 0.65
        odds[truth] = accuracy
        confusion[truth] = rng.multinomial(PER_CLASS, odds / odds.sum())
    hits, said = np.diag(confusion), np.maximum(confusion.sum(0), 1)
    figures = []
    for index, name in enumerate(classes):
        p, r = hits[index] / said[index], hits[index] / PER_CLASS
        f1 = 2 * p * r / (p + r) if p + r else math.nan
        figures.append(ClassFigures(name, wilson(p, int(said[index])), wilson(r, PER_CLASS), wilson(f1, PER_CLASS),
                                    PER_CLASS))
    n = k * PER_CLASS
    means = [wilson(float(np.mean([getattr(f, key).value for f in figures])), n)
             for key in ("precision", "recall", "f1")]
    return Performance(wilson(hits.sum() / n, n), *means, wilson(min(accuracy + 0.07, 0.99), n), tuple(figures),
                       tuple(map(tuple, confusion.tolist())))


def paired(first: Performance, second: Performance) -> PairedTest:
    n = first.accuracy.n
    gap = second.accuracy.value - first.accuracy.value
    changed = max(abs(gap) * n * 1.25, 4 if gap else 0)
    won, lost = round((changed + gap * n) / 2), round((changed - gap * n) / 2)
    half = 1.96 * math.sqrt(max(changed / n - gap**2, 0) / n)
    p = math.erfc(abs(won - lost) / math.sqrt(2 * (won + lost))) if won + lost else 1.0
    return PairedTest(Estimate(gap, gap - half, gap + half, n), lost, won, p)


def cells(classes: tuple[str, ...], defences: tuple[str, ...], attacks: tuple[str, ...]) -> tuple[Cell, ...]:
    made: list[Cell] = []
    clean = {name: performance(ACCURACY[name][0], classes, seed=7) for name in defences}
    for name in defences:
        against = None if name == "none" else paired(clean["none"], clean[name])
        made.append(Cell(condition=Condition(attack="clean", strength=0), defence=name, performance=clean[name],
                         against_none=against))
        made.append(Cell(condition=Condition(attack="identity", strength=0, description="Identity()"), defence=name,
                         performance=clean[name], success=wilson(0, PER_CLASS), against_none=against,
                         against_clean=paired(clean[name], clean[name])))
    for index, attack in enumerate(attacks):
        for level, strength in enumerate(STRENGTHS, start=1):
            text = f"StyleTransferAttack(generator='{attack}', opacity={strength}, colour='grey')"
            condition = Condition(attack=attack, strength=strength, family=AttackFamily.STYLE, mixture=True,
                                  description=text)
            seed = 7 + level + 10 * index
            now = {name: performance(min(ACCURACY[name][level] + 0.1 * index, 0.99), classes, seed)
                   for name in defences}
            made += [Cell(condition=condition, defence=name, performance=now[name],
                          success=wilson(max(1 - now[name].accuracy.value / clean[name].accuracy.value, 0), 270),
                          against_clean=paired(clean[name], now[name]),
                          against_none=None if name == "none" else paired(now["none"], now[name])) for name in defences]
    return tuple(made)


def detections(attacks: tuple[str, ...]) -> tuple[Detection, ...]:
    made = []
    rng = np.random.default_rng(3)
    for attack in attacks:
        for strength in STRENGTHS:
            condition = Condition(attack=attack, strength=strength, family=AttackFamily.STYLE)
            for name, power in (("edges", 2.5), ("ssim", 3.4), ("spectrum", 1.6)):
                made.append(_detection(condition, name, rng.normal(0, 1, 300), rng.normal(power * strength, 1, 300)))
            made.append(Detection(condition=condition, detector="edges or ssim", needs_original=True, auroc=None,
                                  threshold=None, alarms=wilson(min(0.5 + 0.48 * strength, 1), 300),
                                  false_alarms=wilson(0.063, 300)))
    return tuple(made)


def _detection(condition: Condition, name: str, clean: np.ndarray, attacked: np.ndarray) -> Detection:
    threshold = float(np.quantile(clean, 0.95))
    edges = np.linspace(-4, 7, 34)
    cuts = np.linspace(-4, 7, 60)[::-1]
    auroc = float((attacked[:, None] > clean).mean())
    return Detection(
        condition=condition, detector=name, needs_original=True, auroc=wilson(auroc, 600), threshold=threshold,
        alarms=wilson(float((attacked > threshold).mean()), 300),
        false_alarms=wilson(float((clean > threshold).mean()), 300),
        curve=Curve(false_alarms=tuple((clean > c).mean() for c in cuts),
                    detections=tuple((attacked > c).mean() for c in cuts)),
        histogram=Histogram(edges=tuple(edges), clean=tuple(np.histogram(clean, edges)[0].tolist()),
                            attacked=tuple(np.histogram(attacked, edges)[0].tolist())))


def gallery(folder: Path, count: int, classes: tuple[str, ...], *, size: int = 224) -> tuple[GalleryImage, ...]:
    made = []
    for index in range(count):
        name = f"{index:08d}_000"
        paths = _pictures(folder, name, size, seed=index)
        label = classes[index % len(classes)]
        made.append(GalleryImage(
            image_id=name, label=label, condition=Condition(attack="style (texture)", strength=1.0,
                                                             family=AttackFamily.STYLE), **paths,
            restored={"jpeg-75": paths["defended"]},
            predictions={"clean": label, "attacked": classes[(index + 1) % len(classes)], "jpeg-75": classes[0],
                         "adversarial training": label}))
    return tuple(made)


def _pictures(folder: Path, name: str, size: int, seed: int) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:size * 1j, -1:1:size * 1j]
    lungs = np.exp(-(((np.abs(x) - 0.42) / 0.27) ** 4 + (y / 0.7) ** 4))
    chest = 0.75 * np.exp(-((x / 0.95) ** 6)) - 0.55 * lungs + 0.06 * np.sin(22 * (y + x**2)) * lungs
    chest = np.clip(chest + rng.normal(0, 0.02, chest.shape), 0, 1)
    texture = 0.5 + 0.5 * np.sin(18 * (x + 0.3 * np.sin(4 * y + seed)))
    attacked = np.clip(0.55 * chest + 0.3 * texture, 0, 1)
    soft = np.asarray(Image.fromarray((attacked * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.2))) / 255
    pictures = {"original": chest, "attacked": attacked, "difference": np.clip(0.5 + (attacked - chest) / 2, 0, 1),
                "defended": soft, "evidence": np.concatenate([chest, attacked, np.abs(attacked - chest)], axis=1)}
    (folder / "gallery").mkdir(exist_ok=True, parents=True)
    for kind, pixels in pictures.items():
        Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / "gallery" / f"{name}_{kind}.png")
    return {kind: f"gallery/{name}_{kind}.png" for kind in pictures}


def changed(result: AuditResult, **update: Any) -> AuditResult:
    """The result with other fields, and the standing that follows from them."""
    return result.model_copy(update=update).with_standing()


def audit_result(folder: Path, *, classes: tuple[str, ...] = CLASSES, defences: tuple[str, ...] = tuple(ACCURACY),
                 attacks: tuple[str, ...] = ("style (texture)", "fourier"), images: int = 8) -> AuditResult:
    floors = {"chance": 1 / len(classes), "view, sex, age": 0.47, "mean brightness": 0.39, "image size": 0.36}
    split = {"train": 540, "validation": 180, "test": PER_CLASS}
    shape = np.exp(-np.arange(9) / 2.5)
    made = AuditResult(
        oracles=("oracle",), ceilings=tuple(f"{attack}/oracle" for attack in attacks),
        name="ResNet-50 on NIH ChestX-ray14 (three classes)", classes=classes,
        model={"name": "ResNet-50, ImageNet start", "architecture": "resnet50", "input": "1 × 224 × 224",
               "sha256": "4f1d" * 16, "licence": "Apache-2.0"},
        cells=cells(classes, defences, attacks), detections=detections(attacks),
        gallery=gallery(folder, images, classes),
        data=DataSummary(
            source="NIH ChestX-ray14, exactly one of No Finding, Pneumonia, Pneumothorax", patients={
                "train": 1240, "validation": 402, "test": 120},
            counts={part: dict.fromkeys(classes, n) for part, n in split.items()},
            characteristics={"view": {"PA": 182, "AP": 118}, "sex": {"F": 141, "M": 159},
                             "age": {"under 18": 12, "18-40": 81, "41-65": 152, "over 65": 55}},
            left_out=("00000013_005.png: truncated file", "00000211_000.png: not an image"), floors=floors,
            warnings=("View, sex and age alone reach a balanced accuracy of 0.47, above chance (0.33): part of the "
                      "clean accuracy may not be medicine.",), sha256="9b" * 32),
        defences={
            "jpeg-75": DefenceSummary(description="JPEG compression at quality 75 before the classifier",
                                      model="victim", transforms=("jpeg",)),
            "adversarial training": DefenceSummary(description="trained on clean and attacked images, equal parts",
                                                   model="adversarial training", adversarial=True),
            "oracle": DefenceSummary(description="trained on this very attack: the ceiling, not a defence",
                                     model="oracle", adversarial=True)},
        seconds={"prepare": 12.4, "train baseline": 141.0, "train defence": 162.5, "attack": 48.2, "detect": 9.9,
                 "audit": 21.3, "report": 3.8},
        provenance={"plan sha256": "c0ffee" * 10, "radversary": "0.1.0", "torch": "2.13.0+cpu", "python": "3.11.9",
                    "machine": "2 cores, 8 GB, no GPU", "seed": "42", "command": "radversary run plan.yaml"},
        curves={"baseline": {"train_loss": tuple(0.2 + shape), "val_loss": tuple(0.35 + 0.9 * shape),
                             "val_accuracy": tuple(0.93 - 0.5 * shape)},
                "adversarial training": {"train_loss": tuple(0.4 + shape), "val_loss": tuple(0.5 + 0.8 * shape)}})
    return made.with_standing()


OPACITIES, BUDGETS = (0.1, 0.3, 0.5, 1.0), tuple(k / 255 for k in (1, 2, 4, 8, 16))
ALL_KNOWLEDGE = tuple(AttackerKnowledge)
TABLE = {  # label: measure, strengths, knowledge, what the strongest costs the undefended classifier of the first
    "equal noise": ("epsilon", (8 / 255, 16 / 255), ALL_KNOWLEDGE[:1], 0.03),
    "style (MicroAST)": ("opacity", OPACITIES, ALL_KNOWLEDGE[:1], 0.46),
    "style, worst of 10": ("opacity", OPACITIES,
                           (AttackerKnowledge.OBLIVIOUS, AttackerKnowledge.TRANSFER, AttackerKnowledge.ADAPTIVE), 0.55),
    "Gatys": ("opacity", (1.0,), ALL_KNOWLEDGE[:1], 0.4),
    "stm": ("epsilon", BUDGETS, ALL_KNOWLEDGE, 0.85),
}
MADE = {  # label: what the attack is
    "equal noise": ("equal-noise", {"like": {"name": "stm"}}),
    "style (MicroAST)": ("style-transfer", {"generator": "microast"}),
    "style, worst of 10": ("worst-style", {"generator": "microast"}),
    "Gatys": ("style-transfer", {"generator": "gatys"}), "stm": ("stm", {})}
STRENGTH_OF = {  # defence: clean accuracy, share of the loss that it takes away on each knowledge level
    "none": (0.92, (0, 0, 0, 0)), "jpeg-75": (0.91, (0.05, 0.3, 0.05, 0.02)), "shield": (0.90, (0.1, 0.4, 0.1, 0.05)),
    "augmix": (0.915, (0.3, 0.35, 0.1, 0.1)), "adversarial training": (0.893, (0.7, 0.6, 0.5, 0.45)),
    "fast PGD-AT": (0.85, (0.4, 0.8, 0.75, 0.7)), "hgd": (0.905, (0.55, 0.6, 0.2, 0.1)),
    "cyclegan": (0.86, (0.4, 0.5, 0.15, 0.1)), "feature consistency": (0.84, (0.2, 0.3, 0.1, 0.05)),
    "canonical + destyle": (0.912, (0.75, 0.7, 0.3, 0.2)), "style-randomised": (0.91, (0.88, 0.75, 0.6, 0.6)),
    "oracle (style)": (0.905, (0.92, 0.7, 0.5, 0.66))}
RESTORERS = {"hgd": "unet", "cyclegan": "cyclegan"}
SSIM_BINS = ("≥ 0.98", "0.95–0.98", "0.90–0.95", "0.80–0.90", "< 0.80")


def made_attack(attack: str, strength: float) -> Attack:
    name, options = MADE[attack]
    return ATTACKS.create(name, **options).at(strength)


def table_cells(classes: tuple[str, ...]) -> tuple[Cell, ...]:
    clean = {name: performance(value, classes, seed=7) for name, (value, _) in STRENGTH_OF.items()}
    made = list(cells(classes, ("none",), ()))
    for name in list(STRENGTH_OF)[1:]:
        against = paired(clean["none"], clean[name])
        made.append(made[0].model_copy(update={"defence": name, "performance": clean[name], "against_none": against}))
        made.append(made[1].model_copy(update={"defence": name, "performance": clean[name], "against_none": against}))
    for attack, (measure, strengths, known, cost) in TABLE.items():
        for knowledge in known:
            for level, strength in enumerate(strengths, start=1):
                like = ("stm",) if attack == "equal noise" else ()
                condition = condition_of(attack, made_attack(attack, strength), knowledge, like=like)
                assert condition.measure == measure
                loss = cost * (level / len(strengths)) ** 0.8 * (0.5 if knowledge == AttackerKnowledge.TRANSFER else 1)
                kept = {name: max(value - loss * (1 - saved[ALL_KNOWLEDGE.index(knowledge)]), 0.01)
                        for name, (value, saved) in STRENGTH_OF.items()}
                now = {name: performance(value, classes, seed=level) for name, value in kept.items()}
                made += [Cell(condition=condition, defence=name, performance=now[name], success=wilson(0.3, 270),
                              against_clean=paired(clean[name], now[name]),
                              against_none=None if name == "none" else paired(now["none"], now[name]))
                         for name in STRENGTH_OF]
    return tuple(made)


def visibility(attack: str, knowledge: AttackerKnowledge) -> tuple[VisibilityCell, ...]:
    counts = (210, 180, 320, 190, 0)
    return tuple(VisibilityCell(
        attack=attack, knowledge=knowledge, defence=name, bins=SSIM_BINS, edge_retention=(0.99, 0.93, 0.81, 0.64, None),
        accuracy=tuple(wilson(value - 0.1 * place * (1 - saved[0]), n) if n else None
                       for place, n in enumerate(counts))) for name, (value, saved) in STRENGTH_OF.items())


def table_result(folder: Path, *, images: int = 3) -> AuditResult:
    """A result as the large plans make it: twelve defences, four knowledge levels, an oracle, visibility and costs."""
    base = audit_result(folder, images=images, attacks=("style (MicroAST)",))
    gallery = tuple(e.model_copy(update={
        "condition": Condition(attack="style (MicroAST)", strength=1.0, measure="opacity", family=AttackFamily.STYLE),
        "predictions": {**{key: e.predictions[key] for key in ("clean", "attacked")},
                        **dict.fromkeys(list(STRENGTH_OF)[1:], e.label)}}) for e in base.gallery)
    names, made = list(STRENGTH_OF), table_cells(base.classes)
    defences = {"none": DefenceSummary(description="the classifier alone", model="victim"), **{
        name: DefenceSummary(description=f"{name} before model victim", model="victim", transforms=(name,),
                             restorers=(RESTORERS[name],) if name in RESTORERS else (),
                             adversarial=name == "adversarial training") for name in names[1:]}}
    return changed(
        base, cells=made, findings=findings_of(made), gallery=gallery, oracles=("oracle (style)",),
        ceilings=("style (MicroAST)/oracle (style)",), defences=defences,
        training_overlap=("stm/fast PGD-AT", "style (MicroAST)/cyclegan"),
        costs={name: Cost(milliseconds=3.1 + 2.3 * place, extra=2.3 * place,
                          training=None if "jpeg" in name else 141.0 * (place + 1))
               for place, name in enumerate(names)},
        visibility=visibility("style (MicroAST)", AttackerKnowledge.OBLIVIOUS)
        + visibility("stm", AttackerKnowledge.OBLIVIOUS) + visibility("stm", AttackerKnowledge.TRANSFER))
