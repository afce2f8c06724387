"""Temporary."""
from hashlib import sha256

import torch

from radversary.classifiers.base import Classifier


def answers_sha256(classifier: Classifier) -> str:
    """Temporary."""
    size, channels = classifier.card.size, classifier.card.channels
    images = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return sha256(classifier.logits(images).contiguous().numpy().tobytes()).hexdigest()
