"""Pages of monitoring: figures are the API's, alerts and schedules are looked after by whom it is."""

from __future__ import annotations

import html
import json
import re
import time

import pytest

from radversary.report import formats
from radversary.service.dashboard.filters import share
from radversary.service.monitoring.shown import Figure
from radversary.service.store.monitoring_tables import Alert, Channel, Schedule
from radversary.service.store.tables import Guard, Job
from service.dashboard.conftest import MAY, ROLES, word
from service.dashboard.streamed import FILMS, SECRET

FORMS = ("/alerts/{alert}/acknowledge", "/alerts/{alert}/close", "/schedules", "/schedules/{schedule}/accept",
         "/schedules/{schedule}/remove", "/channels", "/channels/{channel}/remove")


def cells(page, label):
    """The rows of the table that a label names."""
    table = re.search(rf'aria-label="{label}"[^>]*><table.*?</table>', page, re.DOTALL)[0]
    return [[html.unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
            for row in re.findall(r"<tr>.*?</tr>", table.partition("<tbody>")[2], re.DOTALL)]


def fact(page, name):
    """What a page says of a fact."""
    return html.unescape(re.sub("<[^>]+>", "", re.search(rf"<dt>{name}</dt><dd>(.*?)</dd>", page)[1]))


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "back=week", "group=all"])
def test_figures_are_those_of_the_api(visitor, client, things, query):
    since = time.time() - 7 * 86_400 if query == "back=week" else 0.0  # no film came within minutes of it
    group = "all" if query == "group=all" else ""
    found = client.get(f"/v1/guards/{things['guard']}/monitoring", params={"since": since, "group": group}).json()
    page = visitor("viewer").get(f"/monitoring/{things['guard']}?{query}").text
    assert 0 < found["films"] <= FILMS
    assert (found["films"] == FILMS) == (not query)
    assert fact(page, "Alarm rate") == f"{share(Figure(**found['alarms']))}, n = {found['alarms']['n']}"
    assert fact(page, "Refused films") == f"{share(Figure(**found['refused']))}, n = {found['refused']['n']}"
    assert fact(page, "Promised, on average over calibrations") == formats.percent(found["promised"])
    assert cells(page, "Alarm rate by group") == [
        [item["group"], share(Figure(**item["alarms"])), formats.percent(found["promised"]),
         formats.percent(item["bound"]), str(item["alarms"]["n"])] for item in found["groups"]]
    assert [row[2:] for row in cells(page, "Alarm rate over time")] == [
        [share(Figure(**span["alarms"])), str(span["alarms"]["n"])] for span in found["spans"]]
    drawn = json.loads(html.unescape(re.search("data-rates='(.*?)'", page)[1]))
    assert drawn["value"] == [span["alarms"]["value"] for span in found["spans"]]
    assert (drawn["promised"], drawn["bound"]) == (found["promised"], found["bound"])
    assert cells(page, "Predictions and confidence")[0][:3] == [
        "<i>Mass</i>", share(Figure(**found["predictions"]["classes"][0]["before"])),
        str(found["predictions"]["classes"][0]["before"]["n"])]


@pytest.mark.slow
def test_the_list_shows_each_guard_and_one_that_is_damaged_does_not_hide_the_others(visitor, client, things, platform):
    with platform.database.session() as session:
        session.add(Guard(tenant="main", name="a damaged one", model_id="0" * 24, folder="/nowhere", promise={}))
    page = visitor("viewer").get("/monitoring").text
    found = client.get(f"/v1/guards/{things['guard']}/monitoring").json()
    assert fact(page, "Alarm rate") == f"{share(Figure(**found['alarms']))}, n = {found['alarms']['n']}"
    assert f"{FILMS} films" in fact(page, "Films seen")
    assert "more alarms than it promises" in page
    assert "a damaged one" in page
    assert "Its figures cannot be made" in page


@pytest.mark.slow
def test_a_guard_that_screened_nothing_says_what_to_do(visitor, platform, things):
    from radversary.service.store.monitoring_tables import Stream

    with platform.database.session() as session:
        known = session.get(Stream, things["guard"])
        fresh = Guard(tenant="main", name="fresh", model_id="0" * 24, folder="/nowhere", promise={})
        session.add(fresh)
        session.flush()
        session.add(Stream(id=fresh.id, tenant="main", reference=known.reference, state={}))
        given = fresh.id
    shown = visitor("operator").get(f"/monitoring/{given}").text
    assert 'class="empty"' in shown
    assert f"/screening?guard={given}" in shown
    assert "data-rates" not in shown
    assert f"/screening?guard={given}" not in visitor("viewer").get(f"/monitoring/{given}").text


