"""What a model's file says of itself, as fields of a card: what each kind of loader reads, and files beside the model.

Beside fields of a card, facts have ``count`` (outputs of the network), ``planes`` (channels that it takes),
``activation`` (``softmax`` or ``sigmoid``, the last that it computes) and ``remarks`` (sentences for a person).
"""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from radversary.core.errors import ModelError
from radversary.storage.documents import find_document
from radversary.storage.json_files import parse_json

Facts = Mapping[str, Any]

CONFIG: Final = "config.json"
PREPROCESSOR: Final = "preprocessor_config.json"
"""Files that models of the Hugging Face Hub have beside their weights."""

LABELS: Final = ("names", "classes", "class_names", "labels", "id2label")
"""Keys under which files of models keep the names of their classes."""

LONGEST: Final = 100_000
"""Characters of names of classes that are read."""

RESAMPLING: Final = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of ways to interpolate."""


def names_in(value: object) -> list[str]:
    """Return names of classes in their order, as they are written in metadata; none where they are not.

    Args:
        value: A list; a mapping of places to names; a text of either, or of names between commas or in lines.

    Example:
        >>> names_in('{"1": "Pneumonia", "0": "Normal"}'), names_in("{0: 'a', 1: 'b'}"), names_in("a, b")
        (['Normal', 'Pneumonia'], ['a', 'b'], ['a', 'b'])
    """
    if isinstance(value, str):
        return _names_in_text(value)
    if isinstance(value, Mapping):
        places = {str(place): str(name) for place, name in value.items()}
        wanted = [str(place) for place in range(len(places))]
        return [places[place] for place in wanted] if sorted(places) == sorted(wanted) else []
    if isinstance(value, Sequence) and all(isinstance(name, str) for name in value):
        return list(value)
    return []


def _names_in_text(text: str) -> list[str]:
    if text.strip()[:1] in ("[", "{"):
        for read in (parse_json, literal_eval):  # the latter reads what Python prints of a dict, and runs nothing
            try:
                found = read(text[:LONGEST])
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
            return [] if isinstance(found, str) else names_in(found)
        return []
    return [name.strip() for name in text.replace("\n", ",").split(",") if name.strip()]


def metadata_facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what the metadata in a model's file say, such as those of an ONNX file."""
    found = next((names for key in LABELS if (names := names_in(metadata.get(key, "")))), [])
    licence = metadata.get("license") or metadata.get("licence") or ""
    return {**({"classes": found} if found else {}), **({"licence": licence} if licence else {})}


def shape_facts(shape: Sequence[int | None]) -> dict[str, Any]:
    """Return what the shape of a network's input (N, C, H, W) or (N, H, W, C) says; None for an axis of any length.

    Example:
        >>> shape_facts((None, 224, 224, 3))
        {'planes': 3, 'size': 224}
    """
    if len(shape) != 4:
        return {"remarks": [f"the network takes {len(shape)} axes, expected 4 (images of one plane)"]}
    first = shape[1] in (1, 3) or shape[3] not in (1, 3)
    planes, height, width = (shape[1], shape[2], shape[3]) if first else (shape[3], shape[1], shape[2])
    size = None if height is None or width is None else height if height == width else [height, width]
    return {**({"planes": planes} if planes in (1, 3) else {}), **({} if size is None else {"size": size})}


def output_facts(shape: Sequence[int | None], activation: str = "") -> dict[str, Any]:
    """Return what the shape of a network's answer and the last function that it computes say.

    Example:
        >>> output_facts((None, 3), "softmax")
        {'count': 3, 'activation': 'softmax', 'output': 'probabilities', 'task': 'multiclass'}
    """
    count = 1 if len(shape) == 1 else shape[1] if len(shape) == 2 else None
    found: dict[str, Any] = {} if count is None else {"count": count}
    if activation in ("softmax", "sigmoid"):
        found |= {"activation": activation, "output": "probabilities"}
    if activation == "softmax" and (count or 0) > 1:
        found["task"] = "multiclass"
    return found


def beside_facts(reference: str) -> dict[str, Any]:
    """Return what ``config.json`` and ``preprocessor_config.json`` beside a model of the Hugging Face Hub say.

    Args:
        reference: Path of the model's file or folder.
    """
    if "://" in reference:
        return {}
    place = Path(reference)
    folder = place if place.is_dir() else place.parent
    if not folder.is_dir():
        return {}
    config, given = ({} if found is None else found for found in (
        find_document(folder / name, dict[str, Any]) for name in (CONFIG, PREPROCESSOR)))
    return {**_config_facts(config), **_preprocessor_facts(given)}


def _config_facts(config: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if names := names_in(config.get("id2label", {})):
        found["classes"] = names
    tasks = {"multi_label_classification": "multilabel", "single_label_classification": "multiclass"}
    if (task := tasks.get(str(config.get("problem_type")))) is not None:
        found["task"] = task
    if isinstance(size := config.get("image_size"), int) and size > 0:
        found["size"] = size
    return found


def _preprocessor_facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a Hugging Face preprocessor makes a network's input."""
    found: dict[str, Any] = {}
    sides = config.get("crop_size") if config.get("do_center_crop") else config.get("size")
    if isinstance(sides, Mapping) and {"height", "width"} <= set(sides):
        found["size"] = [sides["height"], sides["width"]]
    elif isinstance(sides, int):
        found["size"] = sides
    if config.get("do_rescale", True) and isinstance(factor := config.get("rescale_factor"), int | float):
        found["input_range"] = [0.0, float(f"{255 * factor:.6g}")]
    if config.get("do_normalize") and config.get("image_mean") and config.get("image_std"):
        given = {"mean": config["image_mean"], "std": config["image_std"]}
        found |= {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    if isinstance(way := config.get("resample"), int) and way in RESAMPLING:
        found["interpolation"] = RESAMPLING[way]
    return found


def json_of(value: object) -> str:
    """Return a value as a person reads it in a card: JSON without quotes around a text."""
    return value if isinstance(value, str) else json.dumps(value)


def refused_facts(reason: ModelError) -> dict[str, Any]:
    """Return facts of a model that says nothing that can be read, with the reason."""
    return {"remarks": [str(reason)]}
