"""Attacks of a result by the techniques that public taxonomies know: NIST AI 100-2 and MITRE ATLAS."""

from __future__ import annotations

from typing import Literal

from radversary.auditing.schema import Record
from radversary.core.types import AttackerKnowledge


class TechniqueId(Record):
    """A technique of a taxonomy.

    Attributes:
        id: Such as ``NISTAML.022`` or ``AML.T0043.000``.
        name: As the taxonomy writes it; empty where the tables of this package do not hold the id.
        version: Of the taxonomy; empty where the name is.
    """

    id: str
    name: str = ""
    version: str = ""


class AttackTechnique(Record):
    """What an aimed attack is, at one degree of knowledge.

    Attributes:
        attack: Its label in the plan.
        knowledge: What the attacker knew.
        registered: The name in the registry of attacks.
        access: What it sees of the model that it is made on, the surrogate where the knowledge is ``transfer``.
        nist: Its class in NIST AI 100-2.
        atlas: Its technique in MITRE ATLAS.
    """

    attack: str
    knowledge: AttackerKnowledge
    registered: str
    access: Literal["none", "labels", "scores", "gradients"]
    nist: TechniqueId
    atlas: TechniqueId
