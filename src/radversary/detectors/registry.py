"""The detectors by name: those that compare with the original, and those that need none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radversary.core.registry import Registry

if TYPE_CHECKING:  # names are known without PyTorch
    from radversary.detectors.base import Detector
    from radversary.detectors.reference_free import ReferenceFreeDetector

DETECTORS: Registry[Detector] = Registry("detector", {
    "edges": "radversary.detectors.reference:edge_detector",
    "ssim": "radversary.detectors.reference:ssim_detector",
    "spectrum": "radversary.detectors.reference:spectrum_detector",
}, group="radversary.detectors")
"""Name to where the detector is written; ``DETECTORS.create("ssim")`` makes one."""

REFERENCE_FREE: Registry[ReferenceFreeDetector] = Registry("reference-free detector", {
    "integrity": "radversary.detectors.integrity:IntegrityDetector",
    "shallow": "radversary.detectors.shallow:ShallowDetector",
    "neighbours": "radversary.detectors.neighbours:NeighbourDetector",
    "consistency": "radversary.detectors.consistency:ConsistencyDetector",
    "shift": "radversary.detectors.shift:ShiftDetector",
    "msp": "radversary.detectors.confidence:ProbabilityDetector",
    "energy": "radversary.detectors.confidence:EnergyDetector",
    "mahalanobis": "radversary.detectors.gaussian:MahalanobisDetector",
    "lid": "radversary.detectors.dimension:DimensionDetector",
    "squeezing": "radversary.detectors.consistency:SqueezingDetector",
    "grain": "radversary.detectors.grain:GrainDetector",
    "learned": "radversary.detectors.learned:LearnedDetector",
}, group="radversary.reference_free_detectors")
"""Name to where the detector is defined; those that need features are bound to a classifier afterwards."""
