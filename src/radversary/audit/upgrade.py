"""Results of earlier versions, brought to the newest schema (docs/decisions/0017-standard-words.md).

Version 1 had no ``schema_version`` and other names, and told of an attack only its repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

SCHEMA_VERSION: Final = 2
"""The schema that is written; every earlier one is read."""

KEYS: Mapping[str, str] = MappingProxyType({
    "rung": "knowledge", "exhibits": "gallery", "familiar": "training_overlap", "slipped": "undetected_success_rate",
    "slipped_direct": "undetected_success_rate_direct"})
"""Keys of version 1 to those of version 2."""
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


def upgraded(content: Any) -> Any:  # noqa: ANN401
    """Return a result of any known version as one of the newest; what is no result is returned as it is.

    Args:
        content: Plain values, as JSON gave them.

    Raises:
        ValueError: It was written by a newer version than this one.

    Example:
        >>> upgraded({"name": "run", "exhibits": []})
        {'name': 'run', 'gallery': [], 'schema_version': 2}
    """
    if not isinstance(content, dict):
        return content
    version = content.get("schema_version", 1)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ValueError(f"it has schema version {version}, written by a newer radversary; this one reads up to "
                         f"{SCHEMA_VERSION}")
    return {**_renamed(content), "schema_version": SCHEMA_VERSION} if version == 1 else content


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


