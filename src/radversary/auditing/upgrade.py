"""Results of earlier versions, brought to the newest schema (docs/decisions/0017-standard-words.md).

Version 1 had no ``schema_version`` and other names, and told of an attack only its repr. Version 2 told of a defence
only a line of text, and named the attack whose size a noise takes by its repr. Version 3 held no checks of the
measurement itself. No other module parses facts from texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

SCHEMA_VERSION: Final = 4
"""The schema that is written; every earlier one is read."""

KEYS: Mapping[str, str] = MappingProxyType({
    "rung": "knowledge", "exhibits": "gallery", "familiar": "training_overlap", "slipped": "undetected_success_rate",
    "slipped_direct": "undetected_success_rate_direct", "at_1": "tpr_at_fpr_1", "at_5": "tpr_at_fpr_5",
    "at_1_flipped": "tpr_at_fpr_1_flipped", "at_5_flipped": "tpr_at_fpr_5_flipped"})
"""Keys of versions 1 and 2 to those of today."""
NAMED_BY_USERS = frozenset({"model", "defences", "seconds", "provenance", "curves", "costs", "predictions", "restored",
                            "counts", "patients", "characteristics", "detectors", "floors", "families",
                            "taught_attacked"})
"""Keys whose values are keyed by names of a plan or of data: no key inside is one of the schema."""
KNOWLEDGE, RULE = {"classifier": "gray-box"}, {"kindred": "fisher_within_tippett_across"}
GRADIENT, STYLE, NOISE = {"family": "gradient", "contract": "fixed budget"}, {"family": "style"}, {"family": "noise"}
ATTACKS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    **dict.fromkeys(("FGSM", "IterativeFGSM", "MomentumFGSM", "DiverseFGSM", "PGD", "StyleTransferMethod",
                     "EvasivePGD"), GRADIENT),
    **dict.fromkeys(("StyleCodeAttack", "WorstStyleAttack", "EvasiveStyleAttack"), STYLE),
    "StyleTransferAttack": {**STYLE, "mixture": True}, "EqualNoise": NOISE, "Noise": NOISE})
"""Class of an attack, as its repr in version 1 begins, to the facts that version 2 stores."""
TRANSFORMS: Mapping[str, str] = MappingProxyType({
    "CanonicalInput": "canonical", "FeatureConsistency": "feature-consistency", "JpegCompression": "jpeg",
    "Restore": "restore", "Shield": "shield"})
"""Class of a transform, as its repr begins, to its name; a trained one's repr tells its name."""
RESTORERS: Mapping[str, str] = MappingProxyType({"unet": r"hgd|denois", "cyclegan": r"cycle-?gan"})
"""Architecture of a trained transform to the words by which version 2 knew it where no repr tells it."""


def upgraded(content: Any) -> Any:  # noqa: ANN401
    """Return a result of any known version as one of the newest; what is no result is returned as it is.

    Args:
        content: Plain values, as JSON gave them.

    Raises:
        ValueError: It was written by a newer version than this one.

    Example:
        >>> upgraded({"name": "run", "exhibits": []})
        {'name': 'run', 'gallery': [], 'schema_version': 4}
    """
    if not isinstance(content, dict):
        return content
    version = content.get("schema_version", 1)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ValueError(f"it has schema version {version}, written by a newer radversary; this one reads up to "
                         f"{SCHEMA_VERSION}")
    if version == 3:
        return {**content, "schema_version": SCHEMA_VERSION}
    if version not in (1, 2):
        return content
    return {**_with_facts(_renamed(content)), "schema_version": SCHEMA_VERSION}


def _renamed(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {KEYS.get(key, key): item if key in NAMED_BY_USERS else _renamed(item) for key, item in value.items()}
    for key, names in (("knowledge", KNOWLEDGE), ("rule", RULE)):
        if isinstance(found.get(key), str):
            found[key] = names.get(found[key], found[key])
    return {**_facts(found), **found} if {"attack", "strength", "description"} <= set(found) else found


def _facts(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Return what version 2 stores of an attack, from its repr."""
    description = str(condition["description"])
    facts = dict(ATTACKS.get(description.partition("(")[0], {}))
    if facts.get("contract") == "fixed budget":
        facts |= {"norm": "linf", "epsilon": condition["strength"]}
    return {**facts, "colour": "rgb"} if "colour='rgb'" in description or "'rgb'>" in description else facts




def _with_facts(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result of version 2 with the facts that version 3 stores of defences and of noise."""
    labels: dict[str, list[str]] = {}
    for condition in _conditions(content):
        labels.setdefault(str(condition["description"]), []).append(str(condition["attack"]))
    sized = _sized(content, {text: list(dict.fromkeys(names)) for text, names in labels.items()})
    defences = content.get("defences")
    known = {label: _defence(label, text) if isinstance(text, str) else text
             for label, text in defences.items()} if isinstance(defences, dict) else defences
    return {**sized, "defences": known} if "defences" in content else {**sized}


def _conditions(value: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401
    """Yield what was done to the images, wherever a result says it."""
    if isinstance(value, dict):
        if {"attack", "strength", "description"} <= value.keys():
            yield value
        for key, item in value.items():
            if key not in NAMED_BY_USERS:
                yield from _conditions(item)
    elif isinstance(value, list):
        for item in value:
            yield from _conditions(item)


def _sized(value: Any, labels: Mapping[str, Sequence[str]]) -> Any:  # noqa: ANN401
    """Return a result in which a noise names the labels of the attacks whose size it takes, not their repr."""
    if isinstance(value, list):
        return [_sized(item, labels) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: item if key in NAMED_BY_USERS else _sized(item, labels) for key, item in value.items()}
    like = found.get("like")
    return {**found, "like": list(labels.get(like, ()))} if isinstance(like, str) else found


def _defence(label: str, text: str) -> dict[str, Any]:
    """Return what version 3 stores of a defence, from its label and the line that described it."""
    transforms, behind, model = text.rpartition(" before model ")
    named = re.match(r"model (\S+)", text)
    if not behind:
        model = named[1] if named else "victim" if label == "none" else label
    parts = transforms.split(", then ") if behind else []
    restorers = [found[1] for part in parts if (found := re.match(r"Restoration\('.*', ([\w-]+), sha256=", part))]
    words = f"{label} {text}".lower()
    restorers += [kind for kind, said in RESTORERS.items() if kind not in restorers and re.search(said, words)]
    return {"description": text, "model": model, "transforms": [_transform(part) for part in parts],
            "restorers": restorers, "adversarial": True if "adversarial" in words else None}


def _transform(text: str) -> str:
    """Return a transform's name from its repr."""
    kind = text.partition("(")[0]
    named = re.match(r"Restoration\('(.*)', ", text)
    return named[1] if named else TRANSFORMS.get(kind, kind)
