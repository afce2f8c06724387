"""The detectors by name."""

from __future__ import annotations

from radversary.core.registry import Registry
from radversary.detectors.base import Detector

DETECTORS: Registry[Detector] = Registry("detector", {
    "edges": "radversary.detectors.reference:edge_detector",
    "ssim": "radversary.detectors.reference:ssim_detector",
    "spectrum": "radversary.detectors.reference:spectrum_detector",
}, group="radversary.detectors")
"""Name to where the detector is written; ``DETECTORS.create("ssim")`` makes one."""
