"""What a guard costs beside the classification that is done anyway, one image at a time."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks.measure import Contender, compare
from radversary.classifiers.base import Features
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.types import Images
from radversary.data.phantoms import Phantoms
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.screening.fitting import PRESETS, fit_guard
from radversary.screening.guard import Guard

SIZE, REPEATS = 224, 120
"""Side of the image in pixels, and how often it is screened."""

FITTED, CALIBRATED = 24, 40
"""Clean images that a guard learns from and is calibrated on; more slow nothing but the nearest neighbours."""


def screening(architecture: str) -> dict[str, Any]:
    """Classify one image; screen it with either preset; and each detector alone, given the classifier's pass."""
    images = torch.cat([batch.images for batch in Phantoms(count=FITTED + CALIBRATED, size=SIZE).generate()])
    victim = wrap(build_network(architecture, classes=3), classes=("a", "b", "c"), size=SIZE)
    image = images[:1].clone()
    with torch.no_grad():
        features = victim.features(image)
    contenders: dict[str, Contender] = {"classification": partial(classified, victim, image)}
    for preset, names in PRESETS.items():
        guard = ready(victim, images, names)
        contenders[f"screening, {preset}"] = partial(guard.screen, image)
        contenders |= {name: partial(alone, guard.detectors[name], image, features) for name in names}
    note = f"one image at {SIZE} px, random weights; detectors alone are given the pass, shift makes three more"
    return compare(f"screening-{architecture}", "classification", contenders, repeats=REPEATS, note=note)


def classified(victim: TorchClassifier, image: Images) -> object:
    """Classify without gradients."""
    with torch.no_grad():
        return victim.logits(image).softmax(dim=1)


def ready(victim: TorchClassifier, images: Images, names: tuple[str, ...]) -> Guard:
    """Return a calibrated guard."""
    guard = fit_guard(victim, images[:FITTED], names=names)
    return guard.calibrate(images[FITTED:], [f"p{place}" for place in range(CALIBRATED)])


def alone(detector: ReferenceFreeDetector, image: Images, features: Features) -> object:
    """Measure and judge with one detector, given the classifier's pass."""
    with torch.no_grad():
        return detector.judge(detector.measure(image, features if detector.reads else None))
