"""Natural corruptions at the severities of MedMNIST-C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from radversary.attacks.base import Attack, check_strength
from radversary.attacks.corruption.changes import CHANGES
from radversary.attacks.corruption.levels import CHEST
from radversary.classifiers.base import Classifier
from radversary.core.errors import UnknownNameError
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackFamily, Images, Labels


@dataclass(frozen=True, kw_only=True)
class Corruption(Attack):
    """One of thirteen corruptions of chest radiographs, those of MedMNIST-C (Di Salvo et al. 2024, arXiv:2406.17536).

    It looks at no model. The severities 0.2, 0.4, 0.6, 0.8 and 1 are the five that are published; between them, and
    from nothing at 0, the parameter follows a straight line (of shot noise its reciprocal, which the variance follows).

    Attributes:
        kind: Name of the corruption, of :data:`radversary.attacks.corruption.levels.CHEST`.
        severity: Share of the strongest severity; 0 is the identity.

    Raises:
        UnknownNameError: No such corruption.
        PlanError: A severity outside [0, 1].

    Example:
        >>> Corruption(kind="gamma-up", severity=0.2).parameter
        1.1
    """

    needs: ClassVar[Access] = Access.NONE
    strength: ClassVar[str] = "severity"
    family: ClassVar[AttackFamily] = AttackFamily.CORRUPTION

    kind: str = "gaussian-noise"
    severity: float = 0.6

    def __post_init__(self) -> None:
        if self.kind not in CHEST:
            raise UnknownNameError("corruption", self.kind, CHEST)
        check_strength("severity", self.severity)

    @property
    def parameter(self) -> float:
        """The corruption's parameter at its severity."""
        return CHEST[self.kind].at(self.severity)

    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:  # noqa: ARG002
        """Return corrupted images."""
        if not self.severity or not len(images):
            return images.clone()
        return CHANGES[self.kind](images, self.parameter, streams).clamp(0, 1)