@pytest.mark.slow
def test_open_alerts_come_first_with_what_they_are_about(visitor, things):
    client = visitor("operator")
    page = client.get("/alerts").text
    assert page.index(">Open<") < page.index("more alarms than it promises") < page.index(">Closed<")
    assert page.index(">Closed<") < page.index("the films changed")
    for where in ("/monitoring/{guard}", "/schedules#s{schedule}", "/jobs/{failed}"):
        assert f'<a href="{where.format(**things)}">' in page
    assert "the audit broke 1 of 1 rules against its baseline." in page
    notes = re.findall(r'<li class="grave"><a href="([^"]+)">(.*?)</a>', client.get("/").text)
    assert [where for where, _ in notes][:3] == [
        f"/jobs/{things['failed']}", f"/schedules#s{things['schedule']}", f"/monitoring/{things['guard']}"]
    assert notes[0][1] == "a failure failed: the disk is &lt;full&gt;"
    assert sum("a failure failed" in text for _, text in notes) == 1
    said = "".join(text for _, text in notes)
    assert "is limited because the measurement is suspect. Its audit gives 1 more reason." in said
    assert "G1" not in said


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_who_may_change_what(visitor, things, role):
    client = visitor(role)
    for form in FORMS:
        answer = client.post(form.format(**things), data={"csrf": "no"})
        assert answer.status_code == 403, (form, answer.text)
    token = client.get("/").text.split('data-csrf="')[1].split('"')[0]
    for form in FORMS:
        answer = client.post(form.format(**things), data={"csrf": token})
        may = role == "administrator" or ("write" in MAY[role] and "/channels" not in form)
        assert (answer.status_code == 403) != may, (form, answer.text)


@pytest.mark.slow
def test_an_alert_is_acknowledged_then_closed(visitor, things, platform):
    client = visitor("administrator")
    for wish, state in (("acknowledge", "acknowledged"), ("close", "closed")):
        answer = client.post(f"/alerts/{things['alert']}/{wish}", data={"csrf": word(client)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
        with platform.database.session() as session:
            assert session.get(Alert, things["alert"]).state == state
        assert f"{state} by test" in client.get("/alerts").text
    again = client.post(f"/alerts/{things['alert']}/close", data={"csrf": word(client)})
    assert (again.status_code, "That alert is closed" in again.text) == (409, True)


@pytest.mark.slow
def test_a_channel_is_added_and_removed_and_no_page_shows_its_secret(visitor, things, platform):
    client = visitor("administrator")
    given = {"csrf": word(client), "kind": "webhook", "address": "https://hooks.example.org/b", "secret": "s" * 20}
    assert client.post("/channels", data=given).status_code == 303
    shown = client.get("/schedules").text
    assert "https://hooks.example.org/b" in shown
    assert SECRET not in shown
    assert "s" * 20 not in shown
    refused = client.post("/channels", data={**given, "secret": "short"})
    assert (refused.status_code, "16 characters" in refused.text) == (422, True)
    assert client.post("/channels", data={**given, "kind": "pigeon"}).status_code == 422
    client.post(f"/channels/{things['channel']}/remove", data={"csrf": given["csrf"]})
    with platform.database.session() as session:
        assert session.get(Channel, things["channel"]) is None
    assert "hooks.example.org" not in visitor("operator").get("/schedules").text


@pytest.mark.slow
def test_an_audit_is_repeated_its_baseline_changed_and_the_schedule_removed(visitor, things, platform):
    client = visitor("administrator")
    given = {"csrf": word(client), "baseline": things["job"], "cron": " 0 3 * * * ", "max_drop": "2.5", "name": "night"}
    assert client.post("/schedules", data=given).status_code == 303
    with platform.database.session() as session:
        made = session.query(Schedule).filter_by(name="night").one()
        assert (made.cron, made.baseline, made.rules["max_drop"]) == ("0 3 * * *", things["job"], 2.5)
        assert made.spec["of"] == {"model": things["model"], "dataset": things["dataset"]}
        assert made.spec["preset"] == "quick"
    for wrong in ({"cron": "often"}, {"max_drop": "nan"}, {"max_drop": "101"}, {"max_drop": ""},
                  {"baseline": things["running"]}, {"baseline": "x"}):
        answer = client.post("/schedules", data={**given, **wrong})
        assert answer.status_code in (404, 409, 422), (wrong, answer.text)
    assert "Make the last audit the baseline" in client.get("/schedules").text
    client.post(f"/schedules/{things['schedule']}/accept", data={"csrf": given["csrf"], "job": things["job"]})
    with platform.database.session() as session:
        assert session.get(Schedule, things["schedule"]).baseline == things["job"]
    client.post(f"/schedules/{things['schedule']}/remove", data={"csrf": given["csrf"]})
    with platform.database.session() as session:
        assert session.get(Schedule, things["schedule"]) is None
        assert session.get(Job, things["job"]) is not None


@pytest.mark.slow
def test_what_others_watch_is_not_shown(visitor, things):
    client = visitor("administrator", tenant="other")
    assert client.get(f"/monitoring/{things['guard']}").status_code == 404
    for path in ("/monitoring", "/alerts", "/schedules", "/"):
        shown = client.get(path).text
        assert "the guard" not in shown.replace("the guard was calibrated", ""), path
        assert "hooks.example.org" not in shown
    answer = client.post(f"/alerts/{things['alert']}/close", data={"csrf": word(client)})
    assert answer.status_code == 404
