"""The same weights in every form that can be loaded: what each answers, how it is attacked, and how fast it is."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.binary_forms import binary_forms
from benchmarks.form_files import FORMS, written
from benchmarks.form_page import page
from benchmarks.form_rounding import rounding
from benchmarks.form_weights import EPOCHS, FILMS, SIDE, Weights, films, trained
from benchmarks.measure import timed
from radversary import load_model
from radversary.attacks.base import Attack, AttackOutcome, Batch, run_attack
from radversary.attacks.goal import image_gradient
from radversary.attacks.gradient.fgsm import FGSM
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.style.code import StyleCodeAttack
from radversary.attacks.style.worst import WorstStyleAttack
from radversary.auditing.environment import environment
from radversary.classifiers.base import Classifier
from radversary.classifiers.tasks import decisions_of
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import MissingPartError
from radversary.core.types import Access, Images, Labels
from radversary.storage.files import write_text
from radversary.storage.json_files import write_json

PLACE: Final = Path(__file__).parents[1] / "docs" / "results"
PREDICTED, TIMED, SEED, ROUNDS, BATCH = 200, 96, 7, 3, 32
"""Films that are predicted and that are timed, their seed (training's is another), rounds of timing, films at once."""

EPSILON, ATTACKED = 4 / 255, 24
ATTACKS: Final[dict[str, tuple[Attack, int]]] = {
    "fgsm": (FGSM(epsilon=EPSILON), ATTACKED), "pgd": (PGD(epsilon=EPSILON, steps=10), ATTACKED),
    "style-code": (StyleCodeAttack(opacity=0.5, steps=4), 8),
    "worst-style": (WorstStyleAttack(opacity=0.5, k=5, generator="adain"), ATTACKED)}
"""Each attack and the films that it is run on."""

MODULE: Final = "PyTorch module (`wrap`)"
LIBRARIES: Final = ("torch", "monai", "safetensors", "keras", "onnx", "onnxruntime", "httpx")


class OneByOne(TorchClassifier):
    """A module that is given one image at a time, as a program for a batch of one is."""

    def logits(self, images: Images) -> Tensor:
        """Return logits (N, K)."""
        return torch.cat([super(OneByOne, self).logits(image) for image in images.split(1)])


def controls(weights: Weights) -> dict[str, Classifier]:
    """Return the module itself, called as some forms are: what differs here as well is rounding and not the form."""
    plain = deepcopy(weights.network).to(memory_format=torch.contiguous_format)
    return {"the module, one image at a time": OneByOne(weights.network, weights.card),
            "the module, channels first in memory": TorchClassifier(plain, weights.card)}


def forms() -> dict[str, Any]:
    """Measure every form and write docs/results/forms.md and forms.json."""
    weights, (images, truth) = trained(), films(PREDICTED, SEED)
    module = TorchClassifier(weights.network, weights.card)
    with loaded(weights) as (classifiers, seconds, missing):
        classifiers = {MODULE: module, **controls(weights), **classifiers}
        known = facts(module, images, truth)
        rows = {name: row(facts(classifier, images, truth), known, classifier)
                for name, classifier in classifiers.items()}
        times, load = timings(classifiers, images[:TIMED]), os.getloadavg()[0]
    for name, own in rows.items():
        own["seconds"], own["load seconds"] = times[name], seconds.get(name)
    record = {
        "name": "forms", "load": load, "films": PREDICTED, "timed": TIMED, "side": SIDE,
        "attacks": {name: repr(made) for name, (made, _) in ATTACKS.items()},
        "attacked": {name: count for name, (_, count) in ATTACKS.items()},
        "training": {"films": FILMS, "epochs": EPOCHS,
                     "accuracy": float((module.predict(images) == truth).float().mean())},
        "greatest": {"logit": float(known["logits"].abs().amax()), "gradient": float(known["gradient"].abs().amax())},
        "forms": [{"form": name, **own} for name, own in rows.items()],
        "missing": missing, "rounding": rounding(weights, images[:ATTACKED], truth[:ATTACKED]),
        "binary": binary_forms(weights, images, truth),
        "environment": {**environment(), "libraries": libraries(), "command": ["python", "-m", "benchmarks", "forms"]}}
    write_json(PLACE / "forms.json", record)
    write_text(PLACE / "forms.md", page(record))
    medians = {name: median(values) for name, values in times.items()}
    return {**record, "seconds": {name: {"median": value} for name, value in medians.items()},
            "times as long as ours": {name: value / medians[MODULE] for name, value in medians.items()
                                      if name != MODULE}}


@contextmanager
def loaded(weights: Weights) -> Iterator[tuple[dict[str, Classifier], dict[str, float], dict[str, str]]]:
    """Write and load every form; yields the classifiers, the seconds that loading took, and what is not installed.

    Each is loaded twice and the second time counts, as the first imports libraries.
    """
    classifiers: dict[str, Classifier] = {}
    seconds: dict[str, float] = {}
    missing: dict[str, str] = {}
    with ExitStack() as still_open:
        root = Path(still_open.enter_context(tempfile.TemporaryDirectory()))
        for name in FORMS:
            try:
                reference = still_open.enter_context(written(name, weights, root))
                classifiers[name] = load_model(reference, allow_code=True)
            except MissingPartError as error:
                missing[name] = str(error)
                print(f"{name}: {error}", file=sys.stderr)
                continue
            seconds[name] = timed(lambda leads=reference: load_model(leads, allow_code=True))
        yield classifiers, seconds, missing


def facts(classifier: Classifier, images: Images, truth: Labels) -> dict[str, Any]:
    """Return logits, decisions and, where access allows, a gradient and attacked images."""
    with torch.no_grad():
        logits = torch.cat([classifier.logits(part) for part in images.split(BATCH)])
    found: dict[str, Any] = {"logits": logits, "decisions": decisions_of(logits, classifier.card)}
    if classifier.access >= Access.GRADIENTS:
        found["gradient"] = image_gradient(classifier, images[:ATTACKED], truth[:ATTACKED])
    for name, (attack, count) in ATTACKS.items():
        if classifier.access >= attack.needs:
            found[name] = attacked(attack, classifier, images[:count], truth[:count])
    return found


def attacked(attack: Attack, classifier: Classifier, images: Images, labels: Labels) -> AttackOutcome:
    """Attack films; images come as files hold them."""
    batch = Batch(images, labels, tuple(f"film {place}" for place in range(len(images))))
    (outcome,) = run_attack(attack, classifier, batch, seed=SEED, step="forms", strengths=[attack.current])
    return outcome


def row(found: Mapping[str, Any], known: Mapping[str, Any], classifier: Classifier) -> dict[str, Any]:
    """Return how far what a form answers lies from what the module answers."""
    made: dict[str, Any] = {
        "access": classifier.access.name.lower(), "logit": furthest(found["logits"], known["logits"]),
        "equal decisions": int((found["decisions"] == known["decisions"]).sum()),
        "attacks": {name: changed(found[name], known[name]) for name in ATTACKS if name in found}}
    if "gradient" in found:
        made["gradient"] = furthest(found["gradient"], known["gradient"])
    return made


def furthest(first: Tensor, second: Tensor) -> float:
    """Return the greatest absolute difference."""
    return float((first - second).abs().amax())


def changed(first: AttackOutcome, second: AttackOutcome) -> dict[str, int]:
    """Return in how many pixels attacked images differ, by how many grey levels at most, and how many succeed."""
    levels = ((first.images - second.images) * 255).round().abs().int()
    success, before = (0 if each.success is None else int(each.success.sum()) for each in (first, second))
    return {"pixels": int((first.images != second.images).sum()), "of": first.images.numel(),
            "levels": int(levels.amax()), "success": success, "success of the module": before}


def timings(classifiers: Mapping[str, Classifier], images: Images) -> dict[str, list[float]]:
    """Return the seconds that each takes to predict films, in turn, all rounds; each is asked for a batch before."""
    times: dict[str, list[float]] = {name: [] for name in classifiers}
    for _ in range(ROUNDS):
        for name, classifier in classifiers.items():
            asking(classifier, images[:BATCH])()
            times[name].append(timed(asking(classifier, images)))
    return times


def asking(classifier: Classifier, images: Images) -> Callable[[], object]:
    """Return a call that predicts films."""
    return lambda: classifier.predict(images, batch=BATCH)


def libraries() -> dict[str, str]:
    """Return the versions of the libraries whose files were loaded."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found
