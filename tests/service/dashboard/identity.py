"""A real OpenID Connect provider on this machine, whose tokens a test can spoil before they are handed out."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager

import httpx


class LocalProvider:
    """The provider.

    Attributes:
        issuer: Its address.
        asked: What it was asked for at its token endpoint, newest last.
        spoil: Changes an ID token before it is handed out, given its claims and the provider's key; None leaves it.
        told: Changes how it describes itself.
    """

    def __init__(self):
        import oidc_provider_mock
        from werkzeug.serving import make_server

        self.asked, self.spoil, self.told = [], None, {}
        self.app = oidc_provider_mock.app(require_client_registration=True, require_nonce=True)
        self.app.after_request(self._handed_out)
        self.server = make_server("localhost", 0, self.app, threaded=True)
        self.issuer = f"http://localhost:{self.server.server_port}"

    def _handed_out(self, answer):
        import flask
        from joserfc.jwk import RSAKey

        if flask.request.path == "/oauth2/token":
            self.asked.append(flask.request.form.to_dict())
            if self.spoil is not None and "id_token" in answer.json:
                key = RSAKey.import_key(flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True))
                answer.data = json.dumps({**answer.json, "id_token": self.spoil(claims_in(answer.json), key)})
        elif flask.request.path.startswith("/.well-known"):
            answer.data = json.dumps({**answer.json, **self.told})
        return answer

    def client(self, redirect_uri):
        """Register a client; return its id and its secret."""
        made = httpx.post(f"{self.issuer}/oauth2/clients", json={"redirect_uris": [redirect_uri]}, timeout=60).json()
        return made["client_id"], made["client_secret"]

    def knows(self, subject, **claims):
        """Have somebody be known."""
        assert httpx.put(f"{self.issuer}/users/{subject}", json=claims, timeout=60).status_code == 204


def claims_in(token):
    """The claims of an ID token, unchecked."""
    middle = token["id_token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def signed(claims, key, algorithm="RS256"):
    from joserfc import jws

    return jws.serialize_compact({"alg": algorithm}, json.dumps(claims).encode(), key,
                                 algorithms=[algorithm])


def altered(**changes):
    """An ID token with other claims, signed by the provider; None takes a claim out."""
    def spoil(claims, key):
        return signed({name: value for name, value in {**claims, **changes}.items() if value is not None}, key)
    return spoil


def for_another_client(claims, key):
    """A token that was made for another client, though this one asked for it."""
    own = claims["aud"][0] if isinstance(claims["aud"], list) else claims["aud"]
    return signed({**claims, "aud": "another-client", "azp": own}, key)


def by_another_key(claims, _key):
    from joserfc.jwk import RSAKey

    return signed(claims, RSAKey.generate_key(2048))


def unsigned(claims, _key):
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
                    for part in ({"alg": "none"}, claims)) + "."


def by_the_public_key_as_a_secret(claims, key):
    from joserfc.jwk import OctKey

    return signed(claims, OctKey.import_key(key.as_pem(private=False)), "HS256")


@contextmanager
def provided():
    """The provider, until the block is left."""
    made = LocalProvider()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join(timeout=10)
