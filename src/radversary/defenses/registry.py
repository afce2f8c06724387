"""The transforms by name."""

from __future__ import annotations

from radversary.core.registry import Registry
from radversary.defenses.base import Transform

TRANSFORMS = Registry[Transform]("transform", {
    "jpeg": "radversary.defenses.jpeg:JpegCompression",
}, group="radversary.transforms")
