"""Signing in at an OpenID Connect provider, by Authlib: code flow with PKCE, state, nonce and a checked ID token."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from radversary.core.errors import MissingPartError
from radversary.core.text import sentence
from radversary.service.errors import ProviderError
from radversary.service.provider import Provider

try:
    import httpx2
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin
    from authlib.integrations.httpx_client import OAuth2Client
    from joserfc.errors import JoseError
except ImportError as problem:
    raise MissingPartError(f"signing in at an identity provider needs {problem.name}: pip install 'radversary[oidc]'"
                           ) from problem

LOG: Final = logging.getLogger("radversary.service")

CODE: Final = re.compile(r"[a-z_]{1,40}")
"""What a code of an error looks like, such as ``invalid_client`` (RFC 6749, section 5.2)."""

SIGNED: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures of an ID token that are accepted: by a key of the provider's, never by a shared secret, never none."""

TIMEOUT: Final = 5.0
"""Seconds for each connection and answer of the provider."""

LEEWAY: Final = 60
"""Seconds by which the provider's clock may differ."""

ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
"""What a provider must tell where it describes itself."""


class Begun(NamedTuple):
    """A sign-in that has begun at the provider.

    Attributes:
        url: Where the person is sent.
        state: Comes back with the person.
        nonce: Comes back in the ID token.
        verifier: Shows the provider that whoever brings the code began the sign-in (PKCE, RFC 7636).
    """

    url: str
    state: str
    nonce: str
    verifier: str


class _Client(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc] # Authlib has no types
    client_cls = OAuth2Client


def begin(provider: Provider, secret: str) -> Begun:
    """Begin a sign-in: ask the provider where people sign in, and choose what must come back.

    Args:
        provider: The provider.
        secret: The client's secret.

    Raises:
        ProviderError: It does not answer, or not as a provider does.
    """
    with _answering(provider):
        made = _client(provider, secret).create_authorization_url(provider.redirect_uri)
        return Begun(made["url"], made["state"], made["nonce"], made["code_verifier"])


def claims_of(provider: Provider, secret: str, code: str, begun: Begun) -> Mapping[str, object]:
    """Exchange a code for an ID token; return its claims once signature, issuer, audience, times and nonce are checked.

    Args:
        provider: The provider.
        secret: The client's secret.
        code: What the provider sent back with the person.
        begun: The sign-in that has begun.

    Raises:
        ProviderError: The provider does not answer, does not take the code, or gives a token that does not hold.
    """
    with _answering(provider):
        client = _client(provider, secret)
        token = client.fetch_access_token(provider.redirect_uri, code=code, code_verifier=begun.verifier)
        options = {"iss": {"essential": True, "value": provider.issuer}, "exp": {"essential": True},
                   "aud": {"essential": True, "value": provider.client_id}}
        claims = client.parse_id_token(token, begun.nonce, claims_options=options, leeway=LEEWAY)
        if claims is None:
            raise ProviderError(f"{provider.name} gave no ID token")
        return dict(claims)


def _client(provider: Provider, secret: str) -> Any:  # noqa: ANN401 - Authlib has no types
    """Return a client that knows how the provider describes itself now: new for each step, so that nothing is stale."""
    client = _Client(None, "provider", client_id=provider.client_id, client_secret=secret,
                     server_metadata_url=provider.discovery, client_kwargs={
                         "scope": provider.scope, "code_challenge_method": "S256", "timeout": TIMEOUT,
                         "verify": _authorities()})
    told, secure = client.load_server_metadata(), ("https", urlsplit(provider.issuer).scheme)
    if told.get("issuer") != provider.issuer:
        raise ProviderError(f"{provider.name} names another issuer than the one that it was set up with")
    if not all(urlsplit(str(told.get(name, ""))).scheme in secure for name in ENDPOINTS):
        raise ProviderError(f"{provider.name} does not describe itself as an OpenID Connect provider does")
    ways = told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    client.client_kwargs["token_endpoint_auth_method"] = (
        "client_secret_basic" if "client_secret_basic" in ways else "client_secret_post")
    signed = [name for name in told.get("id_token_signing_alg_values_supported", ()) if name in SIGNED]
    client.server_metadata = {  # no more than this: Authlib makes arguments of all that it finds there
        **{name: told[name] for name in ("issuer", *ENDPOINTS, "_loaded_at")},
        "id_token_signing_alg_values_supported": signed or ["RS256"]}
    return client


@cache
def _authorities() -> ssl.SSLContext:
    """Return the certificate authorities that are trusted, read once: by SSL_CERT_FILE, or those of the machine."""
    return httpx2.create_ssl_context()


@contextmanager
def _answering(provider: Provider) -> Iterator[None]:
    """Turn what Authlib raises into a sentence; the log says why, and nothing else of what the provider said."""
    try:
        yield
    except httpx2.HTTPError as error:
        LOG.warning("identity provider: %s", sentence(f"{type(error).__name__} {error}"))
        raise ProviderError(f"{provider.name} does not answer; try again later, or sign in with a key") from error
    except (AuthlibBaseError, JoseError) as error:
        code = str(error.error)
        LOG.warning("identity provider: %s", code if CODE.fullmatch(code) else type(error).__name__)
        raise ProviderError(f"{provider.name} did not confirm this sign-in; begin again") from error
    except (httpx2.InvalidURL, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        LOG.warning("identity provider: %s", type(error).__name__)
        raise ProviderError(f"{provider.name} answers as no OpenID Connect provider does") from error
