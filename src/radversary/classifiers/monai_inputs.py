"""What a MONAI bundle says of its input, as fields of a card: metadata, and transforms that a card has words for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from radversary.core.errors import ModelError
from radversary.core.text import quoted

MARKS: Final = ("Dict", "D", "d")
"""Endings of the transforms of dictionaries, each of which does what the one without does to an array."""

NO_CHANGE: Final = frozenset({"EnsureChannelFirst", "AddChannel", "AsChannelFirst", "ToTensor"})
"""Transforms that change the form of an image in memory, and no pixel."""

FULL_RANGES: Final = ((0.0, 255.0), (0.0, 65535.0))
"""Stored values of an image of 8 or 16 bits from black to white, which are 0 to 1 here."""

MODES: Final = ("area", "bicubic", "bilinear", "nearest")

WAY_OUT: Final = "state the model's input in a card.json in the bundle's folder, which then decides"


@dataclass
class Steps:
    """What transforms do to an image, as far as a card can say it.

    Attributes:
        turned: Whether rows have become columns, as MONAI's readers make them.
        size: Rows and columns after resizing, in the order that the network sees.
        crop: Rows and columns of the centre that is kept.
        interpolation: How pixels between pixels are found.
        range: What black and white have become.
        mean: What is subtracted afterwards, a figure a channel.
        std: What divides afterwards.
        repeated: How many channels grey was repeated to.
    """

    turned: bool = False
    size: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    interpolation: str = "bilinear"
    range: tuple[float, float] | None = None
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)
    repeated: int = 1


def base_name(target: object) -> str:
    """Return the name of a transform without its module and without the mark of dictionaries.

    Example:
        >>> base_name("monai.transforms.ScaleIntensityRanged"), base_name("Resize")
        ('ScaleIntensityRange', 'Resize')
    """
    name = str(target).rpartition(".")[2]
    mark = next((mark for mark in MARKS if name.endswith(mark)), "")
    return name.removesuffix(mark)


def followed(transforms: Sequence[Mapping[str, Any]], where: object) -> Steps:
    """Follow the transforms of a bundle.

    Args:
        transforms: Plain definitions, each with ``_target_``.
        where: The configuration, for error texts.

    Raises:
        ModelError: A transform that a card has no words for; the text names it.
    """
    steps = Steps()
    for transform in transforms:
        keys = transform.get("keys", "image")
        if transform.get("_disabled_") is True or "image" not in (keys if isinstance(keys, list) else [keys]):
            continue
        name = base_name(transform.get("_target_"))
        if name in NO_CHANGE:
            continue
        if name not in FOLLOWED or not FOLLOWED[name](steps, transform):
            shown = {key: value for key, value in transform.items() if key not in ("_target_", "keys")}
            raise ModelError(f"{where} prepares images by {name}({quoted(shown)[1:-1]}), which a card cannot express; "
                             f"{WAY_OUT}")
    return steps


def _read(steps: Steps, given: Mapping[str, Any]) -> bool:
    """Follow MONAI's readers, which give columns before rows unless told otherwise."""
    turned = {"": True, "PILReader": given.get("reverse_indexing", True), "NumpyReader": False,
              "ITKReader": not given.get("reverse_indexing", False), "PydicomReader": given.get("swap_ij", True)}
    reader = given.get("reader") or ""
    if not isinstance(reader, str) or reader not in turned or (not reader and "reverse_indexing" in given):
        return False
    steps.turned = bool(turned[reader])
    return True


def _turn(steps: Steps, given: Mapping[str, Any]) -> bool:
    if given.get("indices") != [0, 2, 1] or steps.size or steps.crop:
        return False
    steps.turned = not steps.turned
    return True


def _resize(steps: Steps, given: Mapping[str, Any]) -> bool:
    mode, size = given.get("mode", "area"), _pair(given.get("spatial_size"))
    mode = mode[0] if isinstance(mode, list) and mode else mode
    plain = given.get("size_mode", "all") == "all" and not given.get("anti_aliasing")
    if size is None or mode not in MODES or not plain or steps.size or steps.crop:
        return False
    steps.size, steps.interpolation = size, str(mode)
    return True


def _crop(steps: Steps, given: Mapping[str, Any]) -> bool:
    crop = _pair(given.get("roi_size"))
    if crop is None or steps.crop or steps.size is None:
        return False
    if any(whole // 2 - part // 2 != (whole - part) // 2 for whole, part in zip(steps.size, crop, strict=True)):
        return False  # MONAI's centre lies one pixel beside ours
    steps.crop = crop
    return True


def _scale(steps: Steps, given: Mapping[str, Any]) -> bool:
    """Follow a scaling of all stored values; one of the values that an image happens to have depends on the image."""
    low, high = given.get("b_min", 0.0), given.get("b_max", 1.0)
    low, high = (0.0 if low is None else low), (1.0 if high is None else high)
    if not all(isinstance(end, int | float) for end in (low, high)) or not low < high:
        return False
    if (given.get("a_min"), given.get("a_max")) not in FULL_RANGES or steps.range or steps.mean:
        return False
    steps.range = (float(low), float(high))
    return True


def _normalise(steps: Steps, given: Mapping[str, Any]) -> bool:
    """Follow a normalisation by figures that are stated, after a scaling."""
    mean, std = _figures(given.get("subtrahend")), _figures(given.get("divisor"))
    if not mean or len(mean) != len(std) or given.get("nonzero") or steps.range is None or steps.mean:
        return False
    steps.mean, steps.std = mean, std
    return True


def _repeat(steps: Steps, given: Mapping[str, Any]) -> bool:
    if given.get("repeats") not in (1, 3) or steps.repeated != 1 or steps.mean:
        return False
    steps.repeated = int(given["repeats"])
    return True


def _cast(steps: Steps, given: Mapping[str, Any]) -> bool:  # noqa: ARG001
    return given.get("dtype") in (None, "float32", "np.float32", "torch.float32", "$np.float32", "$torch.float32")


def _pair(size: object) -> tuple[int, int] | None:
    """Return rows and columns of a size; None where it is none."""
    sides = [size, size] if isinstance(size, int) else size
    if not isinstance(sides, list) or len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        return None
    return sides[0], sides[1]


def _figures(given: object) -> list[float]:
    figures = given if isinstance(given, list) else [given]
    numbers = [float(figure) for figure in figures if isinstance(figure, int | float)]
    return numbers if len(numbers) == len(figures) else []


FOLLOWED: Final = {"LoadImage": _read, "Transpose": _turn, "Resize": _resize, "CenterSpatialCrop": _crop,
                   "ScaleIntensityRange": _scale, "NormalizeIntensity": _normalise, "RepeatChannel": _repeat,
                   "CastToType": _cast, "EnsureType": _cast}
"""Transforms that a card can express, by their name without the mark of dictionaries."""
