"""The transforms by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radversary.core.registry import Registry

if TYPE_CHECKING:  # names are known without PyTorch
    from radversary.defenses.base import Transform

TRANSFORMS: Registry[Transform] = Registry("transform", {
    "canonical": "radversary.defenses.canonical:CanonicalInput",
    "feature-consistency": "radversary.defenses.feature_consistency:FeatureConsistency",
    "jpeg": "radversary.defenses.jpeg:JpegCompression",
    "restore": "radversary.defenses.restoration:Restore",
    "shield": "radversary.defenses.shield:Shield",
}, group="radversary.transforms")
