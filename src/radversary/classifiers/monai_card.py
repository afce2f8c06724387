"""The card of a MONAI bundle, from its metadata and what its configuration says of input and output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from radversary.classifiers.card import ModelCard, make_card
from radversary.classifiers.card_files import CARD, read_card
from radversary.classifiers.monai_config import METADATA, find_inference, read_config, resolved
from radversary.classifiers.monai_inputs import WAY_OUT, Steps, base_name, followed
from radversary.core.errors import ModelError
from radversary.core.text import quoted, shortened
from radversary.core.types import Task
from radversary.storage.files import is_file

COLOURS: Final = (["r", "g", "b"], ["red", "green", "blue"])


def bundle_card(folder: Path) -> tuple[ModelCard, bool]:
    """Return the card of a bundle, and whether its network sees rows as columns.

    A ``card.json`` in the folder decides alone, and the network then sees images upright; else the card is made of the
    metadata and of the transforms that the configuration for inference declares.

    Args:
        folder: The bundle.

    Raises:
        ModelError: Its metadata are missing or do not say enough, or images are prepared as no card can express.
    """
    if is_file(folder / CARD):
        card = read_card(folder)
        said = "its card.json decides; what the bundle declares of its input was not read"
        return card.model_copy(update={"notes": "; ".join(filter(None, (card.notes, said)))}), False
    if not is_file(folder / METADATA):
        raise ModelError(f"{folder} is a MONAI bundle without {METADATA}, so its classes and size are unknown; "
                         f"{WAY_OUT}")
    metadata = read_config(folder / METADATA)
    image, pred = (_described(metadata, folder, *names) for names in (("inputs", "image"), ("outputs", "pred")))
    config, where = _inference(folder)
    steps = followed(_transforms(config, "preprocessing", where), where)
    fields = {**_facts(metadata, folder), **_output(pred, _activation(config, where), folder),
              **_input(image, steps, folder)}
    return make_card(str(folder), fields), steps.turned


def _described(metadata: Mapping[str, Any], folder: Path, side: str, name: str) -> Mapping[str, Any]:
    """Return what the metadata say of an input or output."""
    described = metadata.get("network_data_format")
    part = described.get(side) if isinstance(described, Mapping) else None
    found = part.get(name) if isinstance(part, Mapping) else None
    if not isinstance(found, Mapping):
        raise ModelError(f"{folder / METADATA} does not say what {side} its network has (network_data_format, {side}, "
                         f"{name}); {WAY_OUT}")
    if isinstance(part, Mapping) and side == "inputs" and len(part) > 1:
        raise ModelError(f"{folder / METADATA} names the inputs {', '.join(part)}, and a classifier is given one image")
    return found


def _inference(folder: Path) -> tuple[Mapping[str, Any], Path]:
    path = find_inference(folder)
    return ({}, folder / METADATA) if path is None else (read_config(path), path)


def _transforms(config: Mapping[str, Any], name: str, where: Path) -> list[Mapping[str, Any]]:
    """Return the plain definitions of transforms under a name; none where it has none."""
    composed = config.get(name, [])
    if isinstance(composed, str):
        composed = resolved(composed, {key: value for key, value in config.items() if key != name}, where)
    parts = composed.get("transforms", []) if isinstance(composed, Mapping) else composed
    if isinstance(parts, str):
        parts = resolved(parts, config, where)
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise ModelError(f"{where} declares {name} as {quoted(parts)}, expected a list of transforms; {WAY_OUT}")
    plain = parts if name != "preprocessing" else resolved(_without_types(parts), config, where)
    return list(plain)


def _without_types(transforms: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave out types and devices, which configurations often state as expressions, where they change no pixel."""
    return [{key: value for key, value in transform.items()
             if not (key == "device" or (key == "dtype" and "float32" in str(value)))} for transform in transforms]


def _activation(config: Mapping[str, Any], where: Path) -> str:
    """Return what the bundle makes of its network's output afterwards: ``sigmoid``, ``softmax`` or nothing."""
    for transform in _transforms(config, "postprocessing", where):
        if base_name(transform.get("_target_")) == "Activations":
            return next((name for name in ("sigmoid", "softmax") if transform.get(name) is True), "")
    return ""


