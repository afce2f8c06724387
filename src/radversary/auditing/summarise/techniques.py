"""The techniques of an audit's attacks for its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from radversary.attacks.taxonomy import technique
from radversary.auditing.techniques import AttackTechnique, TechniqueId
from radversary.core.errors import UnknownNameError
from radversary.core.types import Access, AttackerKnowledge

if TYPE_CHECKING:
    from typing import Literal

    from radversary.attacks.base import Attack
    from radversary.auditing.setup import AuditContext

NIST_TRANSFER: Final = "NISTAML.025"
"""Black-box evasion, to which NIST AI 100-2 E2025 counts attacks that transfer."""
ATLAS_TRANSFER: Final = "AML.T0043.002"
"""Black-box transfer."""


def summarise_techniques(context: AuditContext) -> tuple[AttackTechnique, ...]:
    """Return the techniques of all aimed attacks, by the knowledge at which they are run.

    Args:
        context: What was run.
    """
    names = {item.label: item.name for item in context.plan.attacks}
    return tuple(technique_of(label, names[label], planned.attack, knowledge)
                 for label, planned in context.attacks.items() if planned.attack.family.aimed
                 for knowledge in planned.knowledge)


def technique_of(label: str, registered: str, attack: Attack, knowledge: AttackerKnowledge) -> AttackTechnique:
    """Return what an attack is; one that is made on a surrogate is black-box transfer, whatever it does there.

    Args:
        label: What the plan calls it.
        registered: Its name in the registry.
        attack: The attack.
        knowledge: What the attacker knows.
    """
    carried = knowledge == AttackerKnowledge.TRANSFER and attack.needs != Access.NONE
    access = cast("Literal['none', 'labels', 'scores', 'gradients']", attack.needs.name.lower())
    return AttackTechnique(attack=label, knowledge=knowledge, registered=registered, access=access,
                           nist=named(NIST_TRANSFER if carried else attack.nist),
                           atlas=named(ATLAS_TRANSFER if carried else attack.atlas))


def named(identifier: str) -> TechniqueId:
    """Return a technique with its name and the version of its taxonomy, as far as they are known.

    Example:
        >>> named("AML.T0043.001").name, named("AML.T9999").name
        ('Black-Box Optimization', '')
    """
    try:
        found = technique(identifier)
    except UnknownNameError:  # of an attack of a third party
        return TechniqueId(id=identifier)
    return TechniqueId(id=identifier, name=found.name, version=found.version)
