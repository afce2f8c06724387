"""Signing in at an identity provider: a real one on this machine, a real server, and what goes wrong between them."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import time
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
import pytest
from sqlalchemy import select

from radversary.core.errors import InputError
from radversary.service.access.sign_in import person_id
from radversary.service.app import HEADERS
from radversary.service.platform import Platform
from radversary.service.provider import CALLBACK, Provider
from radversary.service.store.tables import Entry, Handshake, SignIn, Table
from service.conftest import served
from service.dashboard import identity

pytestmark = pytest.mark.slow

GROUPS = {"administrator": ["radiology-it"], "operator": ["radiology-ml"], "viewer": ["radiology", "ward"]}


@pytest.fixture(scope="module")
def running():
    pytest.importorskip("oidc_provider_mock", reason="NO PROVIDER: nobody signed in by OpenID Connect")
    with identity.provided() as made:
        yield made


@pytest.fixture
def hospital(running):
    """The provider, as it is."""
    running.asked.clear()
    running.spoil, running.told = None, {}
    yield running
    running.spoil, running.told = None, {}


@pytest.fixture
def listening():
    return socket.create_server(("127.0.0.1", 0))


@pytest.fixture
def more():
    """Further settings of the provider; a test gives others by its parameter ``more``."""
    return {}


@pytest.fixture
def database(request):
    """The database that a test is given by ``ON_BOTH``, else SQLite."""
    return request.getfixturevalue("postgres").fresh() if getattr(request, "param", "") == "postgresql" else ""


ON_BOTH = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def settings(settings, hospital, listening, database, request):
    """Settings of a platform at which people sign in by the provider."""
    public = f"http://127.0.0.1:{listening.getsockname()[1]}"
    client, secret = hospital.client(public + CALLBACK)
    given = {"issuer": hospital.issuer, "client_id": client, "public_url": public, "roles": GROUPS,
             "name": "Hospital <login>", **request.getfixturevalue("more")}
    return replace(settings, database=database, provider=Provider(**given), provider_secret=secret)


@pytest.fixture
def live(platform, listening):
    with served(platform, listening) as address:
        yield address


@pytest.fixture
def browser():
    with httpx.Client(headers={"Accept": "text/html"}, timeout=60) as opened:
        yield opened


def sent(browser, live, back="/"):
    """Follow the link of the sign-in page; return the provider's address to which it leads."""
    page = browser.get(f"{live}/sign-in", params={"back": back}).text
    link = re.search(r'href="([^"]+)">Sign in with Hospital &lt;login&gt;</a>', page)[1].replace("&amp;", "&")
    answer = browser.get(link)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def returned(browser, there, subject="4711"):
    """Sign in at the provider; return the address to which it sends back."""
    answer = browser.post(there, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def query(address):
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def changed(address, **changes):
    """An address with other values in its query."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=str(httpx.QueryParams({**query(address), **changes}))))


def sentence(answer):
    return re.search(r'class="alert" role="alert"><p>(.*?)</p>', answer.text)[1]


def nobody(browser, live, platform):
    """Whether no session was opened."""
    with platform.database.session() as session:
        none = not session.scalars(select(SignIn)).all()
    return none and nobody_of(browser, live)


def nobody_of(browser, live):
    """Whether a browser is not signed in."""
    return browser.get(f"{live}/models").headers["location"] == "/sign-in?back=/models"


@ON_BOTH
def test_a_person_signs_in_goes_on_and_signs_out(browser, live, hospital, platform):
    hospital.knows("4711", groups=["staff", "radiology-ml"], name="Erika Mustermann", email="erika@hospital.example")
    there = sent(browser, live, "/models?a=1")
    assert there.startswith(hospital.issuer)
    arrived = browser.get(returned(browser, there))
    assert arrived.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/models?a=1">' in arrived.text
    assert arrived.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    page = browser.get(f"{live}/models")
    assert page.status_code == 200
    assert "<b>4711</b><br>read, screen, write" in page.text
    assert browser.get(f"{live}/keys").status_code == 403
    word = re.search(r'data-csrf="([\w-]+)"', page.text)[1]
    assert browser.post(f"{live}/data", data={"name": "d", "kind": "phantoms"}).status_code == 403
    form = {"csrf": word, "name": "d", "kind": "phantoms", "count": "12", "size": "48", "seed": "3"}
    assert browser.post(f"{live}/data", data=form).headers["location"] == "/data"
    with platform.database.session() as session:
        lines = session.scalars(select(Entry).order_by(Entry.number)).all()
    actor = person_id(hospital.issuer, "4711")
    assert [(line.action, line.actor) for line in lines] == [("session.sign-in", actor), ("dataset.register", actor)]
    assert (lines[0].subject, lines[0].detail) == ("4711", {"roles": ["operator"]})
    assert browser.post(f"{live}/sign-out", data={"csrf": word}).headers["location"] == "/sign-in"
    assert nobody(browser, live, platform)


def test_what_is_asked_for_is_bound_to_this_browser(browser, live, hospital, platform):
    hospital.knows("4711", groups=["ward"])
    there = sent(browser, live)
    asked = query(there)
    assert asked["redirect_uri"] == live + CALLBACK
    assert (asked["response_type"], asked["scope"], asked["code_challenge_method"]) == ("code", "openid", "S256")
    assert len(asked["state"]) >= 20
    assert len(asked["nonce"]) >= 20
    again = query(sent(browser, live))
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())
    back = returned(browser, changed(there, **again))
    assert browser.get(back).status_code == 200
    verifier = hospital.asked[-1]["code_verifier"]  # RFC 7636, section 4.6
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert challenge == again["code_challenge"]
    assert len(verifier) >= 43


def test_cookies_are_read_by_no_script(browser, live, hospital):
    hospital.knows("4711", groups=["ward"])
    started = browser.get(f"{live}/sign-in/provider")
    cookie = started.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", f"path={CALLBACK}", "max-age=600"))
    arrived = browser.get(returned(browser, started.headers["location"])).headers.get_list("set-cookie")
    assert ["httponly" in one.lower() and "samesite=strict" in one.lower() for one in arrived] == [True, False]
    assert 'radversary_handshake="";' in arrived[1]


@pytest.mark.parametrize("state", ["", "other", "é"])
def test_another_state_is_refused_and_ends_the_sign_in(browser, live, hospital, platform, state):
    hospital.knows("4711", groups=["ward"])
    back = returned(browser, sent(browser, live))
    refused = browser.get(changed(back, state=state))
    assert (refused.status_code, "was not begun in this browser" in sentence(refused)) == (401, True)
    assert browser.get(back).status_code == 401
    assert nobody(browser, live, platform)
    assert not hospital.asked


def test_a_link_of_somebody_elses_sign_in_signs_nobody_in(browser, live, hospital, platform):
    hospital.knows("attacker", groups=["ward"])
    with httpx.Client(timeout=60) as other:
        link = returned(other, sent(other, live), "attacker")
    assert browser.get(link).status_code == 401
    sent(browser, live)
    assert browser.get(link).status_code == 401
    assert nobody(browser, live, platform)


@ON_BOTH
def test_an_address_is_good_for_one_return(browser, live, hospital, platform):
    hospital.knows("4711", groups=["ward"])
    back = returned(browser, sent(browser, live))
    cookie = browser.cookies["radversary_handshake"]
    assert browser.get(back).status_code == 200
    browser.cookies.clear()
    browser.cookies.set("radversary_handshake", cookie, domain="127.0.0.1", path=CALLBACK)
    assert browser.get(back).status_code == 401
    there = sent(browser, live)
    refused = browser.get(changed(returned(browser, there), code=query(back)["code"]))  # the provider refuses it
    assert (refused.status_code, sentence(refused)) == (
        502, "Hospital &lt;login&gt; did not confirm this sign-in; begin again.")
    with platform.database.session() as session:
        assert not session.scalars(select(Handshake)).all()


def test_who_comes_back_late_begins_again(browser, live, hospital, platform):
    hospital.knows("4711", groups=["ward"])
    back = returned(browser, sent(browser, live))
    with platform.database.session() as session:
        session.scalars(select(Handshake)).one().expires = time.time() - 1
    assert browser.get(back).status_code == 401
    assert nobody(browser, live, platform)


def test_another_nonce_is_refused(browser, live, hospital, platform):
    hospital.knows("4711", groups=["ward"])
    refused = browser.get(returned(browser, changed(sent(browser, live), nonce="of-another-sign-in")))
    assert (refused.status_code, "did not confirm" in sentence(refused)) == (502, True)
    assert nobody(browser, live, platform)


SPOILT = {
    "another audience": identity.altered(aud="another-client"),
    "several audiences": identity.altered(aud=["another-client", "a-third"]), "no audience": identity.altered(aud=None),
    "for another client": identity.for_another_client, "another party": identity.altered(azp="another-client"),
    "another issuer": identity.altered(iss="https://elsewhere.example"), "no subject": identity.altered(sub=None),
    "expired": identity.altered(exp=1_700_000_000), "no end": identity.altered(exp=None),
    "of the future": identity.altered(iat=4_000_000_000), "no nonce": identity.altered(nonce=None),
    "another key": identity.by_another_key, "unsigned": identity.unsigned,
    "the public key as a secret": identity.by_the_public_key_as_a_secret, "no token": lambda _claims, _key: "x.y.z",
    "nothing": lambda _claims, _key: None}


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_token_that_does_not_hold_is_refused(browser, live, hospital, platform, spoil):
    hospital.knows("4711", groups=["radiology-it"])
    hospital.told = {"id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]}
    hospital.spoil = SPOILT[spoil]
    refused = browser.get(returned(browser, sent(browser, live)))
    assert refused.status_code == 502, refused.text
    assert sentence(refused).startswith("Hospital &lt;login&gt; ")
    assert nobody(browser, live, platform)


def test_a_token_that_is_signed_anew_by_the_provider_holds(browser, live, hospital):
    hospital.knows("4711", groups=["ward"])
    hospital.spoil = identity.altered()
    assert browser.get(returned(browser, sent(browser, live))).status_code == 200


@pytest.mark.parametrize("claims", [{}, {"groups": ["visitors"]}, {"groups": "Radiology"}, {"groups": {"ward": 1}},
                                    {"roles": ["administrator"]}])
def test_who_has_no_role_is_told_so(browser, live, hospital, platform, claims):
    hospital.knows("4711", **claims)
    refused = browser.get(returned(browser, sent(browser, live)))
    assert (refused.status_code, sentence(refused)) == (
        403, "your account has none of the roles that may use this platform; ask its administrator.")
    assert nobody(browser, live, platform)


def test_who_says_no_at_the_provider_is_not_signed_in(browser, live, hospital, platform):
    there = sent(browser, live)
    denied = browser.post(there, data={"action": "deny"}).headers["location"]
    assert "access_denied" in denied
    refused = browser.get(changed(denied, state=query(there)["state"], error_description="<b>call this number</b>"))
    assert (refused.status_code, sentence(refused)) == (401, "Hospital &lt;login&gt; did not sign you in.")
    assert "call this number" not in refused.text


@pytest.mark.parametrize("told", [
    {"issuer": "https://elsewhere.example"}, {"token_endpoint": "ftp://elsewhere.example"}, {"jwks_uri": None},
    {"authorization_endpoint": "javascript:alert(1)"}])
def test_a_provider_that_describes_itself_otherwise_is_not_followed(browser, live, hospital, told):
    hospital.told = told
    refused = browser.get(f"{live}/sign-in/provider")
    assert (refused.status_code, "set-cookie" in refused.headers) == (502, False)
    assert sentence(refused).startswith("Hospital &lt;login&gt; ")


def test_what_a_provider_tells_beside_changes_no_setting_of_the_client(browser, live, hospital):
    hospital.knows("4711", groups=["ward"])
    hospital.told = {"verify": False, "proxy": "http://127.0.0.1:9", "scope": "all", "timeout": 0, "jwks": {"keys": []}}
    there = sent(browser, live)
    assert query(there)["scope"] == "openid"
    assert browser.get(returned(browser, there)).status_code == 200


def test_a_provider_that_is_down_is_one_sentence_and_keys_go_on(browser, live, platform, key, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    away = platform.settings.provider.model_copy(update={"issuer": address})
    object.__setattr__(platform.settings, "provider", away)
    refused = browser.get(f"{live}/sign-in/provider?back=/models")
    assert (refused.status_code, sentence(refused)) == (
        502, "Hospital &lt;login&gt; does not answer; try again later, or sign in with a key.")
    assert 'value="/models"' in refused.text
    assert browser.post(f"{live}/sign-in", data={"key": key("viewer")}).status_code == 303
    assert browser.get(f"{live}/models").status_code == 200


def test_a_wrong_secret_is_told_to_who_reads_the_log(browser, live, hospital, platform, caplog):
    hospital.knows("4711", groups=["ward"])
    object.__setattr__(platform.settings, "provider_secret", "another-secret")
    refused = browser.get(returned(browser, sent(browser, live)))
    assert (refused.status_code, "did not confirm" in sentence(refused)) == (502, True)
    assert "identity provider: invalid_client" in [record.getMessage() for record in caplog.records]
    assert "another-secret" not in caplog.text
    assert nobody(browser, live, platform)


def test_a_provider_that_is_down_when_a_person_comes_back(browser, live, hospital, platform):
    hospital.knows("4711", groups=["ward"])
    back = returned(browser, sent(browser, live))
    hospital.told = {"token_endpoint": "http://127.0.0.1:9/token"}
    refused = browser.get(back)
    assert (refused.status_code, "does not answer" in sentence(refused)) == (502, True)
    assert nobody(browser, live, platform)


@pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example",
                                  "javascript:alert(1)"])
def test_nobody_is_led_to_another_site(browser, live, hospital, back):
    hospital.knows("4711", groups=["ward"])
    started = browser.get(f"{live}/sign-in/provider", params={"back": back, "redirect_uri": back})
    assert query(started.headers["location"])["redirect_uri"] == live + CALLBACK
    arrived = browser.get(returned(browser, started.headers["location"]))
    assert 'content="0; url=/"' in arrived.text
    assert "elsewhere" not in arrived.text


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1:1"])
def test_a_request_for_another_host_changes_no_address(browser, live, host):
    started = browser.get(f"{live}/sign-in/provider", headers={"Host": host, "X-Forwarded-Host": host})
    assert query(started.headers["location"])["redirect_uri"] == live + CALLBACK


def test_many_sign_ins_are_slowed_down(browser, hospital, platform, listening):
    slow = Platform(replace(platform.settings, rate=6), platform.database, platform.keyring)
    with served(slow, listening) as live:
        seen = [browser.get(f"{live}{CALLBACK}").status_code for _ in range(12)]
        assert seen == [401] * 10 + [429] * 2
        assert browser.get(f"{live}/sign-in/provider").status_code == 429


def test_a_session_ends_with_its_time_and_with_the_provider(browser, live, hospital, platform):
    hospital.knows("4711", groups=["ward"])
    browser.get(returned(browser, sent(browser, live)))
    assert browser.get(f"{live}/models").status_code == 200
    given = platform.settings.provider
    for other in (None, given.model_copy(update={"issuer": "https://another.example"})):
        object.__setattr__(platform.settings, "provider", other)
        assert browser.get(f"{live}/models").status_code == 303
    object.__setattr__(platform.settings, "provider", given)
    assert browser.get(f"{live}/models").status_code == 200
    with platform.database.session() as session:
        session.scalars(select(SignIn)).one().expires = time.time() - 1
    assert browser.get(f"{live}/models").status_code == 303


@ON_BOTH
def test_an_administrator_ends_a_persons_sessions(browser, live, hospital, platform, key):
    hospital.knows("4711", groups=["ward"])
    hospital.knows("chief", groups=["radiology-it"])
    browser.get(returned(browser, sent(browser, live)))
    path = f"/people/{person_id(hospital.issuer, '4711')}/end"
    with httpx.Client(headers={"Accept": "text/html"}, timeout=60) as chief, httpx.Client(timeout=60) as stranger:
        chief.get(returned(chief, sent(chief, live), "chief"))
        stranger.post(f"{live}/sign-in", data={"key": key(tenant="north")})
        for other in (browser, stranger):
            refused = other.post(f"{live}{path}", data={"csrf": word_of(other, live)})
            assert refused.status_code in (403, 404)
        assert path not in stranger.get(f"{live}/keys").text
        assert chief.post(f"{live}{path}").status_code == 403
        assert path in chief.get(f"{live}/keys").text
        assert browser.get(f"{live}/models").status_code == 200
        assert chief.post(f"{live}{path}", data={"csrf": word_of(chief, live)}).headers["location"] == "/keys"
        assert nobody_of(browser, live)
        assert path not in chief.get(f"{live}/keys").text
    with platform.database.session() as session:
        line = session.scalars(select(Entry).where(Entry.action == "session.end")).one()
    assert (line.actor, line.subject) == (person_id(hospital.issuer, "chief"), "4711")


def word_of(browser, live):
    return re.search(r'data-csrf="([\w-]+)"', browser.get(f"{live}/models").text)[1]


@pytest.mark.parametrize("more", [{"tenant_claim": "org.unit", "name_claim": "name", "scope": "openid profile"}])
def test_claims_name_the_tenant_and_the_person_where_that_is_wanted(browser, live, hospital, platform, more):
    hospital.knows("4711", groups=["ward", "radiology-it"], org={"unit": "north"}, name="Erika Mustermann")
    browser.get(returned(browser, sent(browser, live)))
    assert "<b>Erika Mustermann</b>" in browser.get(f"{live}/models").text
    with platform.database.session() as session:
        line = session.scalars(select(Entry)).one()
    assert (line.tenant, line.detail) == ("north", {"roles": ["administrator", "viewer"], "name": "Erika Mustermann"})
    assert "<td>4711</td>" in browser.get(f"{live}/log").text


@pytest.mark.parametrize("more", [{"tenant_claim": "org"}])
@pytest.mark.parametrize("org", [None, ["north", "south"], "../../etc", "", "a/b", "." * 3, "x" * 65, 7])
def test_who_names_not_one_tenant_is_refused(browser, live, hospital, platform, more, org):
    hospital.knows("4711", groups=["ward"], **({} if org is None else {"org": org}))
    refused = browser.get(returned(browser, sent(browser, live)))
    assert (refused.status_code, "does not name one tenant" in sentence(refused)) == (403, True)
    assert nobody(browser, live, platform)


def test_the_secret_and_the_persons_name_are_nowhere(browser, live, hospital, platform, caplog):
    caplog.set_level("INFO")
    hospital.knows("4711", groups=["radiology-it"], name="Erika Mustermann", email="erika@hospital.example")
    back = returned(browser, sent(browser, live))
    browser.get(back)
    secret = platform.settings.provider_secret
    pages = [browser.get(f"{live}{path}").text for path in ("/settings", "/log", "/", "/sign-in")]
    assert hospital.issuer in pages[0]
    with platform.database.engine.connect() as connection:
        rows = [str(row) for table in Table.metadata.sorted_tables for row in connection.execute(select(table))]
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("radversary"))
    everything = "\n".join([*pages, *rows, repr(platform.settings), str(platform.settings), ours])
    for word in (secret, "Mustermann", "hospital.example", query(back)["code"]):
        assert word not in everything
    assert secret not in caplog.text


def test_without_a_provider_there_is_only_the_key(visitor, settings, platform):
    object.__setattr__(platform.settings, "provider", None)
    client = visitor("viewer")
    assert client.get("/sign-in/provider").status_code == 404
    assert client.get(CALLBACK).status_code == 404
    assert "Sign in with" not in client.get("/sign-in").text


def test_a_browser_goes_there_comes_back_and_stays_signed_in(chromium, live, hospital):
    """The provider's site is another than the platform's; the session's cookie is sent to neither by the other."""
    playwright = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: nobody signed in by a browser")
    hospital.knows("4711", groups=["ward"])
    with playwright.sync_playwright() as opened:
        started = opened.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab, heard = started.new_page(), []
        tab.on("console", lambda said: heard.append(said.text) if said.type in ("error", "warning") else None)
        tab.goto(f"{live}/models?a=1")
        tab.click("text=Sign in with Hospital <login>")
        assert tab.url.startswith(hospital.issuer)
        heard.clear()  # what the provider's own page is told of
        tab.fill("input[name=sub]", "4711")
        tab.click("text=Authorize >> nth=-1")
        tab.wait_for_url(f"{live}/models?a=1")
        assert tab.inner_text("h1") == "Models"
        tab.goto(f"{live}/jobs")
        assert tab.inner_text(".who b") == "4711"
        tab.click("text=Sign out")
        tab.wait_for_url(f"{live}/sign-in")
        started.close()
    assert [text for text in heard if "Content Security Policy" in text] == []


def test_a_provider_without_a_secret_is_refused(settings):
    with pytest.raises(InputError, match="RADVERSARY_OIDC_SECRET"):
        replace(settings, provider_secret="")
