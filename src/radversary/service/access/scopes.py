"""What a key allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from radversary.core.errors import UnknownNameError
from radversary.service.errors import ForbiddenError

TENANT: Final = "main"
"""The tenant that a server starts with."""


class Scope(StrEnum):
    """What a key allows.

    Attributes:
        SCREEN: Have films judged.
        READ: See models, data, jobs, results and guards.
        WRITE: Register models and data, start and stop jobs.
        LOG: See the audit log and who has keys.
        ADMIN: All of it, and give and revoke keys.
    """

    SCREEN = "screen"
    READ = "read"
    WRITE = "write"
    LOG = "log"
    ADMIN = "admin"


ROLES: Final[Mapping[str, tuple[Scope, ...]]] = MappingProxyType({
    "viewer": (Scope.READ,),
    "operator": (Scope.READ, Scope.SCREEN, Scope.WRITE),
    "auditor": (Scope.READ, Scope.LOG),
    "administrator": (Scope.ADMIN,),
})
"""Name of a person's role to what it allows."""


@dataclass(frozen=True)
class Actor:
    """Who asks for something.

    Attributes:
        tenant: Whose things it sees.
        id: The key's id; ``system`` for the platform itself.
        name: The key's name.
        scopes: What it allows.
    """

    tenant: str
    id: str
    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Return whether the key allows something."""
        return bool({scope, Scope.ADMIN} & self.scopes)

    def need(self, scope: Scope) -> None:
        """Refuse what the key does not allow.

        Raises:
            ForbiddenError: It does not.
        """
        if not self.may(scope):
            raise ForbiddenError(f"this key may not do that: it lacks the scope {scope.value!r}")


SYSTEM: Final = Actor(tenant=TENANT, id="system", name="system", scopes=frozenset({Scope.ADMIN}))
"""The platform itself."""


def scopes_named(names: Iterable[str]) -> frozenset[Scope]:
    """Return scopes by name; a role's name stands for its scopes.

    Raises:
        UnknownNameError: None of that name; the text gives the nearest.

    Example:
        >>> sorted(scopes_named(["viewer", "screen"]))
        [<Scope.READ: 'read'>, <Scope.SCREEN: 'screen'>]
    """
    found: set[Scope] = set()
    for name in names:
        if name in ROLES:
            found.update(ROLES[name])
        elif name in set(Scope):
            found.add(Scope(name))
        else:
            raise UnknownNameError("scope or role", name, [*ROLES, *map(str, Scope)])
    return frozenset(found)
