"""The transforms by name."""

from __future__ import annotations

from radversary.core.registry import Registry
from radversary.defenses.base import Transform

TRANSFORMS = Registry[Transform]("transform", {
    "canonical": "radversary.defenses.canonical:CanonicalInput",
    "feature-consistency": "radversary.defenses.feature_consistency:FeatureConsistency",
    "jpeg": "radversary.defenses.jpeg:JpegCompression",
    "restore": "radversary.defenses.restoration:Restore",
    "shield": "radversary.defenses.shield:Shield",
}, group="radversary.transforms")
