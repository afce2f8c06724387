"""The description of an identity provider: what it holds, and what is refused."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import yaml

from radversary.core.errors import MissingPartError, RadversaryError
from radversary.service.provider import read_provider

GIVEN = {"issuer": "https://id.hospital.example/realms/hospital", "client_id": "radversary",
         "public_url": "https://radversary.hospital.example", "roles": {"viewer": ["radiology"]}}


def written(folder, **changes):
    path = folder / "login.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in {**GIVEN, **changes}.items() if value is not None}))
    return path


def test_the_description_on_the_platforms_page_is_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "platform.md").read_text(encoding="utf-8")
    path = tmp_path / "login.yaml"
    path.write_text(re.search(r"```yaml\n(# login\.yaml.*?)```", page, re.DOTALL)[1], encoding="utf-8")
    found = read_provider(path)
    assert found.redirect_uri in page
    assert found.person({"sub": "1", "groups": ["quality", "radiology"]}).roles == ("auditor", "viewer")


def test_a_description_is_read(tmp_path):
    found = read_provider(written(tmp_path, claim="realm_access.roles"))
    assert found.discovery == "https://id.hospital.example/realms/hospital/.well-known/openid-configuration"
    assert found.person({"sub": "1", "realm_access": {"roles": ["radiology"]}}).roles == ("viewer",)


@pytest.mark.parametrize(("changes", "said"), [
    ({"client_secret": "hunter2hunter2"}, "RADVERSARY_OIDC_SECRET"), ({"secret": "hunter2hunter2"}, "alone"),
    ({"isuer": "x"}, "did you mean 'issuer'"), ({"issuer": None}, "issuer"), ({"client_id": ""}, "client_id"),
    ({"issuer": "http://id.hospital.example"}, "https"), ({"public_url": "http://rad.hospital.example"}, "https"),
    ({"public_url": "https://rad.hospital.example/?a=1"}, "query"), ({"issuer": "https://a:b@id.example"}, "https"),
    ({"roles": {"king": ["x"]}}, "king"), ({"roles": {}}, "roles"), ({"roles": {"viewer": "radiology"}}, "roles"),
    ({"scope": "profile"}, "openid")])
def test_a_description_that_does_not_fit_is_one_sentence(tmp_path, changes, said):
    with pytest.raises(RadversaryError, match=said) as caught:
        read_provider(written(tmp_path, **changes))
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_platform_is_served_with_a_description(tmp_path, monkeypatch):
    from radversary.cli.serve import provider_settings

    monkeypatch.setenv("RADVERSARY_OIDC_SECRET", "hunter2")
    found = provider_settings(written(tmp_path))
    assert (found["provider"].client_id, found["provider_secret"]) == ("radversary", "hunter2")
    assert "RADVERSARY_OIDC_SECRET" not in os.environ  # workers are given the environment
    assert provider_settings(None) == {}


def test_the_extra_that_is_missing_is_named(tmp_path, monkeypatch):
    from radversary.cli.serve import provider_settings

    monkeypatch.delitem(sys.modules, "radversary.service.access.oidc", raising=False)
    monkeypatch.setitem(sys.modules, "authlib.integrations.base_client", None)
    with pytest.raises(MissingPartError, match=r"pip install 'radversary\[oidc\]'"):
        provider_settings(written(tmp_path))
