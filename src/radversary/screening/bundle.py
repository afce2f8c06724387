"""A guard as a folder: its model or a reference to it, fitted detectors, thresholds; nothing in it runs code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, JsonValue, field_validator
from safetensors.torch import save
from torch import Tensor

from radversary import __version__
from radversary.calibration.fusion import Fusion, FusionFacts
from radversary.classifiers.base import Classifier
from radversary.classifiers.http_files import address_of
from radversary.classifiers.probe import probe_images
from radversary.core.errors import InputError, ModelError
from radversary.core.text import FAULT, quoted, sentence
from radversary.detectors.registry import REFERENCE_FREE
from radversary.screening.guard import Guard
from radversary.screening.kept_model import check_keepable, keep, load_kept, model_sha256, reading_sha256
from radversary.screening.looks import Looks
from radversary.screening.seen import checked_seen
from radversary.screening.views import add_views, load_views, save_views
from radversary.storage.arrays import read_tensors
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.documents import Document, Sha256, checked, read_document
from radversary.storage.files import write_whole
from radversary.storage.json_files import write_json
from radversary.storage.locks import locked

MODEL, LEARNED, VIEWS, GUARD = "model", "detectors.safetensors", "views", "guard.json"
SEEN = "films seen"
"""Under which the marks of the films that it has seen stand beside what its detectors learned."""

FORMAT = 3
RECORD, ANEW = "the record of a guard", "fit and calibrate anew"
LIMIT = 256 * 2**20
"""Bytes of a record at most: a clean score of each calibration patient and detector is in it."""


class GuardRecord(Document):
    """What ``guard.json`` holds, less the hash of all of it.

    Attributes:
        format: Raised whenever an older guard can no longer be read.
        radversary: The version that wrote it.
        detectors: Name and options of each detector; the columns of the scores are in this order.
        record: Facts for people.
        views: Name of each view and the hash of what it acts with.
        model_sha256: Of the model (:func:`radversary.screening.kept_model.model_sha256`).
        reference: The path or URL that leads to the model; None where its weights lie in the bundle.
        reading_sha256: Of what its card says of its answers (:func:`radversary.screening.kept_model.reading_sha256`);
            None in bundles of earlier versions.
        learned_sha256: Of the file of what the detectors learned.
        fusion: The thresholds; None before calibration.
        thresholds: What they promise (:func:`promise`); None before calibration.
        looks: What classifier and detectors make of generated images; None in bundles of earlier versions.
    """

    format: int
    radversary: str
    detectors: tuple[tuple[str, dict[str, JsonValue]], ...] = Field(min_length=1, max_length=100)
    record: dict[str, JsonValue]
    views: tuple[tuple[str, Sha256], ...]
    model_sha256: Sha256
    learned_sha256: Sha256
    fusion: FusionFacts | None
    thresholds: dict[str, JsonValue] | None
    looks: Looks | None = None
    reference: str | None = Field(default=None, min_length=1, max_length=4096)
    reading_sha256: Sha256 | None = None

    @field_validator("record")
    @classmethod
    def _names_a_group(cls, record: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if not isinstance(record.get("grouped_by"), str | None):
            raise ValueError("grouped_by must name what films are grouped by")  # noqa: TRY004 - pydantic takes values
        return record

    @field_validator("detectors")
    @classmethod
    def _each_once(cls, detectors: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
        if len({name for name, _ in detectors}) < len(detectors):
            raise ValueError("a detector stands twice")
        return detectors


def save_guard(guard: Guard, folder: str | Path) -> Path:
    """Save a guard; ``guard.json`` is written last, so that a folder that has one is whole.

    Args:
        guard: The guard, calibrated or not.
        folder: Where; made if absent.

    Returns:
        The folder.

    Raises:
        ModelError: Its classifier could not be loaded again
            (:func:`radversary.screening.kept_model.check_keepable`).
        BusyError: Another process writes the folder.
        StorageError: Writing failed.
    """
    folder = Path(folder)
    check_keepable(guard.classifier)
    with locked(folder):
        return _saved(guard, folder)


def _saved(guard: Guard, folder: Path) -> Path:
    """Save a guard in a folder that nobody else writes."""
    (folder / GUARD).unlink(missing_ok=True)
    reference, model = keep(guard.classifier, folder / MODEL)
    tensors = {f"{name}/{key}": value.detach().cpu().contiguous()
               for name, detector in guard.detectors.items() for key, value in detector.learned.items()}
    tensors |= {f"{SEEN}/{how}": hashes for how, hashes in guard.seen.items()}
    content = save(tensors, metadata={"format": "pt"})
    learned = write_whole(folder / LEARNED, lambda part: part.write_bytes(content))
    # A list, because the columns of the scores are in this order and JSON's mappings are sorted here.
    options = [[name, detector.options()] for name, detector in guard.detectors.items()]
    facts = {"format": FORMAT, "radversary": __version__, "detectors": options, "record": dict(guard.record),
             "views": save_views(guard.views, folder / VIEWS),
             "model_sha256": model, "reference": reference, "learned_sha256": sha256_file(learned),
             "reading_sha256": reading_sha256(guard.classifier.card),
             "fusion": None if guard.fusion is None else asdict(guard.fusion),
             "looks": Looks.of(guard).model_dump(mode="json")}
    facts["thresholds"] = None if guard.fusion is None else promise(guard.fusion)
    write_json(folder / GUARD, {**facts, "sha256": sha256_json(facts)})
    return folder


def promise(fusion: Fusion) -> dict[str, Any]:
    """Return what a calibration promises: the rate, the patients behind it, and the bound it stays under, by group."""
    final = fusion.final
    return {"alpha": final.alpha, "patients": {group: len(own) for group, own in final.scores.items()},
            "pooled": list(final.pooled), "thresholds": final.thresholds(),
            "bound_95": final.bounds(), "calibration_sha256": sha256_json(asdict(fusion))}


def load_guard(folder: str | Path, *, device: torch.device | str = "cpu",
               remote: Callable[[str], object] | None = None) -> Guard:
    """Load a guard that :func:`save_guard` saved.

    A bundle may name an address (``https://…``) as its model's: whatever the guard looks at is sent there, generated
    images as soon as it is loaded. It may name any, so that it is loaded only where ``remote`` is given.

    Args:
        folder: Its folder.
        device: Where its classifier shall compute, as :func:`radversary.execution.devices.select_device` returns it.
        remote: Who is told the address of a model that lies behind one, before it is asked; an error raised there stops
            the loading.

    Returns:
        The guard.

    Raises:
        ModelError: A part is missing or damaged, was calibrated with another model or other detectors, or the code of
            the model or of a detector was changed since, so that it answers generated images otherwise; or its model
            lies behind an address and ``remote`` is None.
        UnknownNameError: It names a detector that does not exist here.
    """
    folder = Path(folder)
    record = _record(folder)
    if record.reference is not None and (address := address_of(record.reference)):
        _announce(address, folder, remote)
    classifier = load_kept(record.reference, folder / MODEL, device=device)
    if (found := model_sha256(classifier)) != record.model_sha256:
        raise ModelError(f"the thresholds in {folder} were set for another model (sha256 {record.model_sha256[:12]}, "
                         f"here lies {found[:12]}); calibrate anew")
    if record.reading_sha256 not in (None, reading_sha256(classifier.card)):
        raise ModelError(f"the card of model {classifier.card.name!r} names other classes, thresholds or another task "
                         f"than when the guard in {folder} was saved; fit and calibrate anew")
    learned = _learned(folder, record.learned_sha256)
    views = load_views(record.views, folder / VIEWS)
    detectors = add_views({name: REFERENCE_FREE.create(name, **options) for name, options in record.detectors}, views)
    for name, detector in detectors.items():
        detector.bind(classifier).restore(_under(name, learned))
    guard = Guard(classifier=classifier, detectors=detectors, fusion=_fusion(record, folder / GUARD), views=views,
                  record=record.record, seen=checked_seen(_under(SEEN, learned)))
    _check_looks(guard, record.looks, folder)
    return guard


def load_fusion(folder: str | Path) -> Fusion:
    """Load the thresholds of a calibrated guard, without its model.

    Args:
        folder: Its folder.

    Raises:
        ModelError: They are missing or damaged.
    """
    folder = Path(folder)
    fusion = _fusion(_record(folder), folder / GUARD)
    if fusion is None:
        raise ModelError(f"the guard in {folder} has no thresholds yet: calibrate it first")
    return fusion


def _announce(address: str, folder: Path, remote: Callable[[str], object] | None) -> None:
    """Tell of the address of a model before it is asked; refuse where no function is given to tell."""
    if remote is None:
        raise ModelError(f"the guard in {folder} asks the model at {quoted(address)}, to which films would be sent; "
                         "where you trust that address, load it with remote=print")
    remote(address)


def _under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one detector, or of the films seen, by their own names."""
    return {key.partition("/")[2]: value for key, value in tensors.items() if key.partition("/")[0] == name}


def _record(folder: Path) -> GuardRecord:
    """Read ``guard.json``, its format and its hash before anything else in it."""
    path = folder / GUARD
    if not path.is_file():
        raise ModelError(f"{folder} holds no {GUARD}; make one with `radversary detector fit`")
    facts = read_document(path, dict[str, Any], what=RECORD, remedy=ANEW, error=ModelError, limit=LIMIT)
    if "format" in facts and facts["format"] != FORMAT:
        raise ModelError(f"{path} is of format {quoted(facts['format'])}, this version reads {FORMAT}; fit anew")
    known = facts.pop("sha256", None)
    record = checked(facts, GuardRecord, what=RECORD, where=path, remedy=ANEW, error=ModelError)
    if known is None:
        raise ModelError(f"{path} is damaged: it does not bear its own hash; {ANEW}")
    if sha256_json(facts) != known:
        raise ModelError(f"{path} was changed after it was written; calibrate anew")
    return record


def _fusion(record: GuardRecord, path: Path) -> Fusion | None:
    """Return the fusion of a record; what the record says of it must follow from it."""
    if record.fusion is None:
        return None
    try:
        fusion = record.fusion.fusion()
    except InputError as error:
        raise ModelError(f"{path} holds thresholds that contradict themselves: {error}; calibrate anew") from error
    if len(fusion.firsts) != len(record.detectors):
        raise ModelError(f"{path} holds thresholds for {len(fusion.firsts)} detectors and names "
                         f"{len(record.detectors)}; {ANEW}")
    said = record.thresholds or {}
    if said.get("calibration_sha256") != promise(fusion)["calibration_sha256"]:
        raise ModelError(f"{path} promises something else than its thresholds keep; calibrate anew")
    return fusion


def _learned(folder: Path, expected: str) -> dict[str, Tensor]:
    path = folder / LEARNED
    if not path.is_file():
        raise ModelError(f"{folder} holds no {LEARNED}; fit anew")
    if sha256_file(path) != expected:
        raise ModelError(f"{path} does not belong to the thresholds beside it; fit and calibrate anew")
    return read_tensors(path, error=ModelError, remedy=ANEW)


def _check_looks(guard: Guard, noted: Looks | None, folder: Path) -> None:
    """Let a guard look at generated images: what its detectors learned may be of another shape than they look for.

    Raises:
        ModelError: They cannot look, or see something else than was noted when the guard was saved.
    """
    card = guard.classifier.card
    picture = probe_images(card, 1)
    try:
        found = Looks.of(guard)
        with torch.no_grad():
            features = guard.features(picture)
            for detector in guard.detectors.values():
                detector.heat_map(picture, features)
    except (InputError, RuntimeError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        reason = sentence(str(error), FAULT)
        raise ModelError(f"{folder / LEARNED} does not hold what its detectors learn ({reason}); {ANEW}") from error
    if noted is not None:
        noted.check(found, model=card.name, detectors=tuple(guard.detectors))


def check_model(guard: Guard, given: Classifier) -> None:
    """Refuse a guard that was made for another model than a given one.

    Args:
        guard: The guard.
        given: The model that it is believed to be made for.

    Raises:
        ModelError: It was made for another.
    """
    own, other = model_sha256(guard.classifier), model_sha256(given)
    if own != other:
        raise ModelError(f"the thresholds were set for model {guard.classifier.card.name!r} (sha256 {own[:12]}), not "
                         f"for {given.card.name!r} ({other[:12]}); fit and calibrate a detector for it")
