"""Sends alerts: signed to webhooks, as text by e-mail. What is sent holds ids and figures, nothing of a patient."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import ssl
import time
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx

from radversary.core.errors import InputError, StorageError
from radversary.service.monitoring.channels import LOCAL
from radversary.service.store.monitoring_tables import Alert, Channel

PATIENCE: Final = 5.0
"""Seconds in which a receiver answers."""

SIGNATURE: Final = "X-Radversary-Signature"
DELIVERY: Final = "X-Radversary-Delivery"


def body_of(alert: Alert) -> dict[str, Any]:
    """Return what is sent of an alert."""
    return {"alert": alert.id, "kind": alert.kind, "subject": alert.subject, "says": alert.says,
            "opened": alert.created}


def signature(secret: str, body: bytes, at: int) -> str:
    """Return a webhook's signature: HMAC-SHA256 of the time, a dot and the body.

    The receiver computes it anew, compares the two in constant time, and refuses a time that is minutes away.

    Args:
        secret: What both sides know.
        body: What is sent.
        at: Seconds since 1970 in UTC.

    Example:
        >>> signature("secret", b"{}", 0)[:12]
        't=0,v1=4bbe8'
    """
    made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"


def send(channel: Channel, delivery: str, content: Mapping[str, Any], server: str) -> None:
    """Send an alert.

    Args:
        channel: Where to.
        delivery: The id by which a receiver knows again what comes twice.
        content: What.
        server: The mail server (:func:`mail`).

    Raises:
        StorageError: It did not arrive; it may the next time.
    """
    try:
        if channel.kind == "webhook":
            webhook(channel.address, channel.secret, delivery, content)
        else:
            mail(server, channel.address, delivery, content)
    except (OSError, httpx.HTTPError, smtplib.SMTPException) as error:
        raise StorageError(f"nothing was delivered ({type(error).__name__})") from error


def webhook(address: str, secret: str, delivery: str, content: Mapping[str, Any]) -> None:
    """Send a signed body to a webhook; a redirect is not followed.

    Args:
        address: The URL.
        secret: What the body is signed with.
        delivery: The id of the delivery.
        content: The body.

    Raises:
        StorageError: The answer is no success.
        httpx.HTTPError: There is none.
    """
    body = json.dumps(content, sort_keys=True).encode()
    headers = {"Content-Type": "application/json", DELIVERY: delivery,
               SIGNATURE: signature(secret, body, int(time.time()))}
    with httpx.Client(timeout=PATIENCE, follow_redirects=False, trust_env=False) as client, \
            client.stream("POST", address, content=body, headers=headers) as answer:
        if not answer.is_success:
            raise StorageError(f"the webhook answered with status {answer.status_code}")


def mail(server: str, to: str, delivery: str, content: Mapping[str, Any]) -> None:
    """Send an e-mail.

    Args:
        server: ``smtp://[USER:PASSWORD@]HOST[:PORT]?from=ADDRESS``, or ``smtps://…`` for TLS from the start; beyond
            this machine the first begins TLS too before anything is said.
        to: The address.
        delivery: The id of the delivery.
        content: What.

    Raises:
        InputError: No such server is given.
        OSError: It cannot be reached.
        smtplib.SMTPException: It refuses.
    """
    parts = urlsplit(server)
    host, sender = parts.hostname, parts.query.removeprefix("from=")
    if parts.scheme not in ("smtp", "smtps") or not host or not parts.query.startswith("from="):
        raise InputError("a mail server is given as smtp://[USER:PASSWORD@]HOST[:PORT]?from=ADDRESS")
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    message["Subject"] = f"radversary: {content['kind']} alert"
    message["Message-ID"] = f"<{delivery}@radversary>"
    message.set_content("".join(f"{name}: {value}\n" for name, value in content.items()))
    with _connected(parts.scheme, host, parts.port) as connection:
        if parts.username:
            connection.login(unquote(parts.username), unquote(parts.password or ""))
        connection.send_message(message)


def _connected(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=PATIENCE, context=ssl.create_default_context())
    connection = smtplib.SMTP(host, port or 587, timeout=PATIENCE)
    if host not in LOCAL:
        try:
            connection.starttls(context=ssl.create_default_context())
        except BaseException:
            connection.close()
            raise
    return connection
