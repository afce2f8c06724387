"""One step along the sign of the gradient."""

from __future__ import annotations

from dataclasses import dataclass

from radversary.attacks.gradient.linf import LinfAttack
from radversary.classifiers.base import Classifier
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels


@dataclass(frozen=True, kw_only=True)
class FGSM(LinfAttack):
    """The fast gradient sign method (Goodfellow et al. 2015, arXiv:1412.6572).

    Example:
        >>> FGSM(epsilon=4 / 255).at(0).epsilon
        0
    """

    def climb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Take the step."""
        gradient = self.shared(self.gradient(classifier, images, aims, streams))
        return (images + self.epsilon * gradient.sign()).clamp(0, 1)
