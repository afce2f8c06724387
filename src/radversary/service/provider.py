"""An identity provider at which people sign in: where it is, and what its claims stand for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from radversary.core.errors import InputError
from radversary.service.access.scopes import TENANT
from radversary.service.errors import ForbiddenError, ProviderError
from radversary.storage.plans import Plan, parse_plan, plan_content

SECRET: Final = "RADVERSARY_OIDC_SECRET"  # noqa: S105 - a name
"""Name of the environment variable that holds the client's secret."""

CALLBACK: Final = "/sign-in/callback"
"""Path to which the provider sends people back."""

TENANTS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What names a tenant: its folder is called so."""

Role = Literal["viewer", "operator", "auditor", "administrator"]


class Person(NamedTuple):
    """Who signed in at the provider.

    Attributes:
        subject: The provider's lasting name for the person, the claim ``sub``.
        name: What pages call the person.
        tenant: Whose things the person sees.
        roles: The person's roles, sorted; at least one.
    """

    subject: str
    name: str
    tenant: str
    roles: tuple[str, ...]


class Provider(Plan):
    """An OpenID Connect provider, as a file for ``radversary serve --oidc`` describes it.

    Attributes:
        issuer: The provider's address, exactly as it names itself.
        client_id: What it calls this platform.
        public_url: The platform's own address, where browsers find it; the redirect URI is this and :data:`CALLBACK`.
        roles: Role of the platform to the values of ``claim`` that give it.
        claim: The claim of the ID token that holds a person's groups or roles; ``a.b`` finds ``b`` inside ``a``.
        name: What the sign-in page calls the provider.
        scope: What is asked for, parted by blanks; ``openid`` among it.
        tenant_claim: The claim that names the person's tenant; empty where all belong to ``main``.
        name_claim: The claim by which pages and the audit log call a person; empty for the subject.

    Example:
        >>> made = Provider(issuer="https://id.hospital.example", client_id="radversary",
        ...                 public_url="https://radversary.hospital.example", roles={"viewer": ["radiology"]})
        >>> made.redirect_uri
        'https://radversary.hospital.example/sign-in/callback'
        >>> made.person({"sub": "4711", "groups": ["radiology", "staff"]})
        Person(subject='4711', name='4711', tenant='main', roles=('viewer',))
    """

    issuer: str
    client_id: str = Field(min_length=1)
    public_url: str
    roles: dict[Role, list[str]] = Field(min_length=1)
    claim: str = Field(default="groups", min_length=1)
    name: str = Field(default="your organization", min_length=1, max_length=80)
    scope: str = "openid"
    tenant_claim: str = ""
    name_claim: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for field, given in (("issuer", self.issuer), ("public_url", self.public_url)):
            if not safe_address(given):
                raise ValueError(f"{field} is an https address (http for this machine alone), without a query, "
                                 f"got {given!r}")
        if "openid" not in self.scope.split():
            raise ValueError(f"scope holds openid, got {self.scope!r}")
        return self

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back; it must be registered there exactly so."""
        return self.public_url.rstrip("/") + CALLBACK

    @property
    def discovery(self) -> str:
        """Where the provider describes itself (OpenID Connect Discovery 1.0, section 4)."""
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"

    def person(self, claims: Mapping[str, object]) -> Person:
        """Return whom the claims of a checked ID token are about.

        Args:
            claims: Name to value.

        Raises:
            ForbiddenError: They give none of the platform's roles, or not one tenant.
            ProviderError: The subject is no name.
        """
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 200 or not subject.isprintable():
            raise ProviderError("the identity provider names you by no subject of 1 to 200 characters")
        given = set(values_of(claims, self.claim))
        roles = tuple(sorted(role for role, values in self.roles.items() if given.intersection(values)))
        if not roles:
            raise ForbiddenError("your account has none of the roles that may use this platform; ask its administrator")
        named = "".join(values_of(claims, self.name_claim)[:1])[:200] if self.name_claim else ""
        return Person(subject, named if named.isprintable() and named else subject, self._tenant(claims), roles)

    def _tenant(self, claims: Mapping[str, object]) -> str:
        found = values_of(claims, self.tenant_claim) if self.tenant_claim else [TENANT]
        if len(found) != 1 or not TENANTS.fullmatch(found[0]):
            raise ForbiddenError("your account does not name one tenant; ask the platform's administrator")
        return found[0]


def safe_address(given: str) -> bool:
    """Return whether an address is encrypted or this machine's, and has no user, query or fragment.

    Example:
        >>> [safe_address(one) for one in ("https://a.example/x", "http://localhost:80", "http://a.example", "ftp://a")]
        [True, True, False, False]
    """
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not re.fullmatch(r"[\x21-\x7e]+", given) or not host or parts.username is not None or "?" in given:
        return False
    return "#" not in given and (parts.scheme == "https" or (parts.scheme == "http" and on_this_machine(host)))


def on_this_machine(host: str) -> bool:
    """Return whether a host is this machine by its loopback address.

    Example:
        >>> on_this_machine("127.0.0.1"), on_this_machine("10.0.0.1")
        (True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def values_of(claims: Mapping[str, object], name: str) -> list[str]:
    """Return the texts that a claim holds: one, several, or none.

    Args:
        claims: Name to value.
        name: The claim's name; where there is none of that name, ``a.b`` finds ``b`` inside ``a``.

    Example:
        >>> claims = {"groups": "staff", "realm_access": {"roles": ["a", 1]}, "x.y": ["z"]}
        >>> [values_of(claims, name) for name in ("groups", "realm_access.roles", "x.y", "absent")]
        [['staff'], ['a'], ['z'], []]
    """
    found: object = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    several = found if isinstance(found, list) else [found]
    return [one for one in several if isinstance(one, str)]


def read_provider(path: Path) -> Provider:
    """Read the description of a provider.

    Args:
        path: A YAML file.

    Raises:
        InputError: It cannot be read, lacks a key or holds one nobody knows, or holds the client's secret.
    """
    content = plan_content(path, source=str(path))
    if isinstance(content, dict) and {"secret", "client_secret"} & set(content):
        raise InputError(f"{path} holds the client's secret; give it by the environment variable {SECRET} alone")
    return parse_plan(Provider, content, source=str(path))
