"""Parts of a result that name a hospital, an image or a place, and a result in which others stand for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from radversary.auditing.packed import NOT_KNOWN, Readings
from radversary.auditing.result import AuditResult, DataSummary
from radversary.auditing.subgroups import Subgroups
from radversary.report.scrubbing import command_without_values, mapped, source_without_values, without_places

NAMING: Final = ("site", "source")
"""Characteristics of an image whose values may name a hospital."""

PSEUDONYMISED: Final = "pseudonymised"
"""Key of the provenance that says that ids are pseudonyms."""

Change = Callable[[str, str], str]
"""Characteristic and value to what stands for it."""


def naming_values(result: AuditResult) -> dict[str, tuple[str, ...]]:
    """Return the values of each characteristic of :data:`NAMING`, sorted, wherever a result holds them."""
    found: dict[str, set[str]] = {kind: set(result.data.characteristics.get(kind, ())) for kind in NAMING}
    for kind, values in found.items():
        if result.readings is not None and kind in result.readings.characteristics:
            values.update(result.readings.characteristics[kind].values)
        values.update(item.value for table in result.subgroups.tables if table.name == kind for item in table.values)
        values.discard(NOT_KNOWN)
    return {kind: tuple(sorted(values)) for kind, values in found.items()}


def with_values(result: AuditResult, change: Change) -> AuditResult:
    """Return a result in which others stand for the values of each characteristic of :data:`NAMING`.

    Args:
        result: The result.
        change: Characteristic and value to what stands for it; it is not asked for :data:`NOT_KNOWN`.
    """
    def known(kind: str, value: str) -> str:
        return value if kind not in NAMING or value == NOT_KNOWN else change(kind, value)

    return result.model_copy(update={
        "data": _data(result.data, known), "subgroups": _subgroups(result.subgroups, known),
        "readings": None if result.readings is None else _readings(result.readings, known)})


def with_texts(result: AuditResult, change: Callable[[str], str], keys: Callable[[str], str]) -> AuditResult:
    """Return a result with each text and the name of each field changed, and the packed readings as they are."""
    content = mapped(json.loads(result.model_dump_json(exclude={"readings"})), change, keys)
    return AuditResult.model_validate_json(json.dumps(content)).model_copy(update={"readings": result.readings})


def without_sources(result: AuditResult) -> AuditResult:
    """Return a result whose data source and command keep no values that may be paths."""
    provenance = dict(result.provenance)
    if "command" in provenance:
        provenance["command"] = " ".join(command_without_values(provenance["command"].split()))
    data = result.data.model_copy(update={"source": source_without_values(result.data.source)})
    return result.model_copy(update={"data": data, "provenance": provenance})


def published(result: AuditResult) -> AuditResult:
    """Return a result to publish: without gallery, sentences on left-out files, places and names of hospitals.

    Sites and sources are numbered, ``site 1`` and so on.
    """
    numbers = {(kind, value): f"{kind} {number}" for kind, values in naming_values(result).items()
               for number, value in enumerate(values, start=1)}
    plain = without_sources(with_values(result, lambda kind, value: numbers[kind, value]))
    data = plain.data.model_copy(update={"left_out": ()})
    return with_texts(plain.model_copy(update={"data": data, "gallery": ()}), without_places, without_places)


def _data(data: DataSummary, change: Change) -> DataSummary:
    changed = {kind: {change(kind, value): images for value, images in found.items()}
               for kind, found in data.characteristics.items()}
    return data.model_copy(update={"characteristics": changed})


def _subgroups(found: Subgroups, change: Change) -> Subgroups:
    tables = tuple(table.model_copy(update={"values": tuple(
        item.model_copy(update={"value": change(table.name, item.value)}) for item in table.values)})
        for table in found.tables)
    tests = tuple(test.model_copy(update={name: change(test.characteristic, getattr(test, name))
                                          for name in ("best", "worst")}) for test in found.tests)
    return found.model_copy(update={"tables": tables, "tests": tests})


def _readings(readings: Readings, change: Change) -> Readings:
    changed: dict[str, Any] = {
        kind: known.model_copy(update={"values": tuple(change(kind, value) for value in known.values)})
        for kind, known in readings.characteristics.items()}
    return readings.model_copy(update={"characteristics": changed})
