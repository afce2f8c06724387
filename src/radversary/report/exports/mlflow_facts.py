"""A run as MLflow takes it: metrics, parameters and tags under names that MLflow allows."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from radversary.auditing.cell_table import defence_name
from radversary.core.text import printable, shortened
from radversary.report.exports.facts import Run
from radversary.report.scrubbing import PLAN, plan_without_values
from radversary.storage.files import read_text
from radversary.storage.plain_yaml import parse_yaml

KEY: Final = "radversary.audit_key"
FORBIDDEN: Final = re.compile(r"[^\w.\- :]")
LONGEST: Final = 250
"""Characters of a name in MLflow at most."""
VALUE: Final = 6000
"""Characters of a parameter's value at most."""


def metrics_of(run: Run) -> dict[str, float]:
    """Return every figure that could be computed: accuracy with interval and n, scores and sub-scores.

    Args:
        run: The run.

    Returns:
        Names such as ``accuracy/none/style 0.3/adaptive``, ``….low``, ``….high`` and ``….n``; of results without labels
        ``stability/…``; ``score/none`` and ``score/none/WB``.
    """
    found: dict[str, float] = {}
    for cell in run.result.cells:
        condition, value = cell.condition, cell.performance.accuracy
        where = [run.view.words.figure, cell.defence, f"{condition.attack} {condition.strength:g}",
                 str(condition.knowledge)]
        ends = {"": value.value, ".low": value.low, ".high": value.high, ".n": float(value.n)}
        found |= {named(where, end): number for end, number in ends.items() if math.isfinite(number)}
    for item in run.scores:
        found[named(["score", item.system])] = item.value
        found |= {named(["score", item.system, part.key]): part.value for part in item.parts}
    return found


def named(parts: list[str], end: str = "") -> str:
    """Return parts as one name that MLflow allows: what it forbids becomes ``_``, and then a hash keeps names apart.

    Args:
        parts: What stands between slashes.
        end: What stands behind.

    Example:
        >>> named(["accuracy", "none", "style 0.3"], ".low")
        'accuracy/none/style 0.3.low'
        >>> named(["accuracy", "a/b"]) == named(["accuracy", "a?b"]), named(["a/b"])[:4]
        (False, 'a_b-')
    """
    return "/".join(map(_part, parts))[:LONGEST - len(end)] + end


def _part(text: str) -> str:
    plain = FORBIDDEN.sub("_", text)
    if plain == text and len(text) <= LONGEST // 4 and text.strip("."):
        return text
    return f"{plain[:LONGEST // 8]}-{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:8]}"


def parameters_of(run: Run) -> dict[str, str]:
    """Return the plan of :func:`plan_of`, flattened, and the hashes of plan, data, models and tables.

    Example:
        >>> dict(flattened({"attacks": [{"name": "pgd", "strengths": [0.1, 0.2]}], "limit": None}))
        {'attacks.0.name': 'pgd', 'attacks.0.strengths': '0.1, 0.2', 'limit': 'None'}
    """
    plan = plan_of(run)
    hashes = {f"hash.{name}": value for name, value in {
        **run.result.provenance, "test set sha256": run.result.data.sha256,
        **{f"{name} sha256": value for name, value in run.models.items()}}.items() if name.endswith(("sha256", "key"))}
    return {named([name]): shortened(printable(value), VALUE)
            for name, value in {**dict(flattened(plan, "plan")), **hashes}.items() if value}


def plan_of(run: Run) -> Any:  # noqa: ANN401
    """Return the run's plan without paths and without the texts among the options of its data source.

    It is empty where there is none, or one that cannot be read.
    """
    try:
        return plan_without_values(parse_yaml(read_text(run.folder / PLAN)))
    except (OSError, ValueError):
        return {}


def flattened(value: Any, name: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Yield the leaves of nested values; a list of plain values is one leaf.

    Args:
        value: Plain values as YAML gives them.
        name: Keys above, with points between.
    """
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield name, str(value)
    elif isinstance(value, list) and not any(isinstance(item, (Mapping, list)) for item in value):
        yield name, ", ".join(map(str, value))
    else:
        for key, item in inner:
            yield from flattened(item, f"{name}.{key}" if name else str(key))


def tags_of(run: Run) -> dict[str, str]:
    """Return what a run is found by, and the vectors of its scores."""
    result = run.result
    tags = {KEY: run.key, "radversary.model": run.model_name, "radversary.battery": result.battery or "none",
            "radversary.task": str(result.task), "radversary.test_set": result.data.sha256,
            "radversary.schema_version": str(result.schema_version)}
    vectors = {named([f"radversary.vector.{defence_name(item.system)}"]): item.vector for item in run.scores}
    return {name: shortened(printable(value), VALUE) for name, value in {**tags, **vectors}.items()}
