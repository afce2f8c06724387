"""Where alerts are sent: webhooks and e-mail addresses, given by an administrator."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from radversary.core.errors import InputError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.log import note
from radversary.service.store.monitoring_tables import Channel

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine, to which nothing needs to be encrypted."""

SHORTEST: Final = 16
"""Characters of a webhook's secret, at least."""

ADDRESS: Final = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+")


def add_channel(platform: Platform, by: Actor, *, kind: str, address: str, secret: str = "") -> Channel:
    """Add a channel for the alerts that are opened from now on.

    Args:
        platform: The platform.
        by: Who does; an administrator.
        kind: ``webhook`` or ``mail``.
        address: The URL or the e-mail address.
        secret: What a webhook's bodies are signed with.

    Raises:
        ForbiddenError: The key does not allow it.
        InputError: An address that nothing may be sent to, or a secret that is too short.
    """
    by.need(Scope.ADMIN)
    if kind == "webhook":
        check_webhook(address, secret, plain=platform.settings.plain_webhooks)
    else:
        check_mail(address, platform.settings.mail)
    channel = Channel(tenant=by.tenant, kind=kind, address=address, secret=secret if kind == "webhook" else "")
    with platform.database.session() as session:
        session.add(channel)
        session.flush()
        note(session, tenant=by.tenant, actor=by.id, action="channel.add", subject=channel.id, detail={"kind": kind})
    return channel


def remove_channel(platform: Platform, by: Actor, given: str) -> None:
    """Remove a channel; what was on its way to it is not sent any more.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
    """
    by.need(Scope.ADMIN)
    with platform.database.session() as session:
        session.delete(owned(session, Channel, given, by.tenant))
        note(session, tenant=by.tenant, actor=by.id, action="channel.remove", subject=given)


def check_webhook(address: str, secret: str, *, plain: bool) -> None:
    """Refuse an address that nothing may be sent to, and a secret that is too short.

    Args:
        address: The URL.
        secret: What bodies are signed with.
        plain: Whether an address beyond this machine may do without TLS.

    Raises:
        InputError: With the reason.

    Example:
        >>> check_webhook("http://example.org/hook", "s" * 16, plain=False)
        Traceback (most recent call last):
        radversary.core.errors.InputError: a webhook's address begins with https://, or is on this machine
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InputError("that is no address of a webhook") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.fragment:
        raise InputError("a webhook's address is https://HOST/PATH, without a user name in it")
    if parts.scheme == "http" and host not in LOCAL and not plain:
        raise InputError("a webhook's address begins with https://, or is on this machine")
    if len(secret) < SHORTEST:
        raise InputError(f"a webhook needs a secret of {SHORTEST} characters at least, which its receiver knows too")


def check_mail(address: str, server: str) -> None:
    """Refuse what is no e-mail address, and any where no mail server is known.

    Raises:
        InputError: With the reason.
    """
    if not server:
        raise InputError("this platform knows no mail server; start server and workers with RADVERSARY_MAIL")
    if not ADDRESS.fullmatch(address):
        raise InputError("that is no e-mail address")
