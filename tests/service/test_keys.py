"""Keys are kept as hashes, end, are revoked, and allow what they say."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from radversary.core.errors import InputError, UnknownNameError
from radversary.service.access import keys
from radversary.service.access.keys import Keyring, give_key, revoke_key, rotate_key
from radversary.service.access.scopes import ROLES, Scope
from radversary.service.errors import ConflictError, ForbiddenError, NotFoundError, SignInError
from service.conftest import actor


@pytest.mark.slow
def test_a_key_is_known_again_and_its_secret_is_nowhere(platform, key):
    token = key("viewer")
    found = platform.keyring.actor(token)
    assert (found.tenant, found.scopes) == ("main", frozenset({Scope.READ}))
    secret = token.split("_", 2)[2].encode()
    platform.database.close()
    assert not [path for path in platform.settings.home.rglob("*") if path.is_file() and secret in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("harm", [lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), lambda token: "",
                                  lambda token: token.replace("rv_", "xx_"), lambda token: "rv_" + 24 * "0" + "_x",
                                  lambda token: token.split("_", 2)[0] + "__" + token.split("_", 2)[2],
                                  lambda token: token + "x"])
def test_another_key_is_refused_and_does_not_say_why(platform, key, harm):
    with pytest.raises(SignInError, match="unknown, expired or revoked"):
        platform.keyring.actor(harm(key()))


@pytest.mark.slow
def test_a_key_ends(platform, key, monkeypatch):
    token = key(days=1)
    platform.keyring.actor(token)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    with pytest.raises(SignInError):
        platform.keyring.actor(token)


@pytest.mark.slow
def test_a_revoked_key_is_refused_at_once_although_it_was_just_used(platform, key):
    token = key("viewer")
    other = Keyring(platform.database)
    name = platform.keyring.actor(token).id
    other.actor(token)
    with platform.database.session() as session:
        revoke_key(session, actor(), name)
    for keyring in (platform.keyring, other):
        with pytest.raises(SignInError):
            keyring.actor(token)


@pytest.mark.slow
def test_a_rotated_key_allows_the_same_and_the_old_one_nothing(platform, key):
    token = key("operator")
    before = platform.keyring.actor(token)
    with platform.database.session() as session:
        fresh = rotate_key(session, actor(), before.id).token
    assert platform.keyring.actor(fresh).scopes == before.scopes
    with pytest.raises(SignInError):
        platform.keyring.actor(token)


@pytest.mark.slow
@pytest.mark.parametrize("role", sorted(set(ROLES) - {"administrator"}))
def test_administrators_alone_give_and_revoke_keys(platform, key, role):
    name = platform.keyring.actor(key()).id
    with platform.database.session() as session:
        with pytest.raises(ForbiddenError, match="lacks the scope 'admin'"):
            give_key(session, actor(role), "mine", ["admin"])
        with pytest.raises(ForbiddenError):
            revoke_key(session, actor(role), name)


@pytest.mark.slow
def test_nobody_revokes_another_tenant_s_key(platform, key):
    name = platform.keyring.actor(key(tenant="other")).id
    with platform.database.session() as session, pytest.raises(NotFoundError):
        revoke_key(session, actor(), name)


@pytest.mark.parametrize(("name", "scopes", "days", "said"), [
    ("", ["read"], None, "a key has a name"), ("a", [], None, "at least one scope"),
    ("a", ["reed"], None, "did you mean 'read'"), ("a", ["read"], 0, "more than 0 days"),
    ("a", ["read"], float("nan"), "more than 0 days")])
def test_what_is_no_key_is_refused(platform, name, scopes, days, said):
    with platform.database.session() as session, pytest.raises((InputError, UnknownNameError), match=said):
        give_key(session, actor(), name, scopes, days=days)


@pytest.mark.slow
def test_a_rotated_key_ends_as_long_after_as_the_old_one_did(platform, key):
    name = platform.keyring.actor(key("viewer", days=30)).id
    with platform.database.session() as session:
        fresh = rotate_key(session, actor(), name).key
    assert 29.9 * 86400 < fresh.expires - time.time() < 30.1 * 86400


@pytest.mark.slow
def test_a_revoked_key_is_not_rotated_into_a_good_one(platform, key):
    name = platform.keyring.actor(key("viewer")).id
    with platform.database.session() as session:
        revoke_key(session, actor(), name)
        with pytest.raises(ConflictError, match="was revoked"):
            rotate_key(session, actor(), name)


@pytest.mark.slow
def test_the_last_administrator_is_not_revoked_but_may_rotate(platform, key):
    name = platform.keyring.actor(key()).id
    with platform.database.session() as session:
        with pytest.raises(ConflictError, match="last administrator"):
            revoke_key(session, actor(), name)
        other = rotate_key(session, actor(), name).key
        give_key(session, actor(), "second", ["admin"])
        revoke_key(session, actor(), other.id)


@pytest.mark.slow
def test_of_many_requests_with_one_key_the_first_is_hashed_for_all_in_one_thread(platform, key, monkeypatch):
    tokens, hashed, verify = [key("viewer") for _ in range(3)], [], keys.HASHER.verify

    class Hasher:
        @staticmethod
        def verify(digest, secret):
            hashed.append(threading.current_thread().name)
            return verify(digest, secret)

    monkeypatch.setattr(keys, "HASHER", Hasher)
    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(lambda place: platform.keyring.actor(tokens[place % 3]).id, range(48)))
    assert found == found[:3] * 16
    assert len(set(found[:3])) == len(hashed) == 3
    assert len(set(hashed)) == 1
