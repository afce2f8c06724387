"""The configuration files of a MONAI bundle, read as plain values: no expression in them is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from radversary.core.errors import ModelError
from radversary.core.text import shortened
from radversary.storage.documents import checked
from radversary.storage.files import is_file, read_text
from radversary.storage.json_files import parse_json
from radversary.storage.plain_yaml import parse_yaml

METADATA: Final = "configs/metadata.json"
INFERENCE: Final = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")

DEEPEST: Final = 8
"""References that lead to references, at most."""


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: A JSON or YAML file.

    Raises:
        ModelError: It cannot be read, or holds no mapping.
    """
    try:
        text = read_text(path)
        content = parse_json(text) if path.suffix == ".json" else parse_yaml(text)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    return checked(content, dict[str, Any], what="a configuration of a MONAI bundle", where=path, error=ModelError)


def find_inference(folder: Path) -> Path | None:
    """Return the configuration for inference of a bundle; None where it has none."""
    return next((folder / name for name in INFERENCE if is_file(folder / name)), None)


def resolved(value: Any, config: Mapping[str, Any], where: object, depth: int = 0) -> Any:  # noqa: ANN401
    """Return a value with ``@name`` replaced by the plain value of that name in the configuration.

    Args:
        value: A plain value.
        config: The configuration that it is from.
        where: The file, for error texts.
        depth: How many references led here.

    Raises:
        ModelError: It is an expression (``$``), which would have to be run, or a reference that leads nowhere.

    Example:
        >>> resolved({"out_channels": "@classes"}, {"classes": 4}, "inference.json")
        {'out_channels': 4}
    """
    if isinstance(value, Mapping):
        return {name: resolved(item, config, where, depth) for name, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, config, where, depth) for item in value]
    if not isinstance(value, str) or value[:1] not in ("$", "@", "%"):
        return value
    name = value.removeprefix("$").removeprefix("@")
    if value[0] == "%" or f"@{name}" != value.removeprefix("$") or name not in config or depth > DEEPEST:
        raise ModelError(f"{where} has the expression {shortened(value, 80)!r}, which would have to be run; state the "
                         "value itself in its place, or state the model's input in a card.json in the bundle's folder")
    return resolved(config[name], config, where, depth + 1)
