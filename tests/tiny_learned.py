"""The learned detector in a moment: one epoch of a narrow network."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.detectors.learned import LearnedDetector


@dataclass(frozen=True, kw_only=True)
class OneEpoch(LearnedDetector):
    width: int = 4
    epochs: int = 1
