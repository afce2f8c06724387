"""A guard as a folder: classifier and card, what the detectors learned, thresholds; nothing in it can run code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from radversary import __version__
from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError
from radversary.core.files import read_json, sha256_file, sha256_json, write_json, write_whole
from radversary.detectors.fusion import Fusion
from radversary.detectors.registry import REFERENCE_FREE
from radversary.screening.guard import Guard
from radversary.screening.views import add_views, load_views, save_views

MODEL, LEARNED, VIEWS, GUARD = "model", "detectors.safetensors", "views", "guard.json"
SEEN = "films seen"
"""Under which the hashes of the films that it has seen stand beside what its detectors learned."""

FORMAT = 3


def save_guard(guard: Guard, folder: Path) -> Path:
    """Save a guard; ``guard.json`` is written last, so that a folder that has one is whole.

    Args:
        guard: The guard, calibrated or not.
        folder: Where; made if absent.

    Returns:
        The folder.

    Raises:
        ModelError: Its classifier is no network of ours, so that it could not be loaded again.
        StorageError: The disk refused.
    """
    if not isinstance(guard.classifier, TorchClassifier):
        raise ModelError(f"only a PyTorch classifier can be saved in a bundle, got {guard.classifier!r}")
    (folder / GUARD).unlink(missing_ok=True)
    model = save_classifier(guard.classifier, folder / MODEL)
    tensors = {f"{name}/{key}": value.detach().cpu().contiguous()
               for name, detector in guard.detectors.items() for key, value in detector.learned.items()}
    tensors |= {f"{SEEN}/{how}": hashes for how, hashes in guard.seen.items()}
    content = save(tensors, metadata={"format": "pt"})
    learned = write_whole(folder / LEARNED, lambda part: part.write_bytes(content))
    # A list, because the columns of the scores are in this order and JSON's mappings are sorted here.
    options = [[name, detector.options()] for name, detector in guard.detectors.items()]
    facts = {"format": FORMAT, "radversary": __version__, "detectors": options, "record": dict(guard.record),
             "views": save_views(guard.views, folder / VIEWS),
             "model_sha256": model.card.sha256, "learned_sha256": sha256_file(learned),
             "fusion": None if guard.fusion is None else asdict(guard.fusion)}
    facts["thresholds"] = None if guard.fusion is None else promise(guard.fusion)
    write_json(folder / GUARD, {**facts, "sha256": sha256_json(facts)})
    return folder


def promise(fusion: Fusion) -> dict[str, Any]:
    """Return what a calibration promises: the rate, the patients behind it, and the bound it stays under, by group."""
    final = fusion.final
    return {"alpha": final.alpha, "patients": {group: len(own) for group, own in final.scores.items()},
            "pooled": list(final.pooled), "thresholds": final.thresholds(),
            "bound_95": final.bounds(), "calibration_sha256": sha256_json(asdict(fusion))}


def load_guard(folder: Path) -> Guard:
    """Load a guard that :func:`save_guard` saved.

    Args:
        folder: Its folder.

    Returns:
        The guard.

    Raises:
        ModelError: A part is missing or damaged, or was calibrated with another model or other detectors.
        UnknownNameError: It names a detector that does not exist here.
    """
    facts = _facts(folder)
    classifier = load_classifier(folder / MODEL)
    if classifier.card.sha256 != facts["model_sha256"]:
        raise ModelError(f"the thresholds in {folder} were set for another model (sha256 {facts['model_sha256'][:12]}, "
                         f"here lies {classifier.card.sha256[:12]}); calibrate anew")
    learned = _learned(folder, facts["learned_sha256"])
    views = load_views(facts.get("views", []), folder / VIEWS)
    detectors = add_views({name: REFERENCE_FREE.create(name, **options) for name, options in facts["detectors"]}, views)
    for name, detector in detectors.items():
        detector.bind(classifier).restore(_under(name, learned))
    fusion = None if facts["fusion"] is None else Fusion.restore(facts["fusion"])
    return Guard(classifier=classifier, detectors=detectors, fusion=fusion, record=facts["record"], views=views,
                 seen=_under(SEEN, learned))


def _under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one detector, or of the films seen, by their own names."""
    return {key.partition("/")[2]: value for key, value in tensors.items() if key.partition("/")[0] == name}


def _facts(folder: Path) -> Mapping[str, Any]:
    path = folder / GUARD
    if not path.is_file():
        raise ModelError(f"{folder} holds no {GUARD}; make one with `radversary detector fit`")
    try:
        facts = dict(read_json(path))
        known = facts.pop("sha256")
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path} is damaged; fit and calibrate anew") from error
    if facts.get("format") != FORMAT:
        raise ModelError(f"{path} is of format {facts.get('format')}, this version reads {FORMAT}; fit anew")
    if sha256_json(facts) != known:
        raise ModelError(f"{path} was changed after it was written; calibrate anew")
    return facts


def _learned(folder: Path, expected: str) -> dict[str, Tensor]:
    path = folder / LEARNED
    if not path.is_file():
        raise ModelError(f"{folder} holds no {LEARNED}; fit anew")
    if sha256_file(path) != expected:
        raise ModelError(f"{path} does not belong to the thresholds beside it; fit and calibrate anew")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise ModelError(f"{path} is not a readable safetensors file: {error}") from error
    return tensors


def check_model(guard: Guard, folder: Path) -> None:
    """Refuse a guard that was made for another model than the one in a folder.

    Raises:
        ModelError: It was, or there is no model.
    """
    given = load_classifier(folder).card
    if given.sha256 != guard.classifier.card.sha256:
        raise ModelError(f"the thresholds were set for model {guard.classifier.card.name!r} (sha256 "
                         f"{guard.classifier.card.sha256[:12]}), not for {given.name!r} ({given.sha256[:12]}); "
                         "fit and calibrate a detector for it")
