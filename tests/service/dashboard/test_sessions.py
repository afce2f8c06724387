"""Sessions and forms: cookies that no script reads, a word that every form must bring, errors that stay on the page."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from radversary.service.dashboard.signing import own_place
from service.dashboard.conftest import PAGES, word

FORMS = ("/sign-out", "/models", "/models/{model}/remove", "/data", "/data/{dataset}/remove", "/audits", "/guards",
         "/jobs/{running}/cancel", "/jobs/{running}/pause", "/jobs/{failed}/resume", "/jobs/{failed}/remove",
         "/guards/{guard}/remove", "/keys", "/keys/x/rotate",
         "/keys/x/revoke", "/people/x/end")
BODIES = ("/screening/{guard}", "/uploads/model.zip")


@pytest.mark.slow
def test_the_cookie_is_read_by_no_script_and_sent_by_no_other_site(app, key):
    for base, secure in (("http://testserver", False), ("https://testserver", True)):
        with TestClient(app, base_url=base, follow_redirects=False) as client:
            cookie = client.post("/sign-in", data={"key": key()}).headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert ("secure" in cookie) is secure


@pytest.mark.slow
def test_who_is_not_signed_in_is_sent_to_where_that_is_done(app, things):
    client = TestClient(app, follow_redirects=False)
    for path in PAGES:
        answer = client.get(path.format(**things))
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in"), path
    assert client.get("/models?a=1").headers["location"] == "/sign-in?back=/models%3Fa%3D1"
    assert client.get("/models", headers={"HX-Request": "true"}).headers["hx-redirect"] == "/sign-in"
    for path in (*FORMS, *BODIES):
        assert client.post(path.format(**things)).status_code == 401, path


@pytest.mark.slow
def test_a_wrong_key_is_said_on_the_page(app):
    client = TestClient(app, follow_redirects=False)
    answer = client.post("/sign-in", data={"key": "rv_nothing_at-all", "back": "/models"})
    assert answer.status_code == 401
    assert "unknown, expired or revoked" in answer.text
    assert 'value="/models"' in answer.text
    assert "rv_nothing" not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.slow
def test_many_wrong_keys_are_slowed_down(platform, settings):
    from dataclasses import replace

    from radversary.service.app import make_app
    from radversary.service.platform import Platform

    slow = Platform(replace(settings, rate=6), platform.database, platform.keyring)
    client = TestClient(make_app(slow), follow_redirects=False)
    assert 429 in [client.post("/sign-in", data={"key": "x"}).status_code for _ in range(15)]


@pytest.mark.slow
def test_another_site_can_sign_nobody_in(app, key):
    client = TestClient(app, follow_redirects=False)
    answer = client.post("/sign-in", data={"key": key()}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.slow
@pytest.mark.parametrize("form", [{}, {"csrf": ""}, {"csrf": "0" * 32}, {"csrf": "é"}])
def test_forms_without_the_sessions_word_are_refused(visitor, things, form):
    client = visitor("administrator")
    for path in FORMS:
        answer = client.post(path.format(**things), data=form)
        assert answer.status_code == 403, path
        assert "not from this session" in answer.text
    for path in BODIES:
        assert client.post(path.format(**things), content=b"film").status_code == 403, path
    assert client.get("/").status_code == 200


@pytest.mark.slow
def test_the_word_of_another_session_is_refused(visitor, things):
    one, other = visitor("administrator"), visitor("administrator")
    assert one.post("/data", data={"csrf": word(other)}).status_code == 403


@pytest.mark.slow
def test_signing_out_ends_the_session(visitor):
    client = visitor("administrator")
    cookie = client.cookies["radversary"]
    assert client.post("/sign-out", data={"csrf": word(client)}).headers["location"] == "/sign-in"
    client.cookies.set("radversary", cookie)
    assert client.get("/").status_code == 303


@pytest.mark.slow
def test_a_form_does_what_it_says_and_a_viewer_may_not(visitor):
    client = visitor("operator", "log")
    form = {"csrf": word(client), "name": "some", "kind": "phantoms", "count": "12", "size": "48", "seed": "3"}
    assert client.post("/data", data=form).headers["location"] == "/data"
    assert "some" in client.get("/data").text
    found = re.search(r"/data/(\w+)/remove", client.get("/data").text)
    looker = visitor("viewer", "log")
    refused = looker.post(found[0], data={"csrf": word(looker)})
    assert (refused.status_code, "lacks the scope" in refused.text) == (403, True)
    sent = client.post(found[0], headers={"HX-Request": "true", "X-CSRF": word(client)})
    assert re.fullmatch(r"/data\?removed=\d+", sent.headers["hx-redirect"])
    assert "No images yet" in client.get("/data").text


@pytest.mark.slow
@pytest.mark.parametrize(("path", "form", "said"), [
    ("/models", {"name": "m", "path": "/etc"}, "outside the folders"),
    ("/models", {"name": "", "path": "x"}, "A model has a name"),
    ("/data", {"name": "d", "kind": "phantoms", "count": "many"}, "is no number"),
    ("/data", {"name": "d", "kind": "phantoms", "count": "1.5"}, "is a whole number"),
    ("/data", {"name": "d", "kind": "phantoms", "count": "nan"}, "is a whole number"),
    ("/audits", {"model": "x", "dataset": "y", "preset": "quick"}, "There is no model"),
    ("/audits", {"model": "x", "dataset": "y", "preset": "quik"}, "unknown preset"),
    ("/guards", {"model": "x", "dataset": "y"}, "There is no model"),
    ("/keys", {"name": "k", "role": "king"}, "king"), ("/keys", {"name": "k", "role": "viewer", "days": "-1"}, "days")])
def test_errors_stay_on_the_page_as_a_sentence(visitor, path, form, said):
    client = visitor("administrator")
    form = {**form, "csrf": word(client)}
    part = client.post(path, data=form, headers={"HX-Request": "true"})
    assert part.status_code in (403, 404, 422), part.text
    assert part.headers["hx-retarget"] == "#alerts"
    assert said.lower() in part.text.lower()
    whole = client.post(path, data=form)
    assert said.lower() in whole.text.lower()
    assert "<h1>" in whole.text


@pytest.mark.slow
def test_a_key_is_given_once_on_the_page(visitor):
    client = visitor("administrator")
    given_page = client.post("/keys", data={"csrf": word(client), "name": "Ada", "role": "viewer", "days": "5"})
    token = re.search(r"rv_[\w-]+", given_page.text)[0]
    assert "Ada" in client.get("/keys").text
    assert token not in client.get("/keys").text
    other = TestClient(client.app, follow_redirects=False)
    assert other.post("/sign-in", data={"key": token}).status_code == 303
    found = re.findall(r"/keys/(\w+)/revoke", client.get("/keys").text)
    assert token.split("_")[1] in found
    client.post(f"/keys/{token.split('_')[1]}/revoke", data={"csrf": word(client)})
    assert other.get("/").headers["location"].startswith("/sign-in")


@pytest.mark.slow
def test_a_form_that_is_too_large_or_unreadable_is_refused(visitor):
    client = visitor("administrator")
    assert client.post("/data", content=b"a=" + b"b" * 300_000).status_code == 413
    assert client.post("/data", content=b"\xff").status_code == 422
    assert client.post("/data", content=b"&".join(b"a%d=1" % n for n in range(300))).status_code == 422


@pytest.mark.slow
@given(st.text(max_size=40))
def test_nobody_is_sent_to_another_site(text):
    for place in (text, f"/{text}", f"//{text}", f"https://{text}"):
        found = own_place(place)
        assert found.startswith("/")
        assert not found.startswith(("//", "/\\"))


@pytest.mark.slow
def test_an_upload_gives_its_path_and_a_bad_name_a_sentence(visitor, platform):
    client = visitor("operator", "log")
    headers = {"X-CSRF": word(client), "Accept": "application/json"}
    kept = client.post("/uploads/model.bin", content=b"abc", headers=headers)
    assert kept.status_code == 201
    assert kept.json()["path"].startswith(str(platform.settings.home))
    assert "name" in client.post("/uploads/.hidden", content=b"abc", headers=headers).json()["detail"]
