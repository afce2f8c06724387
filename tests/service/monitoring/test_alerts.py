"""Alerts: one at a time, looked after, and delivered to real servers, whatever ends between."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from radversary.core.errors import InputError
from radversary.service.jobs.outcome import finished
from radversary.service.jobs.supervising import Ending
from radversary.service.jobs.tickets import Ticket
from radversary.service.monitoring import deliveries
from radversary.service.monitoring.alerts import Kind, open_alert
from radversary.service.monitoring.channels import check_mail, check_webhook
from radversary.service.monitoring.deliveries import TRIES, deliver
from radversary.service.platform import Platform
from radversary.service.store.monitoring_tables import Alert, Channel, Delivery
from radversary.service.store.tables import Job
from service.monitoring.receivers import mail_server, webhook_server

SECRET = "a secret of the receiver"


def opened(platform, subject="1" * 24, kind=Kind.DRIFT, tenant="main"):
    with platform.database.session() as session:
        return open_alert(session, tenant, kind, subject, "the films changed").id


def waiting(platform):
    with platform.database.session() as session:
        return session.scalars(select(Delivery)).all()


def make_due(platform):
    with platform.database.session() as session:
        session.execute(update(Delivery).values(due=0.0))


def add_hook(client, address):
    added = client.post("/v1/channels", json={"kind": "webhook", "address": address, "secret": SECRET})
    assert added.status_code == 201, added.text
    assert SECRET not in added.text
    return added.json()["id"]


@pytest.mark.slow
def test_an_alert_is_open_once_until_it_is_closed(client, platform):
    first = opened(platform)
    assert opened(platform) == first
    (shown,) = client.get("/v1/alerts").json()["items"]
    assert (shown["count"], shown["state"], shown["kind"]) == (2, "open", "drift")
    assert client.post(f"/v1/alerts/{first}/acknowledge").json()["state"] == "acknowledged"
    assert opened(platform) == first
    assert client.post(f"/v1/alerts/{first}/close").json()["state"] == "closed"
    assert client.post(f"/v1/alerts/{first}/acknowledge").status_code == 409
    assert opened(platform) != first
    assert len(client.get("/v1/alerts", params={"state": "open"}).json()["items"]) == 1


@pytest.mark.slow
def test_tenants_have_alerts_of_their_own(client, platform):
    assert opened(platform) != opened(platform, tenant="other")
    assert len(client.get("/v1/alerts").json()["items"]) == 1


def test_a_job_that_fails_opens_one_without_its_words(platform):
    with platform.database.session() as session:
        job = Job(tenant="main", kind="audit", title="Ms Planted", spec={}, state="running", ticket=1, worker="w")
        session.add(job)
    finished(platform.database, Ticket(job.id, 1, "w"), Ending(failed="cannot read /films/Ms Planted.dcm"))
    with platform.database.session() as session:
        (alert,) = session.scalars(select(Alert)).all()
    assert (alert.kind, alert.subject) == ("job", job.id)
    assert "Planted" not in alert.says


@pytest.mark.slow
def test_a_webhook_is_signed_and_holds_ids_alone(client, platform, settings):
    with webhook_server() as (address, got):
        add_hook(client, address)
        alert = opened(platform)
        assert deliver(platform.database, settings) == 1
        assert deliver(platform.database, settings) == 0
    ((_, headers, body),) = got
    stamp, _, made = headers["X-Radversary-Signature"].partition(",v1=")
    at = stamp.removeprefix("t=")
    assert abs(time.time() - int(at)) < 60
    assert hmac.compare_digest(made, hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest())
    assert headers["X-Radversary-Delivery"] == waiting(platform)[0].id
    assert {name: json.loads(body)[name] for name in ("alert", "kind", "says")} == {
        "alert": alert, "kind": "drift", "says": "the films changed"}


@pytest.mark.slow
def test_what_does_not_arrive_is_tried_again_by_another_process(client, platform, settings):
    with webhook_server([500, 302, 503]) as (address, got):
        add_hook(client, address)
        opened(platform)
        deliver(platform.database, settings)
        (item,) = waiting(platform)
        assert (item.state, item.attempts, item.error) == ("waiting", 1, "the webhook answered with status 500")
        assert 10 < item.due - time.time() < 20
        assert deliver(platform.database, settings) == 0
        again = Platform.open(settings)
        for _ in range(3):
            make_due(platform)
            deliver(again.database, settings)
        again.close()
    assert {path for path, *_ in got} == {"/hook"}  # a redirect is not followed
    assert len({headers["X-Radversary-Delivery"] for _, headers, _ in got}) == 1
    assert [(item.state, item.attempts) for item in waiting(platform)] == [("sent", 4)]


@pytest.mark.slow
def test_a_receiver_that_is_gone_is_given_up_in_the_end(client, platform, settings):
    with webhook_server() as (address, _):
        add_hook(client, address)
    opened(platform)
    for _ in range(TRIES + 1):
        make_due(platform)
        deliver(platform.database, settings)
    (item,) = waiting(platform)
    assert (item.state, item.attempts) == ("failed", TRIES)
    assert item.error.startswith("nothing was delivered (Connect")


@pytest.mark.slow
def test_a_worker_that_ends_while_it_sends_loses_nothing(client, platform, settings, monkeypatch):
    def killed(*_given):
        raise KeyboardInterrupt

    with webhook_server() as (address, got):
        add_hook(client, address)
        opened(platform)
        with monkeypatch.context() as patched:
            patched.setattr(deliveries, "send", killed)
            with pytest.raises(KeyboardInterrupt):
                deliver(platform.database, settings)
        make_due(platform)
        assert deliver(platform.database, settings) == 1
    assert len(got) == 1


@pytest.mark.slow
def test_a_clock_that_was_set_back_holds_up_nothing(client, platform, settings):
    with webhook_server() as (address, _):
        add_hook(client, address)
        opened(platform)
        with platform.database.session() as session:
            session.execute(update(Delivery).values(due=time.time() + 100_000))
        assert deliver(platform.database, settings) == 1


@pytest.mark.slow
def test_a_removed_channel_is_sent_nothing(client, platform, settings):
    with webhook_server() as (address, got):
        channel = add_hook(client, address)
        opened(platform)
        assert client.delete(f"/v1/channels/{channel}").status_code == 204
        assert deliver(platform.database, settings) == 0
    assert got == []
    assert waiting(platform)[0].state == "failed"


@pytest.mark.slow
def test_e_mail_is_sent(platform, settings):
    with mail_server() as (server, got):
        told = replace(settings, mail=server)
        with platform.database.session() as session:
            session.add(Channel(tenant="main", kind="mail", address="it@example.org"))
        alert = opened(platform)
        assert deliver(platform.database, told) == 1
    (message,) = got
    assert "To: it@example.org" in message
    assert "Subject: radversary: drift alert" in message
    assert f"alert: {alert}" in message
    assert server not in repr(told)


@pytest.mark.parametrize(("address", "said"), [
    ("http://example.org/hook", "begins with https://"), ("ftp://localhost/hook", "https://HOST/PATH"),
    ("https://user:word@example.org/", "without a user name"), ("https://", "https://HOST/PATH"),
    ("http://localhost.example.org/", "begins with https://"), ("https://[::1/", "no address"),
    ("https://example.org:99999/", "no address")])
def test_where_nothing_may_be_sent(address, said):
    with pytest.raises(InputError, match=said):
        check_webhook(address, SECRET, plain=False)


def test_a_webhook_without_tls_beyond_this_machine_must_be_allowed():
    check_webhook("http://hooks.internal/x", SECRET, plain=True)
    check_webhook("http://127.0.0.1:9/x", SECRET, plain=False)
    with pytest.raises(InputError, match="secret of 16 characters"):
        check_webhook("https://example.org/", "short", plain=False)


def test_e_mail_needs_a_server_and_an_address():
    with pytest.raises(InputError, match="RADVERSARY_MAIL"):
        check_mail("it@example.org", "")
    with pytest.raises(InputError, match="no e-mail address"):
        check_mail("it@example.org\nBcc: all@example.org", "smtp://localhost?from=a@b")


@pytest.mark.slow
def test_who_is_no_administrator_gives_no_channels(client, key):
    headers = {"Authorization": f"Bearer {key('operator')}"}
    body = {"kind": "webhook", "address": "https://example.org/", "secret": SECRET}
    assert client.post("/v1/channels", json=body, headers=headers).status_code == 403
    assert client.get("/v1/channels", headers=headers).status_code == 403