def _facts(metadata: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return what a card says of a model beside its input and output."""
    def text(name: str) -> str:
        return shortened(str(metadata.get(name) or ""))

    name = text("name") or folder.resolve().name
    return {"name": name, "architecture": "MONAI bundle", "licence": text("license"), "trained_on": text("data_source"),
            "source": f"MONAI bundle {name} {text('version')}".rstrip(),
            "notes": "; ".join(filter(None, (text("description"), text("intended_use"))))}


def _output(pred: Mapping[str, Any], activation: str, folder: Path) -> dict[str, Any]:
    """Return task, classes and kind of output."""
    if "segmentation" in str(pred.get("format", "")):
        raise ModelError(f"{folder} segments images (outputs, pred, format); a classifier is expected")
    names = _channels(pred)
    if not names or len(names) != pred.get("num_channels", len(names)):
        raise ModelError(f"{folder / METADATA} names {len(names)} classes (outputs, pred, channel_def) for "
                         f"{quoted(pred.get('num_channels'))} channels; {WAY_OUT}")
    one = len(names) == 1
    task = Task.BINARY if one else Task.MULTILABEL if activation == "sigmoid" else Task.MULTICLASS
    stated = "logits" if activation else {"probabilities": "probabilities", "logits": "logits"}.get(
        str(pred.get("type")))
    return {"task": task, "classes": [f"no {names[0]}", *names] if one else names,
            **({"output": stated} if stated else {})}


def _channels(described: Mapping[str, Any]) -> list[str]:
    """Return the names of channels in their order."""
    channels = described.get("channel_def")
    if not isinstance(channels, Mapping) or sorted(channels) != sorted(map(str, range(len(channels)))):
        return []
    return [str(channels[str(place)]) for place in range(len(channels))]


def _input(image: Mapping[str, Any], steps: Steps, folder: Path) -> dict[str, Any]:
    """Return size, channels and range of the input."""
    shape, channels = image.get("spatial_shape"), image.get("num_channels")
    if isinstance(shape, list) and len(shape) == 3:
        raise ModelError(f"{folder} reads volumes (spatial_shape {quoted(shape)}), and volumes are not read yet")
    size = steps.size or _plain_shape(shape)
    if size is None or channels not in (1, 3):
        raise ModelError(f"{folder / METADATA} gives the shape {quoted(shape)} and {quoted(channels)} channels, "
                         f"expected two sides in pixels and 1 or 3 channels; {WAY_OUT}")
    seen = steps.crop or size
    if (fixed := _plain_shape(shape)) is not None and fixed != seen:
        raise ModelError(f"{folder} contradicts itself: by its metadata its network sees {fixed[0]} x {fixed[1]} "
                         f"pixels, by its transforms {seen[0]} x {seen[1]}; {WAY_OUT}")
    colour = channels == 3 and steps.repeated == 1 and [name.lower() for name in _channels(image)] in COLOURS
    return {"size": _upright(size, steps), "channels": 3 if colour else 1, "interpolation": steps.interpolation,
            **({"crop": _upright(steps.crop, steps)} if steps.crop else {}), **_range(image, steps, channels, folder)}


def _upright(sides: tuple[int, int], steps: Steps) -> list[int]:
    return list(sides[::-1] if steps.turned else sides)


def _plain_shape(shape: object) -> tuple[int, int] | None:
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(side, int) and side > 0 for side in shape):
        return None
    return shape[0], shape[1]


def _range(image: Mapping[str, Any], steps: Steps, channels: int, folder: Path) -> dict[str, Any]:
    """Return what black and white are for the network."""
    stated = steps.range or image.get("value_range")
    ends = stated if isinstance(stated, list | tuple) else ()
    if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
        raise ModelError(f"{folder / METADATA} does not say what black and white are for its network (inputs, image, "
                         f"value_range); {WAY_OUT}")
    mean, std = steps.mean or [0.0], steps.std or [1.0]
    if len(mean) not in (1, channels):
        raise ModelError(f"{folder} normalises by {len(mean)} figures for {channels} channels; {WAY_OUT}")
    repeats = channels // len(mean)
    return {"input_range": [float(end) for end in ends], "mean": mean * repeats, "std": std * repeats}
