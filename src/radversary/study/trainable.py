"""What a study's plan can train, by the key that asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from radversary.training.data.augmentation import AUGMENTATIONS

TRAININGS: Mapping[str, str] = MappingProxyType({
    "adversarial": "Adversarial training: attacked images among the clean ones, the thesis' defence.",
    "adversarial.views": "Style-randomised training: attacked views beside each image, answered alike (consistency).",
    "adversarial.norm": "Dual BatchNorm: attacked views have normalisation statistics of their own.",
    "robust": "Fast adversarial training: one signed gradient step on each training batch, made anew in each step.",
    "mixstyle": "MixStyle: a step mixes feature statistics between images.",
    "oracle": "A model trained on the audited attack itself: the ceiling, no defence.",
    "labels_from": "Extraction: a model trained on the answers of another one, which is only asked.",
    "input": "Transforms that stand before the network in training and afterwards.",
})
"""Key below ``models: NAME:`` to what it trains."""

RESTORERS: Mapping[str, str] = MappingProxyType({
    "denoiser": "A U-Net taught by pairs of attacked and clean images; guided by a model's features it is HGD.",
    "cyclegan": "Two generators and two discriminators taught without pairs.",
    "restyle": "One pass towards the mean style of clean images; nothing but that mean is learnt.",
})
"""Key below ``restorers: NAME:`` to what it trains."""


def trainable() -> dict[str, str]:
    """Return all that a plan can train: key, as it stands in a plan, to what it is.

    Example:
        >>> trainable()["restorers.denoiser"].partition(";")[0]
        'A U-Net taught by pairs of attacked and clean images'
    """
    augmentations = {f"augmentation: {name}": AUGMENTATIONS.declared(name).summary for name in AUGMENTATIONS.names()}
    return {**{f"models.{key}": text for key, text in {**TRAININGS, **augmentations}.items()},
            **{f"restorers.{key}": text for key, text in RESTORERS.items()}}
